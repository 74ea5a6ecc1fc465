"""Hyperelastic solids: closed forms, the linear limit, work and energy, the adjoint, load steps."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.mesh import CellType
from mpi4py import MPI
from scipy import optimize

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems import elasticity, lame
from genmech_fem.problems.conditions import BodyForce, Clamped, Dirichlet, Pressure, Roller, Traction
from genmech_fem.problems.hyperelasticity import (
    extension_energies,
    hyperelasticity,
    neo_hookean,
    set_pixels,
    uniaxial_extension,
)
from genmech_fem.problems.newton import Newton
from genmech_fem.problems.solver_options import SolverOptions

TIGHT = SolverOptions(newton=Newton(tolerance=1e-13))


def on(axis, value):
    return lambda x: np.isclose(x[axis], value)


def box(cell, n=2):
    plane = cell in (CellType.triangle, CellType.quadrilateral)
    create = mesh.create_unit_square if plane else mesh.create_unit_cube
    return create(MPI.COMM_SELF, *[n] * (2 if plane else 3), cell)


def saint_venant_kirchhoff(F, mu, lmbda):
    strain = (F.T * F - ufl.Identity(3)) / 2
    return mu * ufl.inner(strain, strain) + lmbda / 2 * ufl.tr(strain) ** 2


def mooney_rivlin(F, c1, c2, bulk):
    C, ln_J = F.T * F, ufl.ln(ufl.det(F))
    I1, I2 = ufl.tr(C), (ufl.tr(C) ** 2 - ufl.tr(C * C)) / 2
    return c1 * (I1 - 3) + c2 * (I2 - 3) - 2 * (c1 + 2 * c2) * ln_J + bulk / 2 * ln_J**2


def neo_hookean_stress(stretch, mu, lmbda):
    """Principal first Piola-Kirchhoff stresses."""
    return mu * (stretch - 1 / stretch) + lmbda / 2 * (np.prod(stretch) ** 2 - 1) / stretch


def saint_venant_kirchhoff_stress(stretch, mu, lmbda):
    strain = (stretch**2 - 1) / 2
    return stretch * (2 * mu * strain + lmbda * strain.sum())


def mooney_rivlin_stress(stretch, c1, c2, bulk):
    others = (stretch**2).sum() - stretch**2
    return (
        2 * c1 * stretch + 2 * c2 * stretch * others + (bulk * np.log(np.prod(stretch)) - 2 * (c1 + 2 * c2)) / stretch
    )


def free_block(cell, loads, **material):
    """Unit square or cube on rollers, so that all deformations are uniform."""
    domain = box(cell)
    rollers = [Roller(on(axis, 0.0), axis) for axis in range(domain.geometry.dim)]
    return hyperelasticity(domain, [*rollers, *loads], degree=1, solver=TIGHT, **material)


def stretches(problem):
    """Stretches of a uniform deformation, which is checked to be one."""
    u, d = problem.solve(), problem.state.function_space.dofmap.bs
    x = u.function_space.tabulate_dof_coordinates()[:, :d]
    values = u.x.array.reshape(-1, d)
    found = values[x.sum(axis=1).argmax()]
    np.testing.assert_allclose(values, x * found, atol=1e-11)
    return 1 + found


def modulus(generator, shape=(4, 4)):
    return generator.uniform(1.0, 10.0, shape)


def block(generator, displacement=1.0):
    problem = uniaxial_extension((4, 4))
    set_pixels(problem.controls["youngs_modulus"], modulus(generator))
    problem.controls["displacement"].value = displacement
    problem.solve()
    return problem


def test_density_of_a_known_deformation():
    mu, lmbda = lame(2.0, 0.25)
    assert (mu, lmbda) == pytest.approx((0.8, 0.8))
    F = np.array([[1.5, 0.2], [0.1, 0.9]])
    J = np.linalg.det(F)
    expected = mu / 2 * ((F**2).sum() + 1 - 3 - 2 * np.log(J)) + lmbda / 2 * ((J**2 - 1) / 2 - np.log(J))
    assert float(
        neo_hookean(ufl.as_matrix([[1.5, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]]), mu, lmbda)
    ) == pytest.approx(expected, rel=1e-14)


ENERGIES = {
    "neo-Hooke": (neo_hookean, neo_hookean_stress, {"mu": 1.0, "lmbda": 1.5}),
    "Saint Venant-Kirchhoff": (saint_venant_kirchhoff, saint_venant_kirchhoff_stress, {"mu": 1.0, "lmbda": 1.5}),
    "Mooney-Rivlin": (mooney_rivlin, mooney_rivlin_stress, {"c1": 0.3, "c2": 0.2, "bulk": 1.5}),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_uniaxial_tension(name):
    """A dead traction t in plane strain: P11 = t, P22 = 0, lambda_3 = 1."""
    energy, stress, material = ENERGIES[name]
    traction = np.array([0.8, 0.0])
    problem = free_block(CellType.triangle, [Traction(on(0, 1.0), traction)], energy=energy, material=material)
    found = stretches(problem)

    def imbalance(stretch):
        return stress(np.array([*stretch, 1.0]), **material)[:2] - traction

    np.testing.assert_allclose(found, optimize.root(imbalance, np.ones(2), tol=1e-13).x, rtol=1e-9)
    observed = problem.observe()["stress"].reshape(-1, 2, 2)
    np.testing.assert_allclose(observed - np.diag(traction), 0.0, atol=1e-10)


@pytest.mark.parametrize("cell", [CellType.quadrilateral, CellType.tetrahedron])
def test_pressure_follows_the_surface(cell):
    """p on the faces x = 1 and y = 1: the nominal stress is P_i = - p J / lambda_i there, 0 along z."""
    d = 2 if cell == CellType.quadrilateral else 3
    problem = free_block(cell, [Pressure(on(0, 1.0), 0.3), Pressure(on(1, 1.0), 0.3)])
    found = stretches(problem)

    def imbalance(stretch):
        full = np.array([*stretch, 1.0][:3])
        return neo_hookean_stress(full, 1.0, 1.0)[:d] + 0.3 * np.prod(full) / full[:d] * np.array([1, 1, 0])[:d]

    np.testing.assert_allclose(found, optimize.root(imbalance, np.ones(d), tol=1e-13).x, rtol=1e-9)
    assert found[0] < 0.95


@pytest.mark.parametrize("cell", [CellType.quadrilateral, CellType.tetrahedron])
def test_pressure_turns_with_the_body(cell):
    """A block compressed by the same pressure all round stays in equilibrium however it is turned; nothing holds it."""
    domain = box(cell)
    d = domain.geometry.dim
    compressed = optimize.brentq(
        lambda s: neo_hookean_stress(np.array([s, s, s if d == 3 else 1.0]), 1.0, 1.0)[0] + 0.3 * s ** (d - 1), 0.5, 1.0
    )
    free = hyperelasticity(domain, [Pressure(None, 0.3)], degree=1)
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, -s, 0], [0, 0, -1], [s, c, 0]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    turn = np.array([[c, -s], [s, c]]) if d == 2 else turn
    assert np.linalg.det(turn) == pytest.approx(1.0)
    x = free.state.function_space.tabulate_dof_coordinates()[:, :d]
    assert free.residual_norm((x @ (turn * compressed).T - x).ravel()) < 1e-10
    assert free.residual_norm((x @ turn.T - x).ravel()) == pytest.approx(1.0)


def test_energy_is_the_work_of_a_body_force():
    """Raised slowly: W = b . u(1) - int_0^1 b . u(s) ds, u integrated over the body, by Gauss quadrature in s."""
    problem = hyperelasticity(box(CellType.quadrilateral), [Clamped(on(1, 0.0)), BodyForce((0.2, 0.3))])
    load, force = problem.controls["body_force"], np.array([0.2, 0.3])
    dx = ufl.dx(problem.state.function_space.mesh)
    means = [fem.form(problem.state[k] * dx) for k in range(2)]

    def potential(share):
        load.value = share * force
        problem.solve()
        return sum(b * fem.assemble_scalar(mean) for b, mean in zip(force, means, strict=True))

    points, weights = np.polynomial.legendre.leggauss(5)
    complement = sum(w / 2 * potential((p + 1) / 2) for p, w in zip(points, weights, strict=True))
    work = potential(1.0) - complement
    assert problem.observe()["strain_energy"][0] == pytest.approx(work, rel=1e-8)


def test_linear_limit():
    """For small loads the displacement is that of linear elasticity, with an error of order of the load."""
    domain = box(CellType.triangle, 3)
    conditions = [Clamped(on(0, 0.0)), Traction(on(0, 1.0), (0.0, 1.0)), Pressure(on(1, 1.0), 1.0)]
    linear = elasticity(domain, conditions, degree=2)
    expected = linear.solve().x.array
    mu, lmbda = lame(1.0, 0.3)
    problem = hyperelasticity(domain, conditions, material={"mu": mu, "lmbda": lmbda}, solver=TIGHT)
    differences = []
    for load in (1e-3, 1e-4):
        problem.controls["traction"].value = [0.0, load]
        problem.controls["pressure"].value = load
        differences.append(np.abs(problem.solve().x.array / load - expected).max() / np.abs(expected).max())
    assert differences[1] < 2e-3
    assert differences[0] / differences[1] == pytest.approx(10.0, rel=0.1)


def test_reaction_is_the_derivative_of_the_energy(generator):
    """dW/dd by pull_back equals the central difference of the energies, and the energy the work."""
    problem = block(generator, 0.0)
    load, points = problem.controls["displacement"], (np.polynomial.legendre.leggauss(4)[0] + 1) / 2
    forces = []
    for point in points:
        load.value = 2.0 * point
        problem.solve()
        forces.append(problem.pull_back({"strain_energy": np.ones(1)})["displacement"][0])
    load.value = 2.0
    problem.solve()
    work = float(np.polynomial.legendre.leggauss(4)[1] @ forces)  # interval of length 2, weights sum up to 2
    assert problem.observe()["strain_energy"][0] == pytest.approx(work, rel=1e-6)


def loaded(generator):
    """A body under every kind of condition, with a random material."""
    conditions = [
        Clamped(on(0, 0.0)),
        Dirichlet(on(1, 0.0), 0.1, component=1, name="lift"),
        Traction(on(1, 1.0), (0.1, 0.2)),
        Pressure(on(0, 1.0), 0.2),
        BodyForce((-0.1, 0.2)),
    ]
    material, domain = {"c1": 0.6, "c2": 0.4, "bulk": 2.0}, box(CellType.quadrilateral)
    problem = hyperelasticity(domain, conditions, energy=mooney_rivlin, material=material, degree=1, solver=TIGHT)
    for name in material:
        control = problem.controls[name].x.array
        control *= generator.uniform(0.7, 1.3, control.size)
    problem.solve()
    return problem


def test_taylor(taylor_order, generator):
    problem = loaded(generator)
    cotangents = {name: generator.standard_normal(value.shape) for name, value in problem.observe().items()}
    assert set(cotangents) == {"state", "strain_energy", "stress"}
    assert taylor_order(problem, cotangents, generator, steps=(2e-3, 1e-3, 5e-4)) == pytest.approx(2.0, abs=0.1)


def test_taylor_in_space(taylor_order, generator):
    problem = free_block(CellType.tetrahedron, [Pressure(on(0, 1.0), 0.3), Pressure(on(1, 1.0), 0.3)])
    problem.solve()
    cotangents = {"state": generator.standard_normal(problem.state.x.array.size), "strain_energy": np.ones(1)}
    assert taylor_order(problem, cotangents, generator, steps=(2e-3, 1e-3, 5e-4)) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["c1", "c2", "bulk", "lift", "traction", "pressure", "body_force"])
def test_taylor_of_each_control(taylor_order, generator, name):
    problem = loaded(generator)
    cotangents = {"strain_energy": np.ones(1)}
    order = taylor_order(problem, cotangents, generator, names=[name], steps=(4e-3, 2e-3, 1e-3))
    assert order == pytest.approx(2.0, abs=0.1)


def test_energy_gradient_needs_no_adjoint(generator):
    """The energy is stationary, so dW/dE_e is the energy of the cell divided by E_e."""
    problem = block(generator)
    E = problem.controls["youngs_modulus"]
    gradient = problem.pull_back({"strain_energy": np.ones(1)})["youngs_modulus"]
    assert gradient @ E.x.array == pytest.approx(problem.observe()["strain_energy"][0], rel=1e-9)
    assert (gradient > 0).all()


def test_pixels_stay_where_they_are():
    control = uniaxial_extension((3, 2), refine=(2, 2)).controls["youngs_modulus"]
    set_pixels(control, np.arange(6.0).reshape(3, 2))
    x, y = control.function_space.tabulate_dof_coordinates()[:, :2].T
    np.testing.assert_array_equal(control.x.array, 2 * np.floor(x) + np.floor(y))
    with pytest.raises(ValueError, match=r"expected the pixels, shape \(3, 2\), got \(2, 3\)"):
        set_pixels(control, np.ones((2, 3)))


def test_an_inverted_element_has_no_residual(generator):
    problem = block(generator)
    state = problem.observe()["state"]
    assert problem.residual_norm(state) < 1e-9
    assert problem.residual_norm(-10 * state) == np.inf


def test_loads_are_raised_in_steps_where_newton_fails():
    """A few iterations do not reach the load at once, and the end is the same."""
    conditions = [Clamped(on(0, 0.0)), Traction(on(0, 1.0), (0.0, 0.4))]
    expected = hyperelasticity(box(CellType.triangle), conditions, solver=TIGHT).solve().x.array
    at_once = SolverOptions(newton=Newton(iterations=5, halvings=0))
    with pytest.raises(ConvergenceError):
        hyperelasticity(box(CellType.triangle), conditions, solver=at_once).solve()
    hasty = SolverOptions(newton=Newton(tolerance=1e-13, iterations=5))
    problem = hyperelasticity(box(CellType.triangle), conditions, solver=hasty)
    np.testing.assert_allclose(problem.solve().x.array, expected, atol=1e-9)
    np.testing.assert_array_equal(problem.controls["traction"].value, [0.0, 0.4])


def test_a_failure_leaves_the_last_good_state(generator):
    problem = uniaxial_extension((4, 4))
    E = modulus(generator)
    with pytest.raises(ConvergenceError, match="smaller steps"):
        extension_energies(problem, E, [1.0, -4.1])  # flatter than nothing
    good = extension_energies(uniaxial_extension((4, 4)), E, [1.0])
    np.testing.assert_allclose(problem.observe(["strain_energy"])["strain_energy"], good, rtol=1e-10)
    first = extension_energies(problem, E, [0.0, 1.0])
    fresh = extension_energies(uniaxial_extension((4, 4)), E, [0.0, 1.0])
    np.testing.assert_allclose(first, fresh, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match="expected positive, finite values"):
        extension_energies(problem, 0 * E, [1.0])


def test_names_that_meet():
    with pytest.raises(ValueError, match=r"names other than \['lmbda', 'mu'\], got \['mu'\]"):
        hyperelasticity(box(CellType.triangle), [Pressure(on(0, 1.0), 1.0, "mu")])
