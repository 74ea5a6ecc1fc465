import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.problems import (
    BodyForce,
    Certificate,
    Clamped,
    Dirichlet,
    Law,
    ResidualCheck,
    Roller,
    Source,
    Traction,
    VariationalProblem,
    diffusion,
    elasticity,
    extension_energies,
    uniaxial_extension,
)
from genmech_fem.problems.conditions import Flux


def side(axis, place):
    return lambda x: np.isclose(x[axis], place)


def square(n=12, cell=mesh.CellType.quadrilateral):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n, cell)


LOADED = [Clamped(side(0, 0)), Traction(side(0, 1), (0.3, -1.0)), BodyForce((0.0, -2.0))]
PULLED = [Roller(side(0, 0), 0), Roller(side(1, 0), 1), Dirichlet(side(0, 1), 0.01, component=0)]
HEATED = [Dirichlet(side(0, 0), 1.0), Source(), Flux(side(1, 1), 0.7)]
FAMILIES = {
    "conduction": lambda: diffusion(square(), HEATED),
    "conduction, triangles of degree 2": lambda: diffusion(square(8, mesh.CellType.triangle), HEATED, degree=2),
    "anisotropic conduction": lambda: diffusion(square(), HEATED, anisotropic=True),
    "plane strain": lambda: elasticity(square(), LOADED),
    "plane stress, displaced": lambda: elasticity(square(), PULLED, hypothesis="plane stress"),
    "solid": lambda: elasticity(
        mesh.create_unit_cube(MPI.COMM_SELF, 5, 5, 5, mesh.CellType.hexahedron),
        [Clamped(side(0, 0)), Traction(side(0, 1), (0.0, -1.0, 0.2))],
    ),
    "solid, tetrahedra": lambda: elasticity(
        mesh.create_unit_cube(MPI.COMM_SELF, 4, 4, 4), [Clamped(side(0, 0)), BodyForce((0.0, 0.0, -1.0))]
    ),
}


def coefficients(problem, generator, contrast):
    """Two phases; of a tensor both eigenvalues within the contrast."""
    name = next(iter(problem.controls))
    control = problem.controls[name]
    bs = control.function_space.dofmap.bs
    phase = generator.random(control.x.array.size // bs) > 0.5
    values = np.where(phase, contrast, 1.0)
    if bs > 1:
        problem.set_controls({name: (values[:, None] * np.array([1.0, 0.2, 0.7])[:bs]).ravel()})
    else:
        problem.set_controls({name: values})


def energy_norm(problem, state):
    return np.sqrt(state @ (problem.forces(state) + problem.loads()))


@pytest.mark.parametrize("contrast", [10, 100])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_bounds_enclose_the_true_error_of_any_state(family, contrast):
    problem, generator = FAMILIES[family](), np.random.default_rng(0)
    certificate = Certificate(problem)
    for _ in range(3):
        coefficients(problem, generator, contrast)
        solution = problem.solve().x.array.copy()
        size = energy_norm(problem, solution)
        for proposed in (
            solution + 0.1 * np.abs(solution).max() * generator.standard_normal(solution.size),
            1.3 * solution,
            np.zeros(solution.size),
        ):
            error = energy_norm(problem, problem.admissible(proposed) - solution)
            found = certificate.certify(proposed, steps=2)
            lower, upper = found.proposed
            assert lower <= error * (1 + 1e-9) <= upper * (1 + 1e-9) ** 2
            assert energy_norm(problem, found.state - solution) <= found.bound * (1 + 1e-9)
            assert energy_norm(problem, found.state - solution) <= found.relative * size * (1 + 1e-9)
            np.testing.assert_allclose(found.norm, energy_norm(problem, found.state), rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_with_the_stiffness_itself_as_reference_the_bound_is_the_error_and_one_step_solves(family):
    problem, generator = FAMILIES[family](), np.random.default_rng(1)
    coefficients(problem, generator, 100)
    certificate = Certificate(problem)
    solution = problem.solve().x.array.copy()
    proposed = solution + np.abs(solution).max() * generator.standard_normal(solution.size)
    error = energy_norm(problem, problem.admissible(proposed) - solution)
    plain, polished = certificate.certify(proposed), certificate.certify(proposed, tolerance=1e-8, steps=3)
    np.testing.assert_allclose(plain.bound, error, rtol=1e-8)
    assert (plain.steps, polished.steps) == (0, 1)
    np.testing.assert_allclose(polished.state, solution, atol=1e-8 * np.abs(solution).max())
    np.testing.assert_allclose(polished.proposed, error, rtol=1e-8)


def test_polish_goes_on_until_the_tolerance_is_met():
    problem, generator = FAMILIES["plane strain"](), np.random.default_rng(2)
    certificate = Certificate(problem)
    coefficients(problem, generator, 10)
    solution = problem.solve().x.array.copy()
    bounds = [certificate.certify(0.7 * solution, tolerance, steps=50) for tolerance in (2.0, 1e-1, 1e-3, 1e-6)]
    assert all(b.relative <= t for b, t in zip(bounds, (2.0, 1e-1, 1e-3, 1e-6), strict=True))
    steps = [b.steps for b in bounds]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] < 30  # (sqrt(10) - 1) / (sqrt(10) + 1) a step
    np.testing.assert_allclose(bounds[-1].state, solution, atol=1e-5 * np.abs(solution).max())


def test_adjoint_solves_with_the_reference_give_the_gradient():
    problem, generator = elasticity(square(), LOADED), np.random.default_rng(3)
    certificate = Certificate(problem)
    coefficients(problem, generator, 10)
    problem.solve()
    cotangent = {"state": generator.standard_normal(problem.state.x.array.size)}
    exact = problem.pull_back(cotangent)["youngs_modulus"]
    found = problem.pull_back(cotangent, lambda rhs: certificate.solve(rhs, 1e-8))["youngs_modulus"]
    np.testing.assert_allclose(found, exact, atol=1e-7 * np.abs(exact).max())
    with pytest.raises(ConvergenceError, match="take a reference that is nearer"):
        certificate.solve(np.where(problem.held, 0.0, 1.0), 1e-12, steps=2)


def test_loads_that_change_are_seen():
    problem = diffusion(square(), [Dirichlet(), Source(name="source")])
    certificate = Certificate(problem)
    for source in (1.0, 5.0):
        problem.set_controls({"source": np.array(source)})
        solution = problem.solve().x.array.copy()
        assert certificate.certify(solution).relative < 1e-10
        np.testing.assert_allclose(
            certificate.certify(1.2 * solution).proposed[1], 0.2 * energy_norm(problem, solution)
        )


def test_states_that_are_no_numbers_are_not_vouched_for():
    problem = elasticity(square(), LOADED)
    certificate = Certificate(problem)
    size = problem.state.x.array.size
    for state in (np.full(size, np.nan), np.full(size, np.inf), np.full(size, 1e300)):
        with np.errstate(over="ignore", invalid="ignore"):
            assert certificate.certify(state, 0.01, steps=3).relative == np.inf
    assert certificate.certify(np.zeros(size)).relative == np.inf
    assert certificate.certify(problem.solve().x.array).relative < 1e-8


def test_bad_input_says_what_to_do():
    domain = square(4)
    problem = elasticity(domain, LOADED)
    certificate = Certificate(problem)
    with pytest.raises(ContractError, match=r"expected the dofs, shape \(50,\)"):
        certificate.certify(np.zeros(3))
    problem.set_controls({"youngs_modulus": -np.ones(16)})
    with pytest.raises(ValueError, match="expected youngs_modulus > 0"):
        certificate.certify(np.zeros(50))
    problem.set_controls({"youngs_modulus": np.ones(16)})
    domain.geometry.x[:, 0] *= 2
    with pytest.raises(ContractError, match="the mesh has moved"):
        certificate.certify(np.zeros(50))
    with pytest.raises(ContractError, match="a nonlinear one, for which there is ResidualCheck"):
        Certificate(uniaxial_extension((4, 4)))


def test_a_law_that_is_not_the_whole_stiffness_is_found():
    domain = square(6)
    V, DG = fem.functionspace(domain, ("Lagrange", 1)), fem.functionspace(domain, ("DG", 0))
    u, v, k = fem.Function(V), ufl.TestFunction(V), fem.Function(DG)
    k.x.array[:] = 1.0
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 2})
    reaction = k * ufl.inner(ufl.grad(u), ufl.grad(v)) * dx + u * v * dx - v * dx
    law = Law(k * ufl.grad(u), lambda q: q / k, dx)
    with pytest.raises(ContractError, match="to make the whole stiffness"):
        Certificate(VariationalProblem(reaction, u, controls={"k": k}, law=law))
    bare = VariationalProblem(reaction, u, controls={"k": k})
    with pytest.raises(ContractError, match="got one without a Law"):
        Certificate(bare)


def test_the_residual_of_a_nonlinear_problem_is_brought_down_by_newton():
    problem = uniaxial_extension((6, 6))
    generator = np.random.default_rng(4)
    E = 1 + generator.random((6, 6))
    extension_energies(problem, E, np.array([0.0, 0.5, 1.0]))
    solution = problem.state.x.array.copy()
    check = ResidualCheck(problem)
    assert check.certify(solution, 1e-6).relative <= 1e-6
    near = solution + 1e-3 * np.abs(solution).max() * generator.standard_normal(solution.size)
    plain, polished = check.certify(near, 1e-6), check.certify(near, 1e-6, steps=6)
    assert plain.bound == plain.proposed[1] > 1e-4
    assert polished.relative <= 1e-6
    np.testing.assert_allclose(polished.state, solution, atol=1e-5 * np.abs(solution).max())
    far = check.certify(1e3 * generator.standard_normal(solution.size), 1e-6, steps=2)
    assert far.relative == np.inf
    np.testing.assert_array_equal(problem.state.x.array, solution)
