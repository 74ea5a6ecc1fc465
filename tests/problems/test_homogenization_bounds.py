"""Conduction in periodic cells, bounds and published values of effective moduli."""

import numpy as np
import pytest
from periodic_cells import CELLS, box, laminate, midpoints, set_moduli

from genmech_fem.adapters import dolfinx_mesh, phase_field
from genmech_fem.geometry import conforming_mesh
from genmech_fem.metrics import relative_frobenius, symmetric_matrix
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.problems.homogenization import periodic_conduction, periodic_elasticity
from genmech_fem.problems.physics import mandel_basis

GRIDS = [(2, "quadrilateral", 24), (2, "triangle", 24), (3, "hexahedron", 10)]


def conductivity(problem):
    problem.solve()
    return symmetric_matrix(problem.observe()["conductivity"])


def lower_triangle(tensors):
    dimension = tensors.shape[-1]
    return tensors[..., *np.tril_indices(dimension)].ravel()


def random_tensors(generator, count, dimension):
    factors = generator.standard_normal((count, dimension, dimension))
    return factors @ np.swapaxes(factors, 1, 2) + np.eye(dimension)


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("degree", [1, 2])
def test_conduction_through_a_laminate_is_exact(dimension, cell, degree):
    """Along the layers the arithmetic mean, across them the harmonic one."""
    domain = box(dimension, cell, 4, sides=(2.0, 1.0, 0.5)[:dimension])
    problem = periodic_conduction(domain, degree=degree)
    set_moduli(problem, conductivity=np.where(midpoints(domain)[:, 0] < 1.0, 10.0, 0.2))
    exact = np.diag([2 / (1 / 10.0 + 1 / 0.2)] + [5.1] * (dimension - 1))
    np.testing.assert_allclose(conductivity(problem), exact, atol=1e-11)


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_anisotropic_conduction_through_a_laminate_is_exact(dimension, cell, generator):
    domain = box(dimension, cell, 4)
    problem = periodic_conduction(domain, anisotropic=True)
    tensors = random_tensors(generator, 2, dimension)
    set_moduli(problem, conductivity=lower_triangle(tensors[[0] * len(midpoints(domain))]))
    np.testing.assert_allclose(conductivity(problem), tensors[0], atol=1e-11)
    layer = (midpoints(domain)[:, 0] > 0.5).astype(int)
    set_moduli(problem, conductivity=lower_triangle(tensors[layer]))
    np.testing.assert_allclose(conductivity(problem), laminate(tensors, [0]), atol=1e-11)


def test_a_full_tensor_that_is_isotropic_is_a_scalar(generator):
    domain = box(2, "triangle", 6)
    scalar, tensor = periodic_conduction(domain), periodic_conduction(domain, anisotropic=True)
    values = generator.uniform(1, 9, len(midpoints(domain)))
    set_moduli(scalar, conductivity=values)
    set_moduli(tensor, conductivity=lower_triangle(values[:, None, None] * np.eye(2)))
    np.testing.assert_allclose(conductivity(tensor), conductivity(scalar), rtol=1e-12, atol=1e-12)


def shapes(dimension, n):
    """Checked cells: a ball in the middle, overlapping balls at random places."""
    points = (np.indices((n,) * dimension).reshape(dimension, -1).T + 0.5) / n
    generator = np.random.default_rng(1)
    yield np.linalg.norm(points - 0.5, axis=1) < 0.35
    offsets = np.abs(points[:, None] - generator.random((6, dimension)))
    yield np.linalg.norm(np.minimum(offsets, 1 - offsets), axis=2).min(axis=1) < 0.25


def two_phases(problem, dimension, n, phase, **values):
    """Set (value of phase 0, value of phase 1) where `phase` is given on the grid."""
    place = np.ravel_multi_index(
        tuple((midpoints(problem.state.function_space.mesh) * n).astype(int).T), (n,) * dimension
    )
    set_moduli(problem, **{name: np.asarray(pair)[phase[place].astype(int)] for name, pair in values.items()})


def hashin_shtrikman(one, two, fraction, stiffness):
    """Bound with phase `one` around: `stiffness` is d k of `one`, or of the bulk modulus its 4 mu / 3 and the like."""
    return one + fraction / (1 / (two - one) + (1 - fraction) / (one + stiffness))


@pytest.mark.parametrize(
    ("dimension", "cell", "n"), [(2, "quadrilateral", 24), (2, "triangle", 24), (3, "hexahedron", 10)]
)
@pytest.mark.parametrize("values", [(1.0, 20.0), (20.0, 1.0)])
def test_conductivity_lies_within_the_hashin_shtrikman_bounds(dimension, cell, n, values):
    """Hashin and Shtrikman (1962), doi:10.1063/1.1728579; for anisotropic cells with the mean of the traces."""
    problem = periodic_conduction(box(dimension, cell, n))
    for phase in shapes(dimension, n):
        two_phases(problem, dimension, n, phase, conductivity=values)
        found, f = np.trace(conductivity(problem)) / dimension, phase.mean()
        around = hashin_shtrikman(values[0], values[1], f, (dimension - 1) * values[0])
        inside = hashin_shtrikman(values[1], values[0], 1 - f, (dimension - 1) * values[1])
        assert min(around, inside) < found < max(around, inside)


@pytest.mark.parametrize(
    ("dimension", "cell", "n"), [(2, "quadrilateral", 24), (2, "triangle", 24), (3, "hexahedron", 10)]
)
@pytest.mark.parametrize("values", [(3.5, 70.0), (70.0, 3.5)])
def test_the_bulk_modulus_lies_within_the_hashin_shtrikman_bounds(dimension, cell, n, values):
    """Hashin and Shtrikman (1963), doi:10.1016/0022-5096(63)90060-7; in 2D Hashin (1965) of plane strain."""
    problem = periodic_elasticity(box(dimension, cell, n))
    nu = np.array([0.35, 0.22])
    mu = values / (2 * (1 + nu))
    lmbda = 2 * mu * nu / (1 - 2 * nu)
    bulk, shear = lmbda + 2 * mu / dimension, 2 * (dimension - 1) / dimension * mu
    trace = np.einsum("kii->k", mandel_basis(dimension))
    for phase in shapes(dimension, n):
        two_phases(problem, dimension, n, phase, youngs_modulus=values, poisson_ratio=nu)
        problem.solve()
        found, f = trace @ symmetric_matrix(problem.observe()["stiffness"]) @ trace / dimension**2, phase.mean()
        around = hashin_shtrikman(bulk[0], bulk[1], f, shear[0])
        inside = hashin_shtrikman(bulk[1], bulk[0], 1 - f, shear[1])
        assert min(around, inside) < found < max(around, inside)


def square_array(ratio, f):
    """Conductivity of a square array of discs: Perrins, McKenzie and McPhedran (1979), doi:10.1098/rspa.1979.0160."""
    T = (1 + ratio) / (1 - ratio)
    return 1 - 2 * f / (T + f - 0.305827 * f**4 * T / (T**2 - 1.402958 * f**8) - 0.013362 * f**8 / T)


def disc(n, radius):
    """Phase field of a disc, with a smooth edge that is cut at 1/2."""
    x, y = (np.indices((n, n)) + 0.5) / n - 0.5
    return np.clip(0.5 + (radius - np.hypot(x, y)) * n / 2, 0, 1)


def test_a_square_array_of_discs_conducts_as_published():
    found = []
    for n in (16, 64):
        domain, tags = dolfinx_mesh(conforming_mesh(disc(n, 0.35), refine=1))
        problem = periodic_conduction(domain)
        phase_field(domain, tags, np.array([1.0, 50.0]), problem.controls["conductivity"])
        found.append(conductivity(problem))
    exact = square_array(50.0, np.pi * 0.35**2)
    errors = [np.abs(K - exact * np.eye(2)).max() / exact for K in found]
    assert errors[0] < 1.5e-2
    assert errors[1] < 1e-3


def test_conforming_meshes_are_better_than_pixels_of_as_many_nodes():
    """Contrast 100: three random cells against a fine conforming mesh."""
    E, errors = np.array([1.0, 100.0]), []
    for seed in range(3):
        tensors = {}
        for name, n, refine in (("fine", 128, 1), ("conforming", 32, 1), ("pixels", 32, 1)):
            phase = PeriodicFibres(n)(np.random.default_rng(seed))["phase"][0]
            if name == "pixels":
                problem = periodic_elasticity(box(2, "quadrilateral", n))
                two_phases(problem, 2, n, phase.ravel() > 0.5, youngs_modulus=E)
            else:
                domain, tags = dolfinx_mesh(conforming_mesh(phase, refine=refine))
                problem = periodic_elasticity(domain)
                phase_field(domain, tags, E, problem.controls["youngs_modulus"])
            problem.solve()
            tensors[name] = problem.observe()["stiffness"]
        errors.append([relative_frobenius(tensors[name], tensors["fine"]) for name in ("conforming", "pixels")])
    conforming, pixels = np.mean(errors, axis=0)
    assert conforming < pixels / 5
    assert conforming < 0.007
