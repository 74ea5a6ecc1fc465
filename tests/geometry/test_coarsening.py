import sys

import numpy as np
import pytest
from random_fields import random_field, side_mismatch

from genmech_fem.errors import MeshingError, MissingExtraError
from genmech_fem.geometry import Mesh, coarsen, conforming_mesh
from genmech_fem.geometry.facets import unique_facets


@pytest.fixture(scope="module")
def fine():
    field, threshold = random_field("smooth", (96, 96), np.random.default_rng(7))
    return conforming_mesh(field, threshold=threshold, upper=(2.0, 2.0))


def interface(mesh):
    edges, owners = unique_facets(mesh)
    return edges[(owners[:, 1] >= 0) & (mesh.tags[owners[:, 0]] != mesh.tags[owners[:, 1]])]


def test_fewer_triangles_same_interface_same_areas_still_periodic(fine):
    coarse = coarsen(fine)
    assert len(coarse.cells) < 0.55 * len(fine.cells)
    assert coarse.measures().min() > 0
    assert coarse.smallest_angle() > 3
    np.testing.assert_allclose(coarse.phase_fractions(), fine.phase_fractions(), rtol=1e-12)
    ends = [mesh.points[interface(mesh)].mean(axis=1) for mesh in (fine, coarse)]
    np.testing.assert_allclose(*(end[np.lexsort(end.round(9).T)] for end in ends), atol=1e-12)
    assert side_mismatch(coarse.points, (0.0, 0.0), (2.0, 2.0)) == 0.0


def test_an_interface_that_may_move_gets_longer_edges_and_keeps_its_area_nearly(fine):
    coarse = coarsen(fine, tolerance=0.2 * 2 / 96)
    assert len(coarse.cells) < 0.45 * len(fine.cells)
    assert len(interface(coarse)) < 0.9 * len(interface(fine))
    np.testing.assert_allclose(coarse.phase_fractions(), fine.phase_fractions(), atol=5e-3)
    assert side_mismatch(coarse.points, (0.0, 0.0), (2.0, 2.0)) == 0.0


def test_wrong_input_is_refused(fine, monkeypatch):
    with pytest.raises(ValueError, match="expected size > 0, gradation > 1 and tolerance > 0, got 0"):
        coarsen(fine, size=0.0)
    square = Mesh([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2, 3]], "quad", [0])
    with pytest.raises(MeshingError, match="expected triangles in 2D, got quad cells"):
        coarsen(square)
    monkeypatch.setitem(sys.modules, "mmgpy", None)
    with pytest.raises(MissingExtraError, match=r"genmech_fem\[mmg\]"):
        coarsen(fine)
