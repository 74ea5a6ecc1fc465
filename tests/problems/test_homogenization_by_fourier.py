"""The Fourier-preconditioned solver of pixels and voxels against the assembled matrix and its factorisation."""

import numpy as np
import pytest
from periodic_cells import box, midpoints, set_moduli

from genmech_fem.errors import ConvergenceError, MeshingError
from genmech_fem.metrics import relative_frobenius
from genmech_fem.problems import Fourier, SolverOptions, fourier, periodic_conduction, periodic_elasticity
from genmech_fem.problems.forms import assemble, new_matrix
from genmech_fem.problems.fourier import FourierSolver
from genmech_fem.problems.linear import LinearSolver

GRIDS = [(2, (7, 5), (1.0, 0.4)), (2, (2, 3), (1.0, 1.0)), (3, (4, 5, 3), (1.0, 2.0, 0.5))]
PHYSICS = {
    "elasticity": periodic_elasticity,
    "conduction": periodic_conduction,
    "anisotropic conduction": lambda domain, **settings: periodic_conduction(domain, anisotropic=True, **settings),
}


def voxels(dimension, n, sides=None):
    return box(dimension, {2: "quadrilateral", 3: "hexahedron"}[dimension], n, sides)


def random_moduli(problem, generator, contrast=20.0):
    """Two phases at random, of the given contrast."""
    for name, control in problem.controls.items():
        array = control.x.array
        if name == "poisson_ratio":
            array[:] = generator.uniform(0.1, 0.4, array.size)
        elif problem.physics.tensor:
            d = problem.dimension
            factors = generator.standard_normal((array.size // (d * (d + 1) // 2), d, d))
            array[:] = (factors @ np.swapaxes(factors, 1, 2) + np.eye(d))[:, *np.tril_indices(d)].ravel()
        else:
            array[:] = np.where(generator.random(array.size) < 0.4, contrast, 1.0)


def pair(make, domain, generator, settings=None, contrast=20.0):
    """The same cell for both methods, solved."""
    problems = [make(domain, method=settings or Fourier(1e-10)), make(domain, method="assembled")]
    random_moduli(problems[0], generator, contrast)
    problems[1].set_controls({name: control.x.array for name, control in problems[0].controls.items()})
    for problem in problems:
        problem.solve()
    return problems


def difference(problems):
    by_fourier, assembled = (problem.observe()[problem.physics.effective] for problem in problems)
    return relative_frobenius(by_fourier, assembled)


@pytest.mark.parametrize("physics", PHYSICS)
@pytest.mark.parametrize(("dimension", "n", "sides"), GRIDS)
def test_the_matrix_from_stencils_is_the_assembled_one(physics, dimension, n, sides, generator):
    problem = PHYSICS[physics](voxels(dimension, n, sides), method=Fourier())
    random_moduli(problem, generator)
    problem.solve()
    form = problem._forms["stiffness"]
    matrix = new_matrix(form)
    assemble(matrix, form, [])
    vectors = generator.standard_normal((problem.loads, len(matrix.indptr) - 1))
    exact = (matrix.to_scipy() @ vectors.T).T
    np.testing.assert_allclose(problem._solver.current()._product(vectors), exact, atol=1e-12 * np.abs(exact).max())


@pytest.mark.parametrize("physics", PHYSICS)
@pytest.mark.parametrize(("dimension", "n", "sides"), GRIDS)
def test_both_methods_give_the_same_state_and_gradients(physics, dimension, n, sides, generator):
    problems = pair(PHYSICS[physics], voxels(dimension, n, sides), generator)
    assert difference(problems) < 1e-12
    states = [problem.state.x.array for problem in problems]
    np.testing.assert_allclose(states[0], states[1], atol=1e-9 * np.abs(states[1]).max())
    cotangent = {"state": generator.standard_normal(states[0].size)}
    gradients = [problem.pull_back(cotangent) for problem in problems]
    for name, exact in gradients[1].items():
        np.testing.assert_allclose(gradients[0][name], exact, atol=1e-8 * np.abs(exact).max())


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("contrast", [1e4, 1e-4, 1e9])
def test_high_contrast_takes_more_iterations_and_is_right(dimension, contrast, generator):
    problems = pair(periodic_elasticity, voxels(dimension, {2: 24, 3: 8}[dimension]), generator, Fourier(), contrast)
    assert difference(problems) < 1e-6


def test_an_incompressible_phase(generator):
    problem, direct = (periodic_elasticity(voxels(3, 8), method=method) for method in (Fourier(), "assembled"))
    for each in (problem, direct):
        set_moduli(each, poisson_ratio=0.499)
        set_moduli(each, youngs_modulus=np.where(midpoints(each.state.function_space.mesh)[:, 0] < 0.5, 1.0, 9.0))
        each.solve()
    assert difference([problem, direct]) < 1e-9


def test_too_few_iterations_are_an_error_and_the_next_solve_is_right(generator):
    problem = periodic_elasticity(voxels(2, 8), method=Fourier(iterations=25))
    random_moduli(problem, generator, contrast=1e4)
    with pytest.raises(ConvergenceError, match=r"left a relative residual of .* after 25 iterations: take more"):
        problem.solve()
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back({})
    random_moduli(problem, generator, contrast=2.0)
    assert problem.residual_norm(problem.solve().x.array) < 1e-6


def test_the_residual_is_that_of_the_assembled_matrix(generator):
    for tolerance in (1e-3, 1e-6, 1e-9):
        problem = periodic_elasticity(voxels(3, 5), method=Fourier(tolerance))
        random_moduli(problem, generator)
        problem.solve()
        assert 1e-3 * tolerance < problem.residual_norm(problem.state.x.array) < 2 * tolerance


@pytest.mark.parametrize("make", [periodic_elasticity, periodic_conduction])
def test_a_homogeneous_cell_needs_no_correctors(make):
    problem = make(voxels(3, 8))
    problem.solve()
    np.testing.assert_allclose(problem.state.x.array, 0.0, atol=1e-13)


def test_without_petsc(generator, monkeypatch):
    monkeypatch.setattr(fourier, "PETSc", None)
    problems = pair(periodic_elasticity, voxels(3, 4), generator)
    assert difference(problems) < 1e-12


@pytest.mark.parametrize(
    ("domain", "settings", "solver"),
    [
        (voxels(3, 8), {}, FourierSolver),
        (voxels(3, 7), {}, LinearSolver),
        (voxels(2, 24), {}, LinearSolver),
        (voxels(2, 4), {"method": Fourier()}, FourierSolver),
        (voxels(3, 8), {"method": "assembled"}, LinearSolver),
        (voxels(3, 8), {"solver": SolverOptions(petsc_options={"ksp_type": "cg", "pc_type": "gamg"})}, LinearSolver),
        (box(3, "tetrahedron", 5), {}, LinearSolver),
    ],
)
def test_the_choice_of_the_method(domain, settings, solver):
    problem = periodic_conduction(domain, **settings)
    problem.solve()
    assert isinstance(problem._solver.current(), solver)


@pytest.mark.parametrize("domain", [box(2, "triangle", 4), voxels(2, 4)])
def test_the_fourier_method_is_refused_on_other_meshes(domain):
    inner = np.flatnonzero(np.all((domain.geometry.x[:, :2] > 0) & (domain.geometry.x[:, :2] < 1), axis=1))
    domain.geometry.x[inner[0], 0] += 1e-3
    with pytest.raises(ValueError, match="expected a regular grid of Q1 cells; take method='assembled'"):
        periodic_elasticity(domain, method=Fourier())
    with pytest.raises(ValueError, match="expected a regular grid of Q1 cells"):
        periodic_elasticity(voxels(2, 4), degree=2, method=Fourier())


def test_other_methods_are_refused():
    with pytest.raises(ValueError, match=r"expected 'auto', 'assembled' or Fourier\(...\), got 'fft'"):
        periodic_elasticity(voxels(2, 4), method="fft")
    with pytest.raises(ValueError, match="expected 0 < tolerance < 1"):
        Fourier(tolerance=0.0)


def test_a_mesh_that_has_moved_is_solved_as_it_is(generator):
    """Stretched it is still a grid; with one node moved it is not."""
    domain = voxels(3, 8)
    problems = pair(periodic_elasticity, domain, generator, settings="auto")
    assert isinstance(problems[0]._solver.current(), FourierSolver)
    before = problems[0].observe()["stiffness"]
    for move, solver in ((stretch, FourierSolver), (bump, LinearSolver)):
        move(domain.geometry.x)
        for problem in problems:
            problem.solve()
        assert isinstance(problems[0]._solver.current(), solver)
        assert difference(problems) < 1e-9
        after = problems[0].observe()["stiffness"]
        assert relative_frobenius(after, before) > 1e-6
        before = after


def stretch(x):
    x[:, 0] *= 2.0


def bump(x):
    x[np.argmin(np.linalg.norm(x - [1.0, 0.5, 0.5], axis=1)), 2] += 0.02


def test_unfit_meshes_and_moduli_are_refused():
    domain = voxels(3, 8)
    problem = periodic_conduction(domain, anisotropic=True)
    problem.controls["conductivity"].x.array[1] = 5.0
    with pytest.raises(ValueError, match=r"conductivity: expected eigenvalues in \(0, inf\), got -4 to 1"):
        problem.solve()
    for bad, text in ((0.0, "expected values"), (np.nan, "expected finite"), (-1.0, "expected values")):
        problem = periodic_elasticity(domain)
        problem.controls["youngs_modulus"].x.array[3] = bad
        with pytest.raises(ValueError, match=text):
            problem.solve()
    x = domain.geometry.x
    x[(x[:, 0] == 1.0) & (x[:, 1] == 0.5) & (x[:, 2] == 0.5), 1] += 0.01
    with pytest.raises(MeshingError, match="do not match"):
        periodic_elasticity(domain)
