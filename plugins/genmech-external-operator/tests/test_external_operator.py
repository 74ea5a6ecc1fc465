"""Laws as external operators against the same laws in UFL."""

import contextlib
import re
from functools import partial
from pathlib import Path

import genmech_fem.problems  # noqa: F401  isort: skip

import dolfinx_external_operator
import genmech_external_operator
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import NonlinearProblem
from genmech_external_operator import OperatorProblem, PointLaw, external_operator, mandel, read_law
from mpi4py import MPI

from genmech_fem import plugins
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.problems import Clamped, Dirichlet, Newton, SolverOptions, hyperelasticity
from genmech_fem.runtime import OnnxLaw
from genmech_fem.runtime.domain import Domain

F, P = ScalarSpec("F", 4), ScalarSpec("P", 4, "MPa")
SYMMETRIC = SolverOptions(symmetric=True)


@pytest.fixture(scope="module")
def readme(tmp_path_factory):
    """A folder where the code of the README ran, and the names that it defined."""
    (block,) = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)
    folder, names = tmp_path_factory.mktemp("readme"), {}
    with contextlib.chdir(folder):
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    return folder, names


@pytest.fixture(scope="module")
def file(readme):
    """The law of the README: `problems.neo_hookean` with unit moduli in plane strain."""
    return readme[0] / "law.onnx"


def counted(law, calls):
    """The law, noting how many points each evaluation has."""

    def evaluate(strains):
        calls.append(len(strains))
        return law(strains)

    return PointLaw(evaluate, law.strain, law.stress, law.domain, law.name)


def side(V, axis, value, displacement=None, component=None):
    space = V if component is None else V.sub(component)
    facets = mesh.locate_entities_boundary(V.mesh, V.mesh.topology.dim - 1, lambda x: np.isclose(x[axis], value))
    dofs = fem.locate_dofs_topological(space, V.mesh.topology.dim - 1, facets)
    given = np.zeros(V.value_shape) if displacement is None else displacement
    return fem.dirichletbc(given, dofs, space)


def block(cells=(6, 3)):
    domain = mesh.create_rectangle(MPI.COMM_SELF, [[0, 0], [2, 1]], cells, mesh.CellType.quadrilateral)
    u = fem.Function(fem.functionspace(domain, ("Lagrange", 2, (2,))))
    bcs = [side(u.function_space, 0, 0.0), side(u.function_space, 0, 2.0, np.array([0.5, 0.2]))]
    return u, ufl.TestFunction(u.function_space), bcs


def stretched(law, **settings):
    """The block as an operator problem."""
    u, v, bcs = block()
    stress = external_operator(law, ufl.Identity(2) + ufl.grad(u), degree=4, **settings)
    return OperatorProblem(ufl.inner(stress, ufl.grad(v)) * ufl.dx, u, bcs=bcs, options=SYMMETRIC)


def is_quadratic(norms):
    """Whether the last residual before rounding is of the order of the square of the one before."""
    a, b = [norm / norms[0] for norm in norms if norm > 1e-13 * norms[0]][-2:]
    return b < 10 * a**2


def test_is_found_by_its_entry_point():
    assert plugins.load("hosts", "external_operator") is genmech_external_operator.external_operator


def test_the_code_of_the_readme_converges_quadratically(readme):
    history = readme[1]["problem"].history
    assert is_quadratic(history[-1].norms)
    assert history[-1].norms[-1] < 1e-10 * history[-1].norms[0]


def test_an_exported_law_gives_the_solution_of_its_ufl_form_with_one_evaluation_a_state(file):
    calls = []
    problem = stretched(counted(read_law(file), calls))
    (run,) = problem.solve()
    domain = problem.state.function_space.mesh
    ends = [(lambda x, at=at: np.isclose(x[0], at)) for at in (0.0, 2.0)]
    reference = hyperelasticity(domain, [Clamped(ends[0]), Dirichlet(ends[1], (0.5, 0.2))])
    expected = reference.solve().x.array
    np.testing.assert_allclose(problem.state.x.array, expected, atol=1e-12)
    assert is_quadratic(run.norms)
    assert run.failure == ""
    assert calls == [18 * 9] * (run.iterations + 1)

    u, v, bcs = block()
    kinematic = ufl.variable(ufl.Identity(2) + ufl.grad(u))
    J = ufl.det(kinematic)
    energy = 0.5 * (ufl.inner(kinematic, kinematic) - 2 - 2 * ufl.ln(J)) + 0.5 * ((J**2 - 1) / 2 - ufl.ln(J))
    form = ufl.inner(ufl.diff(energy, kinematic), ufl.grad(v)) * ufl.dx(degree=4)
    (by_ufl,) = OperatorProblem(form, u, bcs=bcs, options=SYMMETRIC).solve()
    np.testing.assert_allclose(run.norms[:-1], by_ufl.norms[:-1], rtol=1e-6)
    assert run.iterations == by_ufl.iterations


def test_the_operator_works_in_a_loop_of_snes_with_one_evaluation_a_residual(file):
    calls = []
    u, v, bcs = block()
    law = counted(read_law(file), calls)
    stress = external_operator(law, ufl.Identity(2) + ufl.grad(u), degree=4)
    form = ufl.inner(stress, ufl.grad(v)) * ufl.dx(degree=4)
    residual, operators = dolfinx_external_operator.replace_external_operators(form)
    jacobian, tangents = dolfinx_external_operator.replace_external_operators(ufl.derivative(form, u))

    def evaluate():
        operands = dolfinx_external_operator.evaluate_operands(operators)
        dolfinx_external_operator.evaluate_external_operators([*operators, *tangents], operands)

    options = {"snes_linesearch_type": "none", "snes_rtol": 1e-10, "ksp_type": "preonly", "pc_type": "lu"}
    snes = NonlinearProblem(residual, u, J=jacobian, bcs=bcs, petsc_options_prefix="op_", petsc_options=options)
    callback = dolfinx_external_operator.petsc.assemble_residual_with_callback
    snes.solver.setFunction(partial(callback, u, snes.F, snes.J, bcs, evaluate, []), snes.b)
    snes.solve()
    assert snes.solver.getConvergedReason() > 0
    assert len(calls) == snes.solver.getIterationNumber() + 1
    problem = stretched(law)
    problem.solve()
    np.testing.assert_allclose(u.x.array, problem.state.x.array, atol=1e-9)


def test_mandel_stresses_of_the_green_strain_keep_the_geometric_stiffness_in_3d():
    C = np.diag([2.0] * 6) + np.pad(np.ones((3, 3)), (0, 3))
    law = PointLaw(
        lambda e: (e @ C, np.tile(C, (len(e), 1, 1))), ScalarSpec("E", 6), ScalarSpec("S", 6), name="St. Venant"
    )
    found = []
    for in_ufl in (False, True):
        domain = mesh.create_box(MPI.COMM_SELF, [[0, 0, 0], [2, 1, 1]], (2, 1, 1), mesh.CellType.tetrahedron)
        V = fem.functionspace(domain, ("Lagrange", 1, (3,)))
        u, v = fem.Function(V), ufl.TestFunction(V)
        bcs = [side(V, 0, 0.0), side(V, 0, 2.0, np.array([0.3, 0.4, 0.2]))]
        gradient = ufl.Identity(3) + ufl.grad(u)
        green = 0.5 * (gradient.T * gradient - ufl.Identity(3))
        virtual = mandel(ufl.derivative(green, u, v))
        stress = (
            ufl.as_matrix(C.tolist()) * mandel(green) if in_ufl else external_operator(law, mandel(green), degree=1)
        )
        form = ufl.inner(stress, virtual) * ufl.dx(degree=1)
        (run,) = OperatorProblem(form, u, bcs=bcs, options=SYMMETRIC).solve()
        found.append((u.x.array.copy(), run))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-12)
    assert found[0][1].iterations == found[1][1].iterations
    assert is_quadratic(found[0][1].norms)


def heat(law, shape=None):
    """Conduction whose flux depends on the gradient and the temperature, between two sides and with a source."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, 6, 6)
    V = fem.functionspace(domain, ("Lagrange", 2))
    T, v = fem.Function(V), ufl.TestFunction(V)
    g = ufl.grad(T)
    given = ufl.as_vector([g[0], g[1], T])
    flux = (1 + T**2) * g if law is None else external_operator(law, given, degree=4, shape=shape)
    form = ufl.inner(flux, ufl.grad(v)) * ufl.dx(degree=4) - 5.0 * v * ufl.dx
    return OperatorProblem(form, T, bcs=[side(V, 0, 0.0, 0.0), side(V, 0, 1.0, 1.0)])


def test_an_operand_may_hold_more_than_the_stress_has_components():
    def conduct(x):
        k, T = (1 + x[:, 2:] ** 2), x[:, 2]
        by_gradient = k[:, :, None] * np.eye(2)
        return k * x[:, :2], np.concatenate([by_gradient, (2 * T[:, None] * x[:, :2])[:, :, None]], axis=2)

    law = PointLaw(conduct, ScalarSpec("gradient and temperature", 3), ScalarSpec("flux", 2))
    problem, reference = heat(law), heat(None)
    (run,), (expected,) = problem.solve(), reference.solve()
    np.testing.assert_allclose(problem.state.x.array, reference.state.x.array, atol=1e-11)
    assert run.iterations == expected.iterations
    with pytest.raises(ContractError, match=r"a shape for 2 components of 'flux', got \(3,\)"):
        heat(law, (3,))


def test_a_form_may_have_terms_without_operators_and_is_solved_in_steps_of_its_loads():
    """u + u^3 = f cell by cell, where f is so large that Newton's method needs steps."""
    domain = mesh.create_unit_interval(MPI.COMM_SELF, 4)
    V = fem.functionspace(domain, ("DG", 0))
    u, v, f = fem.Function(V), ufl.TestFunction(V), fem.Constant(domain, 30.0)
    law = PointLaw(lambda x: (x**3, 3 * x[:, :, None] ** 2), ScalarSpec("u"), ScalarSpec("u^3"))
    cube = external_operator(law, u, degree=1)
    options = SolverOptions(newton=Newton(iterations=4))
    problem = OperatorProblem((u + cube - f) * v * ufl.dx, u, loads={"f": f}, options=options)
    runs = problem.solve()
    np.testing.assert_allclose(u.x.array, 3.0, rtol=1e-9)
    assert "after 4 iterations" in runs[0].failure
    assert runs[-1].failure == ""
    assert sum(run.failure == "" for run in runs) > 1
    assert max(run.iterations for run in runs) == 4
    assert f.value == 30.0
    u.x.array[:] = 0.0
    with pytest.raises(ConvergenceError, match="relative residual .* after 4 iterations"):
        OperatorProblem((u + cube - f) * v * ufl.dx, u, options=options).solve()
    np.testing.assert_array_equal(u.x.array, 0.0)


def test_a_step_that_the_law_has_no_answer_for_is_halved():
    """ln u = -3 from u = 1: the first step of Newton's method leads to u = -2."""
    domain = mesh.create_unit_interval(MPI.COMM_SELF, 2)
    V = fem.functionspace(domain, ("DG", 0))
    u, v = fem.Function(V), ufl.TestFunction(V)

    def logarithm(x):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(x), 1 / x[:, :, None]

    law = PointLaw(logarithm, ScalarSpec("u"), ScalarSpec("ln u"), name="logarithm")
    problem = OperatorProblem((external_operator(law, u, degree=1) + 3) * v * ufl.dx, u)
    u.x.array[:] = 1.0
    (run,) = problem.solve()
    np.testing.assert_allclose(u.x.array, np.exp(-3), rtol=1e-9)
    assert np.all(np.diff(run.norms) < 0)
    u.x.array[:] = -1.0
    with pytest.raises(ConvergenceError, match="logarithm returned NaN or infinity at strains up to 1"):
        problem.solve()
    assert problem.history[-1].failure.startswith("Newton's method: logarithm returned NaN")
    np.testing.assert_array_equal(u.x.array, -1.0)


def test_solutions_outside_of_the_training_domain_are_refused_unless_allowed(file, readme):
    law = read_law(file)
    narrow = PointLaw(law.evaluate, F, P, Domain((0.9, -0.3, -0.3, 0.7), (1.3, 0.3, 0.3, 1.3)), "narrow")
    problem = stretched(narrow)
    with pytest.raises(ContractError, match=r"narrow: \d+ of 162 points lie outside .* F = \[.*train on a larger"):
        problem.solve()
    np.testing.assert_array_equal(problem.state.x.array, 0.0)
    assert problem.history[-1].failure == ""
    stretched(narrow, extrapolation=1.0).solve()
    assert law.domain == Domain.of(readme[1]["seen"], F)


def test_laws_operands_and_forms_that_do_not_fit_are_refused(file, tmp_path):
    law, (u, v, _) = OnnxLaw(file), block((1, 1))
    gradient = ufl.Identity(2) + ufl.grad(u)
    with pytest.raises(ContractError, match=r"the 4 components of 'F', got the shape \(3,\)"):
        external_operator(law, mandel(ufl.sym(ufl.grad(u))), degree=2)
    with pytest.raises(ContractError, match="a function of DOLFINx"):
        external_operator(law, ufl.Identity(2), degree=2)
    with pytest.raises(ValueError, match="degree >= 1 and extrapolation >= 0, got 0 and 0"):
        external_operator(law, gradient, degree=0)
    with pytest.raises(ValueError, match="got 2 and -1"):
        external_operator(law, gradient, degree=2, extrapolation=-1.0)
    stress = external_operator(law, gradient, degree=2)
    work = ufl.inner(stress, ufl.grad(v))
    for measure, message in (
        (ufl.ds, "over cells in its degree .*, got exterior_facet"),
        (ufl.dx(degree=4), r"degree \[2\], got cell integrals in the degree 4"),
        (ufl.dx(metadata={"quadrature_rule": "vertex"}), "by the rule 'vertex'"),
    ):
        with pytest.raises(ValueError, match=message):
            OperatorProblem(work * measure, u)
    with pytest.raises(ValueError, match="one test function, got 0 arguments"):
        OperatorProblem(ufl.inner(u, u) * ufl.dx, u)
    with pytest.raises(ValueError, match="depends on the state"):
        OperatorProblem(work * ufl.dx, fem.Function(u.function_space))
    with pytest.raises(ContractError, match="first derivatives at most"):
        stress.external_function((2,))
    with pytest.raises(ContractError, match="expected finite strains, point 1"):
        read_law(file)(np.array([[1.0, 0, 0, 1], [np.nan, 0, 0, 1]]))
    with pytest.raises(ContractError, match=r"tangents \(2, 4, 4\), got \(2, 4\) and \(2,\)"):
        PointLaw(lambda e: (e, e[:, 0]), F, P)(np.ones((2, 4)))
    with pytest.raises(FileNotFoundError):
        read_law(tmp_path / "absent.onnx")
