"""Linear solves with good, untrained and broken networks, against direct solves of the same systems."""

import itertools

import genmech_petsc
import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import LinearProblem
from genmech_petsc.encoders import OnGrid, grid_places
from genmech_petsc.network import Network
from genmech_petsc.networks import Modes, grid_network, modal_network
from genmech_petsc.projection import Space
from genmech_petsc.snapshots import load
from genmech_petsc.training import principal_modes, train, write
from mpi4py import MPI
from petsc4py import PETSc
from torch import nn

from genmech_fem import plugins
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.export import to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.surrogates import TorchModel
from genmech_fem.training import Recipe

CELLS, SOLVES, RTOL = 16, 24, 1e-9
numbers = itertools.count()


class Root(nn.Module):
    """NaN for every residual but zero."""

    def forward(self, residual):
        return (-residual.abs()).sqrt()[:, None]


def diffusion(options, cells=CELLS, cell=mesh.CellType.quadrilateral):
    """A heated square of any conductivity, solved as the options say."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, cells, cells, cell)
    space = fem.functionspace(domain, ("Lagrange", 1))
    conductivity = fem.Function(fem.functionspace(domain, ("DG", 0)))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    held = fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0], 0) | np.isclose(x[1], 1))
    problem = LinearProblem(
        conductivity * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx,
        fem.Constant(domain, 1.0) * v * ufl.dx,
        bcs=[fem.dirichletbc(0.5, held, space)],
        petsc_options_prefix=f"heat{next(numbers)}_",
        petsc_options={"ksp_rtol": RTOL} | options,
    )
    return problem, conductivity


def draw(conductivity, generator):
    """Two inclusions of any conductivity."""
    x = conductivity.function_space.tabulate_dof_coordinates()[:, :2]
    values = np.zeros(len(x))
    for _ in range(2):
        values += generator.uniform(-2, 2) * np.exp(-20 * ((x - generator.random(2)) ** 2).sum(1))
    conductivity.x.array[:] = np.exp(values)


def python(kind, file, **options):
    """Options of a Python type around incomplete Cholesky."""
    named = {"pc_onnx_file": str(file)} if file else {}
    return {"pc_type": "python", "pc_python_type": f"genmech_petsc.{kind}", "onnx_pc_type": "icc"} | named | options


def solved(options, seed=100):
    """Dofs, iterations and the problem, for a conductivity that no network has seen."""
    problem, conductivity = diffusion(options)
    draw(conductivity, np.random.default_rng(seed))
    return problem.solve().x.array.copy(), problem.solver.getIterationNumber(), problem


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    problem, conductivity = diffusion(python("OnnxGuess", None, ksp_type="cg", pc_onnx_record=str(folder)))
    generator = np.random.default_rng(0)
    for _ in range(SOLVES):
        draw(conductivity, generator)
        problem.solve()
    return load(folder)


@pytest.fixture(scope="module")
def files(snapshots, tmp_path_factory):
    """Files of a trained, an untrained and a broken network, and of a reduced basis."""
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    network = modal_network(snapshots, modes=12, hidden=(32,))
    train(network, snapshots, folder / "trained.onnx", Recipe(400))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    write(network, network.inputs, snapshots, folder / "untrained.onnx")
    silent = type(snapshots)(0 * snapshots.residual, snapshots.diagonal, snapshots.directions, snapshots.layout)
    write(Root(), ["residual"], silent, folder / "broken.onnx")
    write(Modes(principal_modes(snapshots.directions, 8)), ["diagonal"], snapshots, folder / "basis.onnx")
    return folder


@pytest.fixture(scope="module")
def exact():
    return solved({"ksp_type": "preonly", "pc_type": "lu"})[0]


def view(problem, path):
    problem.solver.view(PETSc.Viewer().createASCII(str(path), comm=MPI.COMM_SELF))
    return path.read_text()


def test_is_found_by_its_entry_point():
    assert plugins.load("hosts", "petsc") is genmech_petsc.OnnxPC


@pytest.mark.parametrize("name", ["trained", "untrained", "broken", "basis"])
@pytest.mark.parametrize("method", ["cg", "gmres"])
def test_a_guess_never_changes_the_solution_and_costs_at_most_an_iteration(files, exact, name, method):
    _, plain, _ = solved({"ksp_type": method, "pc_type": "icc"})
    found, steps, problem = solved(python("OnnxGuess", files / f"{name}.onnx", ksp_type=method))
    assert problem.solver.getConvergedReason() > 0
    np.testing.assert_allclose(found, exact, atol=1e-6)
    assert steps <= plain + 1


@pytest.mark.parametrize("name", ["trained", "untrained", "broken", "basis"])
@pytest.mark.parametrize("method", ["fcg", "fgmres", "gcr"])
def test_a_preconditioner_never_changes_the_solution(files, exact, name, method):
    _, plain, _ = solved({"ksp_type": method, "pc_type": "icc", "ksp_norm_type": "unpreconditioned"})
    found, steps, problem = solved(python("OnnxPC", files / f"{name}.onnx", ksp_type=method))
    assert problem.solver.getConvergedReason() > 0
    np.testing.assert_allclose(found, exact, atol=1e-6)
    assert steps <= plain + 3


def start(file, method, given=None):
    """The start that a guess file leads to, in ``x``, and its matrix."""
    nonzero = {"ksp_initial_guess_nonzero": True} if given is not None else {}
    problem, conductivity = diffusion(python("OnnxGuess", file, ksp_type=method) | nonzero)
    draw(conductivity, np.random.default_rng(100))
    if given is not None:
        problem.x.setArray(given)
    first = []
    problem.solver.setMonitor(lambda ksp, step, _: step or first.append(ksp.getSolution().array_r.copy()))
    problem.solve()
    problem.x.setArray(first[0])
    return problem


def energy(matrix, error):
    return float(error @ (matrix @ error))


def dense(matrix):
    rows, columns, values = matrix.getValuesCSR()
    found = np.zeros(matrix.size)
    found[np.repeat(np.arange(len(rows) - 1), np.diff(rows)), columns] = values
    return found


def test_the_guess_is_the_best_point_of_a_reduced_basis(files, snapshots):
    Z = principal_modes(snapshots.directions, 8).astype(np.float32).astype(float)
    problem = start(files / "basis.onnx", "cg")
    A, b = dense(problem.A), problem.b.array_r
    np.testing.assert_allclose(problem.x.array_r, Z.T @ np.linalg.solve(Z @ A @ Z.T, Z @ b), rtol=1e-6, atol=1e-9)
    problem = start(files / "basis.onnx", "gmres")
    best = Z.T @ np.linalg.lstsq(A @ Z.T, b, rcond=None)[0]
    np.testing.assert_allclose(problem.x.array_r, best, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["trained", "untrained", "broken", "basis"])
def test_no_guess_is_worse_than_what_was_given(files, exact, name):
    given = exact + 0.01 * np.random.default_rng(0).standard_normal(len(exact))
    for before in (None, given):
        problem = start(files / f"{name}.onnx", "cg", before)
        A, error = dense(problem.A), exact - (0 if before is None else before)
        assert energy(A, problem.x.array_r - exact) <= energy(A, error) * (1 + 1e-9)
        problem = start(files / f"{name}.onnx", "gmres", before)
        assert np.linalg.norm(A @ problem.x.array_r - A @ exact) <= np.linalg.norm(A @ error) * (1 + 1e-9)


def test_the_view_tells_the_error_that_was_left(files, exact, tmp_path):
    problem = start(files / "trained.onnx", "cg")
    A = dense(problem.A)
    left = 100 * np.sqrt(energy(A, problem.x.array_r - exact) / energy(A, exact))
    _, _, problem = solved(python("OnnxGuess", files / "trained.onnx", ksp_type="cg"))
    text = view(problem, tmp_path / "view")
    assert f"asked 1 times, refused 0 times; left {left:.3g} % of the error in the energy norm" in text
    assert left < 30
    assert "type: icc" in text


def test_with_cg_the_preconditioner_is_symmetric_and_exact_in_the_directions(files, snapshots):
    _, plain, _ = solved({"ksp_type": "cg", "pc_type": "icc", "ksp_norm_type": "unpreconditioned"})
    _, steps, problem = solved(python("OnnxPC", files / "basis.onnx", ksp_type="cg"))
    assert steps < 0.8 * plain
    M, A = np.zeros(problem.A.size), dense(problem.A)
    right, left = problem.A.createVecs()
    for column, unit in zip(M.T, np.eye(len(M)), strict=True):
        right.setArray(unit)
        problem.solver.getPC().apply(right, left)
        column[:] = left.array_r
    np.testing.assert_allclose(M, M.T, atol=1e-9 * np.abs(M).max())
    assert np.linalg.eigvalsh((M + M.T) / 2).min() > 0
    Z = principal_modes(snapshots.directions, 8).astype(np.float32).astype(float)
    np.testing.assert_allclose(M @ A @ Z.T, Z.T, atol=1e-8)


def test_a_broken_network_is_asked_three_times_and_leaves_the_inner_preconditioner(files, tmp_path):
    found, plain, _ = solved({"ksp_type": "fcg", "pc_type": "icc", "ksp_norm_type": "unpreconditioned"})
    other, steps, problem = solved(python("OnnxPC", files / "broken.onnx", ksp_type="fcg"))
    assert steps == plain
    np.testing.assert_array_equal(found, other)
    assert "asked 3 times, refused 3 times" in view(problem, tmp_path / "view")
    problem.solve()  # a matrix that was assembled again
    assert "asked 6 times, refused 6 times" in view(problem, tmp_path / "again")


def test_directions_of_a_matrix_are_computed_once(files, tmp_path):
    _, _, problem = solved(python("OnnxPC", files / "basis.onnx", ksp_type="cg"))
    problem.solver.solve(problem.b, problem.x)
    assert "asked 1 times" in view(problem, tmp_path / "view")


def test_a_network_on_the_grid_lowers_the_error(snapshots, tmp_path, exact):
    problem, _ = diffusion({})
    places = grid_places(problem.u.function_space.tabulate_dof_coordinates(), (CELLS + 1, CELLS + 1))
    torch.manual_seed(0)
    network = grid_network(snapshots, places, channels=(8,))
    train(network, snapshots, tmp_path / "grid.onnx", Recipe(40, batch_size=8))
    problem = start(tmp_path / "grid.onnx", "cg")
    A = dense(problem.A)
    assert energy(A, problem.x.array_r - exact) < 0.5 * energy(A, exact)


def test_what_depends_on_other_directions_or_is_zero_does_not_count():
    generator = np.random.default_rng(0)
    A = generator.standard_normal((6, 6))
    A = A @ A.T + np.eye(6)
    matrix = PETSc.Mat().createDense((6, 6), array=A, comm=MPI.COMM_SELF)
    Z, r = generator.standard_normal((2, 6)), generator.standard_normal(6)
    bad = np.vstack([Z, Z[0] + Z[1], np.zeros(6), 1e3 * Z[0]])
    for definite, best in ((True, np.linalg.solve(Z @ A @ Z.T, Z @ r)), (False, np.linalg.lstsq(A @ Z.T, r)[0])):
        space = Space.spanned(matrix, bad, energy=definite)
        np.testing.assert_allclose(space.amounts(r) @ space.directions, best @ Z, rtol=1e-6)
    assert Space.spanned(matrix, np.zeros((2, 6)), energy=True) is None


def refused(options, cells=CELLS, cell=mesh.CellType.quadrilateral):
    """What is said of options that do not work."""
    with pytest.raises(PETSc.Error) as error:
        diffusion(options, cells, cell)[0].solve()
    return f"{type(error.value.__cause__).__name__}: {error.value.__cause__}"


def test_files_that_do_not_fit_are_named_and_refused(files, tmp_path):
    basis, other = files / "basis.onnx", tmp_path / "other.onnx"
    said = refused(python("OnnxGuess", basis, ksp_type="cg"), cells=12)
    assert said.startswith(f"ContractError: {basis}: expected arrays of 169 unknowns, the size of the matrix, got")
    said = refused(python("OnnxGuess", basis, ksp_type="cg"), cell=mesh.CellType.triangle)
    assert said.startswith(f"ContractError: {basis}: expected the mesh, element and numbering that it was made with")
    assert refused(python("OnnxPC", "no.onnx")) == "FileNotFoundError: no ONNX file at no.onnx"
    other.write_bytes(b"no network")
    assert f"{other} is not a readable ONNX file" in refused(python("OnnxPC", other))


def test_a_nonlinear_start_needs_one_direction(files):
    problem = solved({"ksp_type": "cg", "pc_type": "icc"})[2]
    with pytest.raises(ContractError, match=r"basis.onnx: expected 1 direction, it gives 8"):
        Network(str(files / "basis.onnx"), problem.A, count=1)


def test_a_file_of_another_kind_is_refused(snapshots, tmp_path):
    network, size = nn.Linear(289, 289), snapshots.residual.shape[1]
    specs = (ScalarSpec("load", size),), (ScalarSpec("state", size),)
    to_onnx(TorchModel(network, *specs), tmp_path / "law.onnx", {"load": snapshots.residual})
    said = refused(python("OnnxPC", tmp_path / "law.onnx"))
    assert "expected a map from residual or diagonal (n,) to directions (k, n), it maps ['load'] to ['state']" in said


def test_methods_that_do_not_go_with_a_network_are_refused(files):
    said = refused(python("OnnxPC", files / "trained.onnx", ksp_type="cg"))
    assert "expected -ksp_type fcg, fgmres, gcr, as its directions change with the residual, got cg" in said
    assert "expected -ksp_type cg, fcg, fgmres, gcr, got preonly" in refused(
        python("OnnxPC", files / "basis.onnx", ksp_type="preonly")
    )
    said = refused(python("OnnxGuess", files / "basis.onnx", ksp_type="preonly"))
    assert "an initial guess needs an iterative method: expected another -ksp_type than preonly" in said


def test_options_that_are_wrong_are_named():
    assert "no network is named: set the option that ends in onnx_file" in refused(python("OnnxPC", None))
    said = refused(python("OnnxGuess", "x.onnx", pc_onnx_thread="2"))
    assert "pc_onnx_thread: expected one of" in said
    said = refused(python("OnnxGuess", "x.onnx", pc_onnx_threads="two"))
    assert "pc_onnx_threads: expected a value of type int, got 'two'" in said
    assert solved({"ksp_type": "cg", "pc_type": "icc"})[2].solver.getType() == "cg"  # later problems keep their options


def test_snapshots_of_two_meshes_are_refused(tmp_path):
    for cells in (4, 5):
        problem, conductivity = diffusion(python("OnnxGuess", None, pc_onnx_record=str(tmp_path)), cells)
        draw(conductivity, np.random.default_rng(0))
        problem.solve()
    with pytest.raises(DatasetError, match="expected recorded solves of one mesh, got 2 of 2 meshes"):
        load(tmp_path)


def test_inputs_that_do_not_vary_are_refused(snapshots):
    same = type(snapshots)(np.ones_like(snapshots.residual), snapshots.diagonal, snapshots.directions)
    with pytest.raises(ContractError, match="expected inputs that differ between the 24 solves"):
        modal_network(same, inputs=["residual"])


def test_nodes_that_are_on_no_grid_are_refused():
    with pytest.raises(ContractError, match="expected nodes on a grid of"):
        grid_places(np.random.default_rng(0).random((9, 2)), (3, 3))
    with pytest.raises(ContractError, match="expected each of 4 unknowns once"):
        OnGrid(np.array([[0, 1], [1, 2]]))
