import numpy as np
import pytest

from genmech_fem.errors import MeshingError
from genmech_fem.geometry import Mesh

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]])
BOX = np.array([[x, y, z] for z in (0, 3) for x, y in ((0, 0), (2, 0), (2, 1), (0, 1))])


def test_measures_are_the_areas_and_volumes_of_textbook_cells():
    triangles = Mesh(SQUARE, [[0, 1, 2], [0, 3, 2]], "triangle", [0, 1])
    np.testing.assert_allclose(triangles.measures(), [1.0, -1.0])  # the second one is clockwise
    np.testing.assert_allclose(triangles.phase_fractions(), [0.5, 0.5])
    np.testing.assert_allclose(Mesh(SQUARE, [[0, 1, 2, 3]], "quad", [0]).measures(), [2.0])
    np.testing.assert_allclose(Mesh(BOX, [range(8)], "hexahedron", [0]).measures(), [6.0])
    np.testing.assert_allclose(Mesh(BOX, [[0, 1, 3, 4], [0, 3, 1, 4]], "tetra", [0, 2]).measures(), [1.0, -1.0])


def test_a_skew_hexahedron_has_the_volume_of_its_map():
    shear = np.array([[1.0, 0.3, 0.2], [0.1, 1.2, -0.4], [0.0, 0.5, 0.9]])
    mesh = Mesh(BOX @ shear.T, [range(8)], "hexahedron", [0])
    np.testing.assert_allclose(mesh.measures(), [6.0 * np.linalg.det(shear)])


def test_a_surface_in_space_has_positive_area():
    points = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 2.0, 0.0]])
    np.testing.assert_allclose(Mesh(points, [[0, 1, 2], [0, 2, 1]], "triangle", [0, 0]).measures(), np.sqrt(2))


def test_smallest_angle():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, np.sqrt(3)]])
    assert Mesh(points, [[0, 1, 2]], "triangle", [0]).smallest_angle() == pytest.approx(30.0)
    assert Mesh(points, [[0, 1, 1]], "triangle", [0]).smallest_angle() == 0.0
    with pytest.raises(MeshingError, match="expected a mesh of triangles, got cells of type 'quad'"):
        Mesh(SQUARE, [[0, 1, 2, 3]], "quad", [0]).smallest_angle()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"cells": [[0, 1, 4]]}, r"expected indices from 0 to 3, got 0 to 4"),
        ({"cells": [[0, 1, -1]]}, r"expected indices from 0 to 3, got -1 to 1"),
        ({"cells": [[0, 1]]}, r"expected \(cells, 3\) with at least one triangle, got \(1, 2\)"),
        ({"cells": np.zeros((0, 3), int), "tags": np.zeros(0, int)}, "at least one triangle"),
        ({"cells": [[0.0, 1.0, 2.0]]}, "Mesh.cells: expected integers, got dtype float64"),
        ({"points": SQUARE * np.nan}, "expected finite coordinates"),
        ({"points": SQUARE[:, :1]}, r"can hold a triangle, got \(4, 1\)"),
        ({"points": SQUARE.astype(str)}, "Mesh.points: expected real numbers"),
        ({"tags": [0, 1]}, "one phase >= 0 for each of 1 cells, got shape"),
        ({"tags": [-1]}, "with -1"),
        ({"cell_type": "wedge"}, r"expected one of \['hexahedron', 'quad', 'tetra', 'triangle'\], got 'wedge'"),
        ({"cell_type": "tetra", "cells": [[0, 1, 2, 3]]}, "can hold a tetra"),
    ],
)
def test_arrays_that_are_no_mesh_are_refused(change, text):
    good = {"points": SQUARE, "cells": [[0, 1, 2]], "cell_type": "triangle", "tags": [0]}
    with pytest.raises(MeshingError, match=text):
        Mesh(**{**good, **change})
