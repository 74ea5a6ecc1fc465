import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_fields import FAMILIES, own_fraction, random_field, side_mismatch

from genmech_fem.adapters import dolfinx_mesh, phase_field
from genmech_fem.errors import MeshingError
from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.quality import signed_volumes, smallest_dihedral_angles
from genmech_fem.geometry.stuffing3d import tetrahedra
from genmech_fem.metrics import symmetric_matrix
from genmech_fem.problems import periodic_elasticity

CUBE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def mesh_of(field, *, box=CUBE, periodic=True, refine=1, snap=0.3):
    return tetrahedra(np.asarray(field, dtype=float), *box, periodic, refine, snap)


def noise(seed, shape):
    """Level set of a family that the seed chooses."""
    generator = np.random.default_rng(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    field, threshold = random_field(family, shape, generator)
    return field - threshold


def ball(n, centre=(0.5, 0.5, 0.5), radius=0.3):
    offsets = (np.moveaxis(np.indices((n, n, n)), 0, -1) + 0.5) / n - centre
    return radius - np.linalg.norm(offsets - np.round(offsets), axis=-1)


def angle(mesh):
    return np.degrees(smallest_dihedral_angles(mesh.points[mesh.cells]).min())


def fraction(mesh):
    return float(mesh.phase_fractions()[1:].sum())


def on_side(mesh, facets, axis, place):
    """The triangles of one side of the box as sets of the other two coordinates of their points."""
    chosen = facets[(mesh.points[facets, axis] == place).all(axis=1)]
    others = np.delete(mesh.points, axis, axis=1)
    return {frozenset(map(tuple, others[triangle])) for triangle in chosen}


def check_mesh(mesh, box=CUBE, *, periodic=True):
    """Positive volumes that fill the box, conforming, and the same points and triangles on opposite sides."""
    volumes = mesh.measures()
    assert volumes.min() > 0
    assert volumes.sum() == pytest.approx(np.prod(np.subtract(*box[::-1])), rel=1e-12)
    facets, cells = unique_facets(mesh)
    assert 2 * (cells >= 0).all(axis=1).sum() + (cells[:, 1] < 0).sum() == 4 * len(mesh.cells)
    border = facets[cells[:, 1] < 0]
    flat = [(mesh.points[border, axis] == side[axis]).all(axis=1) for axis in range(3) for side in box]
    assert np.any(flat, axis=0).all()
    edges = np.sort(mesh.cells[:, list(itertools.combinations(range(4), 2))].reshape(-1, 2), axis=1)
    edges = len(np.unique(edges[:, 0] * len(mesh.points) + edges[:, 1]))
    assert len(mesh.points) - edges + len(facets) - len(mesh.cells) == 1  # Euler: no hole, no hanging node
    assert len(np.unique(mesh.cells)) == len(mesh.points)
    for axis in range(3):
        sides = [on_side(mesh, border, axis, side[axis]) for side in box]
        assert min(map(len, sides)) > 0
        assert not periodic or sides[0] == sides[1]
    assert not periodic or side_mismatch(mesh.points, *box) == 0.0


@pytest.mark.parametrize("seed", range(12))
def test_random_fields_give_periodic_meshes_with_good_angles_and_their_volume(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(10, 19))
    field = noise(seed, (n, n, n))
    mesh = mesh_of(field)
    check_mesh(mesh)
    assert angle(mesh) > 5
    assert fraction(mesh) == pytest.approx(own_fraction(field, 0.0, 5), abs=0.005)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(*[st.integers(4, 8)] * 3),
    levels=st.sampled_from(["noise", "heavy tails", "few values", "binary", "smooth"]),
    periodic=st.booleans(),
    refine=st.sampled_from([1, 1, 1, 2]),
)
def test_every_field_gives_a_valid_mesh(seed, shape, levels, periodic, refine):
    generator = np.random.default_rng(seed)
    field = {
        "noise": lambda: generator.standard_normal(shape) - generator.normal(),
        "heavy tails": lambda: generator.standard_cauchy(shape),
        "few values": lambda: generator.choice([-2.3, -1.0, -0.43, 0.43, 1.0, 2.3], shape),
        "binary": lambda: generator.choice([-0.5, 0.5], shape),
        "smooth": lambda: noise(seed - seed % 4, shape),
    }[levels]()
    lower = generator.normal(size=3)
    box = tuple(lower), tuple(lower + np.array(shape) * 0.3)  # cubic voxels
    mesh = mesh_of(field, box=box, periodic=periodic, refine=refine)
    check_mesh(mesh, box, periodic=periodic)
    assert angle(mesh) > 5


@pytest.mark.parametrize("snap", [0.0, 0.1, 0.2, 0.4, 0.49])
@pytest.mark.parametrize("sides", [(1.0, 1.0, 1.0), (1.0, 0.2, 3.0)])
def test_every_snap_and_spacing_gives_a_valid_mesh(snap, sides):
    box = (-0.5, 0.0, 2.0), tuple(np.add((-0.5, 0.0, 2.0), sides))
    check_mesh(mesh_of(noise(4, (8, 7, 6)), box=box, snap=snap), box)


def patterns():
    i = np.indices((6, 8, 8))
    yield "checkerboard", np.where(i.sum(axis=0) % 2, 0.5, -0.5), 0.5
    yield "single voxel", np.where((i == 3).all(axis=0), 0.5, -0.5), None
    yield "voxel in the corner", np.where((i == 0).all(axis=0), 0.5, -0.5), None
    yield "channel", np.where((i[0] == 3) & (i[2] == 0), 0.5, -0.5), None
    yield "sheet", np.where(i[1] == 5, 0.5, -0.5), None
    yield "touching edges", np.where(i[0] // 3 == i[1] // 4, 0.5, -0.5), 0.5
    yield "laminate", np.where(i[2] < 4, 0.5, -0.5), 0.5
    yield "full", np.ones((6, 8, 8)), 1.0
    yield "empty", -np.ones((6, 8, 8)), 0.0
    yield "plateau of the interface", np.zeros((6, 8, 8)), 0.0
    yield "huge values", 1e300 * np.where(i[2] < 4, 0.5, -0.5), 0.5
    yield "tiny values", 1e-300 * np.where(i[2] < 4, 0.5, -0.5), 0.5


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(("field", "share"), [pytest.param(*case, id=name) for name, *case in patterns()])
def test_thin_and_ambiguous_shapes_are_meshed(field, share, periodic):
    mesh = mesh_of(field, periodic=periodic)
    check_mesh(mesh, periodic=periodic)
    if share is not None:
        assert fraction(mesh) == pytest.approx(share, abs=1e-9 if periodic else 2e-3)
    else:
        assert 0.3 < fraction(mesh) / (field > 0).mean() < 1.5


def interface(mesh):
    """Triangles (n, 3, 3) between the phases."""
    facets, cells = unique_facets(mesh)
    tags = mesh.tags[cells]
    return mesh.points[facets[(cells[:, 1] >= 0) & (tags[:, 0] != tags[:, 1])]]


def test_volume_and_surface_of_a_ball_converge():
    sizes, centre, areas = (8, 16, 32), (0.47, 0.52, 0.5), []
    for n in sizes:
        mesh = mesh_of(ball(n, centre))
        surface = interface(mesh)
        normals = np.cross(surface[:, 1] - surface[:, 0], surface[:, 2] - surface[:, 0])
        areas.append(np.linalg.norm(normals, axis=1).sum() / 2)
        away = np.abs(np.linalg.norm(surface - centre, axis=2) - 0.3) * n  # [voxels]
        assert away.mean() < 0.06
        assert away.max() < 0.4
        assert fraction(mesh) == pytest.approx(0.036 * np.pi, rel=0.01)
    errors = np.abs(np.array(areas) / (0.36 * np.pi) - 1)
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] < -1.5
    assert errors[-1] < 0.002


def test_refining_brings_the_interface_closer_to_the_ball():
    distances = []
    for k in (1, 2, 4):
        surface = interface(mesh_of(ball(8, radius=0.25), refine=k))
        distances.append(np.abs(np.linalg.norm(surface - 0.5, axis=2) - 0.25).mean())
    assert distances[1] < distances[0]
    assert distances[2] < distances[0] / 2


def test_moving_the_field_on_the_torus_keeps_the_volume():
    field = noise(0, (12, 12, 12))
    moved = mesh_of(np.roll(field, (3, 5, 7), axis=(0, 1, 2)))
    assert fraction(moved) == pytest.approx(fraction(mesh_of(field)), abs=2e-3)


def test_swapping_the_phases_swaps_the_tags():
    field = noise(1, (8, 8, 8))
    mesh, inverse = mesh_of(field), mesh_of(-field)
    np.testing.assert_allclose(mesh.phase_fractions(), inverse.phase_fractions()[::-1], rtol=1e-9)


def test_axis_0_is_x_and_2_is_z():
    field = -np.ones((16, 8, 8))
    field[2:6, :, 6:] = 1.0
    mesh = mesh_of(field, box=((2.0, 0.0, 0.0), (4.0, 1.0, 1.0)), periodic=False)
    middle = np.average(
        mesh.points[mesh.cells[mesh.tags == 1]].mean(axis=1), axis=0, weights=mesh.measures()[mesh.tags == 1]
    )
    np.testing.assert_allclose(middle, [2.5, 0.5, 0.875], atol=0.01)


def laminate(youngs_modulus, poisson_ratio, shares, normal):
    """Mandel stiffness of layers of isotropic phases: Backus (1962), doi:10.1029/JZ067i011p04427."""
    mu = youngs_modulus / (2 * (1 + poisson_ratio))
    lmbda = 2 * mu * poisson_ratio / (1 - 2 * poisson_ratio)
    M = lmbda + 2 * mu
    across, coupled = 1 / (shares @ (1 / M)), shares @ (lmbda / M)
    C = np.zeros((6, 6))
    C[:3, :3] = shares @ (lmbda - lmbda**2 / M) + coupled**2 * across
    C[[0, 1, 2], [0, 1, 2]] += shares @ (2 * mu)
    C[normal, :3] = C[:3, normal] = coupled * across
    C[normal, normal] = across
    C[[3, 4, 5], [3, 4, 5]] = 2 / (shares @ (1 / mu))
    C[5 - normal, 5 - normal] = 2 * shares @ mu  # the shears are xy, xz, yz
    return C


@pytest.mark.parametrize("normal", [0, 1, 2])
def test_the_stiffness_of_a_laminate_is_exact(normal):
    layers = np.moveaxis(np.where(np.indices((4, 4, 4))[0] < 2, 0.5, -0.5), 0, normal)
    domain, tags = dolfinx_mesh(mesh_of(layers))
    problem = periodic_elasticity(domain)
    E, nu = np.array([1.0, 50.0]), np.array([0.35, 0.2])
    phase_field(domain, tags, E, problem.controls["youngs_modulus"])
    phase_field(domain, tags, nu, problem.controls["poisson_ratio"])
    problem.solve()
    found = symmetric_matrix(problem.observe()["stiffness"])
    np.testing.assert_allclose(found, laminate(E, nu, np.array([0.5, 0.5]), normal), atol=1e-10)


def test_a_cell_of_random_phases_lies_between_the_means():
    domain, tags = dolfinx_mesh(mesh_of(noise(1, (5, 5, 5))))
    problem = periodic_elasticity(domain)
    E, nu = np.array([1.0, 20.0]), np.array([0.3, 0.3])
    phase_field(domain, tags, E, problem.controls["youngs_modulus"])
    problem.solve()
    found = symmetric_matrix(problem.observe()["stiffness"])
    share = fraction(mesh_of(noise(1, (5, 5, 5))))
    means = [(1 - share) * E[0] ** k + share * E[1] ** k for k in (1, -1)]
    unit = laminate(np.ones(1), nu[:1], np.ones(1), 0)
    assert np.linalg.eigvalsh(means[0] * unit - found).min() > 0
    assert np.linalg.eigvalsh(found - unit / means[1]).min() > 0


def test_a_box_that_round_off_flattens_is_refused():
    with pytest.raises(MeshingError, match=r"got a degenerate one in the box .*: put the box near the origin"):
        mesh_of(ball(6), box=((1e16, 0.0, 0.0), (1e16 + 4, 1.0, 1.0)))


def test_dihedral_angles_and_volumes_of_known_tetrahedra():
    regular = np.array([[1, -1, -1], [1, 1, 1], [-1, 1, -1], [-1, -1, 1]])
    corner = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    line = np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2], [0, 1, 0]])
    needle = np.array([[0, 0, 0], [1e-3, 0, 0], [0, 1e-3, 0], [0, 0, 1]])
    corners = np.stack([regular, corner, flat, line, needle])
    expected = [np.arccos(1 / 3), np.arccos(1 / np.sqrt(3)), 0.0, 0.0, np.pi / 4]
    np.testing.assert_allclose(smallest_dihedral_angles(corners), expected, atol=1e-6)
    np.testing.assert_allclose(smallest_dihedral_angles(corners[:, [1, 0, 3, 2]] * 7 + 1), expected, atol=1e-6)
    np.testing.assert_allclose(signed_volumes(corners), [8 / 3, 1 / 6, 0, 0, 1e-6 / 6], atol=1e-15)
    np.testing.assert_allclose(signed_volumes(corners[:, [1, 0, 2, 3]]), -signed_volumes(corners), atol=1e-15)
    assert smallest_dihedral_angles(np.zeros((0, 4, 3))).shape == (0,)


@pytest.mark.parametrize("measure", [smallest_dihedral_angles, signed_volumes])
def test_corners_of_other_shapes_are_refused(measure):
    with pytest.raises(ValueError, match=r"\(tetrahedra, 4, 3\), got an array of shape \(5, 3, 3\)"):
        measure(np.zeros((5, 3, 3)))
