"""Periodic cells, tables and convex networks against closed forms and finite differences."""

import genmech_fem.problems  # noqa: F401  isort: skip

import genmech_external_operator
import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from genmech_external_operator import PeriodicCell, brick_and_mortar, energy_table, read_law
from genmech_external_operator.convex import ConvexEnergy, fit_energy
from genmech_external_operator.files import energy_to_onnx
from mpi4py import MPI
from scipy.optimize import brentq

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.metrics import symmetric_matrix
from genmech_fem.problems import periodic_elasticity
from genmech_fem.runtime import Passport
from genmech_fem.runtime.domain import Domain

GRADIENT, FLUX = ScalarSpec("gradient", 2, "K/m"), ScalarSpec("flux", 2, "W/m^2")
STRAIN, STRESS = ScalarSpec("strain", 3), ScalarSpec("stress", 3, "GPa")


@pytest.fixture(scope="module")
def bricks():
    return brick_and_mortar()


@pytest.fixture(scope="module")
def laminate():
    """Layers of a quarter and three quarters across x, with the conductivities 1 + |g|^2 and 5 + |g|^2 / 10."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, 4, 1, mesh.CellType.quadrilateral)
    first = fem.Function(fem.functionspace(domain, ("DG", 0)))
    first.interpolate(lambda x: np.where(x[0] < 0.25, 1.0, 0.0))

    def energy(E, w):
        g = E + ufl.grad(w)
        square = ufl.inner(g, g)
        return first * (square / 2 + square**2 / 4) + (1 - first) * (5 * square / 2 + square**2 / 40)

    return PeriodicCell(domain, energy, strain=GRADIENT, stress=FLUX, degree=1)


def test_the_flux_of_a_laminate_is_that_of_its_layers(laminate):
    """The component along the layers is uniform, the flux across them too."""
    across, along = 2.0, 0.7

    def fluxes(g):
        other = (across - 0.25 * g) / 0.75
        return (1 + g**2 + along**2) * g, (5 + (other**2 + along**2) / 10) * other

    g = brentq(lambda g: np.subtract(*fluxes(g)), 0.0, 8.0, xtol=1e-14)
    other = (across - 0.25 * g) / 0.75
    expected = [fluxes(g)[0], along * (0.25 * (1 + g**2 + along**2) + 0.75 * (5 + (other**2 + along**2) / 10))]
    strain = np.array([[across, along]])
    flux, tangent = laminate(strain)
    np.testing.assert_allclose(flux[0], expected, rtol=1e-9)
    np.testing.assert_allclose(tangent[0], tangent[0].T, rtol=1e-12)
    h = 1e-5
    slopes = [(laminate.energies(strain + h * e) - laminate.energies(strain - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(np.ravel(slopes), flux[0], rtol=1e-8)


def test_the_tangent_is_the_derivative_of_the_stress(bricks):
    strain, h = np.array([0.01, -0.006, 0.008]), 1e-6
    stress, tangent = bricks(np.vstack([strain, strain + h * np.eye(3), strain - h * np.eye(3)]))
    np.testing.assert_allclose(tangent[0], (stress[1:4] - stress[4:]).T / (2 * h), atol=1e-6)
    np.testing.assert_allclose(tangent, np.swapaxes(tangent, 1, 2), atol=1e-13)
    assert np.linalg.eigvalsh(tangent).min() > 0


def test_at_small_strains_the_cell_is_that_of_linear_homogenisation(bricks):
    domain = bricks.problem.state.function_space.mesh
    linear = periodic_elasticity(domain, degree=2)
    modulus = linear.controls["youngs_modulus"]
    row, column = np.floor(8 * modulus.function_space.tabulate_dof_coordinates()[:, 1::-1].T)
    brick = np.isin(row, (1, 2)) & (column > 0) & (column < 7) | np.isin(row, (5, 6)) & ~np.isin(column, (2, 3))
    modulus.x.array[:] = np.where(brick, 20.0, 2.0)
    linear.controls["poisson_ratio"].x.array[:] = np.where(brick, 0.2, 0.35)
    linear.solve()
    expected = symmetric_matrix(linear.observe(["stiffness"])["stiffness"])
    np.testing.assert_allclose(bricks(np.zeros((1, 3)))[1][0], expected, rtol=1e-9, atol=1e-10)


def test_a_cell_that_cannot_be_solved_is_named():
    domain = mesh.create_unit_square(MPI.COMM_SELF, 2, 2)
    cell = PeriodicCell(
        domain,
        lambda E, w: -ufl.sqrt(1 - (E[0] + ufl.grad(w)[0]) ** 2) + ufl.inner(ufl.grad(w), ufl.grad(w)),
        strain=ScalarSpec("gradient"),
        stress=ScalarSpec("flux"),
        degree=1,
    )
    np.testing.assert_allclose(cell(np.array([[0.5]]))[0], 0.5 / np.sqrt(1 - 0.25), rtol=1e-12)
    with pytest.raises(ConvergenceError, match=r"the cell of point 1 at the strain \[1.5\]: .*start is not finite"):
        cell(np.array([[0.5], [1.5]]))
    for wrong in ({"yield_strain": 0.0}, {"hardening": 0.0}, {"refine": 0}):
        with pytest.raises(ValueError, match="expected yield_strain > 0, 0 < hardening <= 1 and refine >= 1"):
            brick_and_mortar(**wrong)


def test_a_table_of_a_cubic_energy_is_exact():
    generator = np.random.default_rng(0)
    A, asked = generator.standard_normal((3, 3)), generator.uniform(-1, 1, (20, 3))
    box = Domain((-1.0,) * 3, (1.0,) * 3)
    law = energy_table(lambda e: (e @ A[0]) ** 3 + (e @ A[1]) * (e @ A[2]), box, 5, strain=STRAIN, stress=STRESS)
    stress, tangent = law(asked)
    mixed = np.outer(A[1], A[2])
    np.testing.assert_allclose(stress, 3 * (asked @ A[0])[:, None] ** 2 * A[0] + asked @ (mixed + mixed.T), atol=1e-11)
    expected = 6 * (asked @ A[0])[:, None, None] * np.outer(A[0], A[0]) + mixed + mixed.T
    np.testing.assert_allclose(tangent, expected, atol=1e-10)
    assert law.outside(np.array([[1.5, 0, 0]])) == pytest.approx(0.25, rel=1e-5)


def network(even=True, seed=0):
    return ConvexEnergy(2, width=8, even=even, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("even", [True, False])
def test_energies_are_convex_before_and_after_training_and_rest_without_stress(even):
    model, generator = network(even), np.random.default_rng(0)
    a, b = (torch.as_tensor(generator.normal(scale=3.0, size=(500, 2))) for _ in range(2))

    def least_gap():
        with torch.no_grad():
            return float((0.5 * (model(a) + model(b)) - model(0.5 * (a + b))).min())

    assert least_gap() >= 0
    strains = generator.uniform(-1, 1, (60, 2))
    shift = 0.0 if even else 0.3
    stresses = 2 * np.sinh(strains + shift) - 2 * np.sinh(shift)
    errors = list(fit_energy(model, strains, stresses, iterations=150))
    assert errors[-1] < 0.02
    assert errors[-1] < errors[0]
    assert least_gap() >= 0
    np.testing.assert_allclose(model.stress(torch.zeros(1, 2, dtype=torch.float64)).detach(), 0.0, atol=1e-12)
    found = model.stress(torch.as_tensor(strains)).detach().numpy()
    assert np.linalg.norm(found - stresses) / np.linalg.norm(stresses) == pytest.approx(errors[-1], rel=1e-6)


def test_the_file_is_the_network_and_knows_its_training_domain(tmp_path):
    model, strains = network(even=False), np.random.default_rng(0).uniform(-1, 1, (40, 2))
    for _ in fit_energy(model, strains, np.sinh(strains), iterations=10):
        pass
    passport = Passport(mesh="laminate", seeds=(0,))
    report = energy_to_onnx(model, tmp_path / "x.onnx", strains, strain=GRADIENT, stress=FLUX, passport=passport)
    assert report.worst < 1e-12
    law = read_law(tmp_path / "x.onnx", batch=16)
    stress, tangent = law(strains)
    np.testing.assert_allclose(stress, model.stress(torch.as_tensor(strains)).detach(), rtol=1e-10, atol=1e-13)
    assert np.linalg.eigvalsh(tangent).min() > 0
    assert law.domain == Domain(tuple(strains.min(axis=0)), tuple(strains.max(axis=0)))
    assert report.metadata["passport"]["mesh"] == "laminate"
    assert [file.name for file in tmp_path.iterdir()] == ["x.onnx"]


def test_training_data_that_do_not_fit_are_refused():
    good = np.ones((4, 2))
    for strains, stresses in ((good, good[:3]), (np.ones((4, 3)), good), (good[:0], good[:0])):
        with pytest.raises(ContractError, match=r"expected strains and stresses \(samples, 2\), got"):
            next(fit_energy(network(), strains, stresses))
    for bad in (good * np.nan, good * 0):
        with pytest.raises(ContractError, match="finite strains and stresses that are not all zero"):
            next(fit_energy(network(), good, bad))


def test_all_that_is_exported_is_there():
    assert all(hasattr(genmech_external_operator, name) for name in genmech_external_operator.__all__)
