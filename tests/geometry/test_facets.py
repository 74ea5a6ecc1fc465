import numpy as np
import pytest

from genmech_fem.errors import MeshingError
from genmech_fem.geometry import Mesh
from genmech_fem.geometry.facets import INTERFACES, SIDES, SURFACE, interface_tag, unique_facets, with_facet_tags
from genmech_fem.geometry.mesh import FACETS

CUBE = np.array([[x, y, z] for z in (0, 1) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))], dtype=float)
CELLS = {
    "triangle": (CUBE[:3, :2], [[0, 1, 2]]),
    "quad": (CUBE[:4, :2], [[0, 1, 2, 3]]),
    "tetra": (CUBE[[0, 1, 3, 4]], [[0, 1, 2, 3]]),
    "hexahedron": (CUBE, [range(8)]),
}


def squares(n, tags):
    """Grid of n x n squares on [0, 2] x [0, 1]."""
    x, y = np.meshgrid(np.linspace(0, 2, n + 1), np.linspace(0, 1, n + 1), indexing="ij")
    i, j = np.indices((n, n)).reshape(2, -1)
    a = i * (n + 1) + j
    return Mesh(np.c_[x.ravel(), y.ravel()], np.stack([a, a + n + 1, a + n + 2, a + 1], axis=1), "quad", tags)


@pytest.mark.parametrize("kind", FACETS)
def test_facets_of_one_cell_look_outwards(kind):
    points, cells = CELLS[kind]
    mesh = Mesh(points, cells, kind, [0])
    facets, owners = unique_facets(mesh)
    assert len(facets) == len(FACETS[kind])
    np.testing.assert_array_equal(owners, [[0, -1]] * len(facets))
    corners = points[facets]
    if mesh.dimension == 2:
        along = corners[:, 1] - corners[:, 0]
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
    else:
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((corners.mean(axis=1) - points.mean(axis=0)) * normal).sum(axis=1).min() > 0


def test_a_grid_has_its_number_of_facets_and_the_owners_hold_them():
    mesh = squares(5, np.zeros(25, dtype=int))
    facets, owners = unique_facets(mesh)
    assert len(facets) == 2 * 5 * 6
    assert (owners[:, 1] < 0).sum() == 4 * 5
    for side in (0, 1):
        held = owners[:, side] >= 0
        inside = (facets[held][:, :, None] == mesh.cells[owners[held, side]][:, None, :]).any(axis=2)
        assert inside.all()


def test_sides_and_interfaces_have_tags_names_and_lengths():
    tags = np.zeros((4, 4), dtype=int)
    tags[2:], tags[2:, 2:] = 1, 2
    mesh = with_facet_tags(squares(4, tags.ravel()))
    lengths = np.linalg.norm(np.diff(mesh.points[mesh.facets], axis=1)[:, 0], axis=1)
    length = {name: lengths[mesh.facet_tags == tag].sum() for name, tag in mesh.names.items() if tag >= SURFACE}
    expected = {"left": 1, "right": 1, "bottom": 2, "top": 2, "interface_0_1": 0.5, "interface_0_2": 0.5}
    assert length == pytest.approx(expected | {"interface_1_2": 1})
    assert {name: mesh.names[name] for name in ("phase_0", "phase_1", "phase_2")} == {f"phase_{k}": k for k in range(3)}


def test_every_pair_of_phases_has_a_tag_of_its_own():
    pairs = [(a, b) for b in range(30) for a in range(b)]
    tags = [interface_tag(a, b) for a, b in pairs]
    assert sorted(tags) == list(range(INTERFACES, INTERFACES + len(pairs)))
    assert interface_tag(7, 3) == interface_tag(3, 7)


def test_a_boundary_off_the_box_is_surface():
    points = np.array([[0, 0], [1, 0], [0, 1.0]])
    mesh = with_facet_tags(Mesh(points, [[0, 1, 2]], "triangle", [4]))
    assert dict(zip(map(tuple, np.sort(mesh.facets).tolist()), mesh.facet_tags.tolist(), strict=True)) == {
        (0, 1): SIDES["bottom"],
        (1, 2): SURFACE,
        (0, 2): SIDES["left"],
    }
    assert mesh.names == {"phase_4": 4, "left": 11, "bottom": 21, "surface": 10}


def test_the_six_sides_of_a_box_and_a_closed_surface():
    box = with_facet_tags(Mesh(CUBE, [range(8)], "hexahedron", [0]))
    assert sorted(box.facet_tags.tolist()) == sorted(SIDES.values())
    middle = CUBE[box.facets].mean(axis=1)
    for tag, (axis, side) in zip(SIDES.values(), np.ndindex(3, 2), strict=True):
        np.testing.assert_array_equal(middle[box.facet_tags == tag, axis], side)
    closed = Mesh(CUBE, np.array(FACETS["hexahedron"]), "quad", np.zeros(6, dtype=int))
    assert len(with_facet_tags(closed).facets) == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"facets": [[0, 1, 2]]}, r"Mesh.facets: expected \(facets, 2\) with one tag each"),
        ({"facet_tags": [1, 2]}, "with one tag each"),
        ({"facets": [[0, 3]]}, "expected indices from 0 to 2 and tags >= 0, got 0 to 3"),
        ({"facet_tags": [-1]}, "and tags from -1"),
        ({"facet_tags": [0.5]}, "Mesh.facet_tags: expected integers"),
    ],
)
def test_broken_facets_are_refused(change, text):
    good = {"facets": [[0, 1]], "facet_tags": [1]}
    with pytest.raises(MeshingError, match=text):
        Mesh(CUBE[:3, :2], [[0, 1, 2]], "triangle", [0], **{**good, **change})
