"""Nonlinear solves with good and bad starts, against Newton's method alone."""

import itertools

import genmech_petsc  # noqa: F401  isort: skip
import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import NonlinearProblem
from genmech_petsc.networks import modal_network
from genmech_petsc.snapshots import load
from genmech_petsc.training import train, write
from mpi4py import MPI
from petsc4py import PETSc
from torch import nn

from genmech_fem.training import Recipe

SOLVES = 20
DIRECT = {"ksp_type": "preonly", "pc_type": "lu", "snes_rtol": 1e-9, "snes_atol": 0.0}
NEWTON = DIRECT | {"snes_type": "newtonls", "snes_linesearch_type": "bt"}
numbers = itertools.count()


def block(options, modulus=1.0):
    """A neo-Hookean block in plane strain, clamped below and pulled at its top; and the displacement of the top."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, 8, 8, mesh.CellType.quadrilateral)
    space = fem.functionspace(domain, ("Lagrange", 1, (2,)))
    u, v, top = fem.Function(space), ufl.TestFunction(space), fem.Constant(domain, np.zeros(2))
    below, above = (fem.locate_dofs_geometrical(space, lambda x, y=y: np.isclose(x[1], y)) for y in (0.0, 1.0))
    F = ufl.variable(ufl.Identity(2) + ufl.grad(u))
    J = ufl.det(F)
    energy = modulus * (ufl.inner(F, F) - 2 - 2 * ufl.ln(J) + ufl.ln(J) ** 2) / 5
    problem = NonlinearProblem(
        ufl.derivative(energy * ufl.dx(metadata={"quadrature_degree": 2}), u, v),
        u,
        bcs=[fem.dirichletbc(np.zeros(2), below, space), fem.dirichletbc(top, above, space)],
        petsc_options_prefix=f"block{next(numbers)}_",
        petsc_options=options,
    )
    return problem, top


def guessed(file, **options):
    named = {"snes_onnx_file": str(file)} if file else {}
    inner = {"onnx_snes_type": "newtonls", "onnx_snes_linesearch_type": "bt"}
    return DIRECT | {"snes_type": "python", "snes_python_type": "genmech_petsc.OnnxSNES"} | inner | named | options


def solved(options, modulus=1.0, pull=(0.25, 0.35)):
    problem, top = block(options, modulus)
    top.value[:] = pull
    problem.solve()
    return problem


def view(solver, path):
    solver.view(PETSc.Viewer().createASCII(str(path), comm=MPI.COMM_SELF))
    return path.read_text()


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    problem, top = block(guessed(None, snes_onnx_record=str(folder)))
    generator = np.random.default_rng(0)
    for _ in range(SOLVES):
        problem.u.x.array[:] = 0.0
        top.value[:] = generator.uniform(-0.4, 0.4, 2)
        problem.solve()
    return load(folder)


@pytest.fixture(scope="module")
def files(snapshots, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    network = modal_network(snapshots, inputs=["residual"], modes=8, hidden=(32,), homogeneous=False)
    train(network, snapshots, folder / "trained.onnx", Recipe(500))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    write(network, network.inputs, snapshots, folder / "untrained.onnx")
    return folder


@pytest.mark.parametrize("name", ["trained", "untrained"])
def test_the_solution_is_that_of_newtons_method(files, name):
    plain, other = solved(NEWTON), solved(guessed(files / f"{name}.onnx"))
    assert other.solver.getConvergedReason() > 0
    np.testing.assert_allclose(other.u.x.array, plain.u.x.array, atol=1e-8)
    assert other.solver.getIterationNumber() <= plain.solver.getIterationNumber() - (name == "trained")


def test_the_tolerance_is_one_of_the_residual_of_the_given_start(files):
    loose, (plain, top) = {"snes_rtol": 1e-3}, block(NEWTON)
    problem = solved(guessed(files / "trained.onnx", **loose))
    top.value[:] = (0.25, 0.35)
    residual = plain.b.duplicate()
    plain.solver.computeFunction(plain.x, residual)
    assert problem.solver.getFunctionNorm() <= 1e-3 * residual.norm()
    assert problem.solver.getIterationNumber() <= 1


def test_a_start_of_a_larger_residual_is_refused(files, tmp_path):
    problem = solved(guessed(files / "trained.onnx"), modulus=1e3)  # the network knows no forces of this size
    np.testing.assert_allclose(problem.u.x.array, solved(NEWTON, modulus=1e3).u.x.array, atol=1e-8)
    assert "asked 1 times, refused 1 times" in view(problem.solver, tmp_path / "view")


class ToZero(nn.Module):
    """From x = -3 to 0, where Newton's method runs in a circle."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, residual):
        return (0 * residual + self.change)[:, None]


def cubic(options, forbidden=None):
    """The one unknown of x^3 - 2 x + 2 = 0, from -3."""
    prefix, database = f"cubic{next(numbers)}_", PETSc.Options()
    for name, value in options.items():
        database.setValue(prefix + name, value)
    snes, x = PETSc.SNES().create(MPI.COMM_SELF), PETSc.Vec().createSeq(1, comm=MPI.COMM_SELF)
    matrix = PETSc.Mat().createAIJ((1, 1), nnz=1, comm=MPI.COMM_SELF)

    def jacobian(_, x, __, P):
        P.setValue(0, 0, 3 * x[0] ** 2 - 2)
        P.assemble()

    def residual(_, x, f):
        if x[0] == forbidden:
            raise ArithmeticError("no such state")
        f.setArray(x.array_r**3 - 2 * x.array_r + 2)

    snes.setFunction(residual, x.duplicate())
    snes.setJacobian(jacobian, matrix, matrix)
    snes.setOptionsPrefix(prefix)
    snes.setFromOptions()
    x.setArray([-3.0])
    snes.solve(None, x)
    return snes, x[0]


@pytest.fixture(scope="module")
def to_zero(tmp_path_factory, snapshots):
    path = tmp_path_factory.mktemp("onnx") / "to_zero.onnx"
    one = type(snapshots)(*(np.ones((3, 1)) for _ in range(2)), np.ones((3, 1, 1)))
    write(ToZero(3.0), ["residual"], one, path)
    return path


def test_newtons_method_starts_again_where_the_start_of_a_network_fails(to_zero, tmp_path):
    options = {k: v for k, v in guessed(to_zero).items() if k != "onnx_snes_linesearch_type"}
    options |= {"onnx_snes_linesearch_type": "basic", "onnx_snes_max_it": 20, "snes_atol": 1e-12}
    snes, x = cubic(options)
    assert snes.getConvergedReason() > 0
    assert x == pytest.approx(-1.7692923542386314, abs=1e-8)
    assert snes.getIterationNumber() > 20  # the lost steps count
    assert "asked 1 times, refused 0 times, solved again without 1 times" in view(snes, tmp_path / "view")
    snes, x = cubic(options | {"onnx_snes_error_if_not_converged": True})
    assert x == pytest.approx(-1.7692923542386314, abs=1e-8)


def test_a_start_at_which_the_program_fails_is_refused(to_zero, tmp_path):
    snes, x = cubic(guessed(to_zero), forbidden=0.0)
    assert x == pytest.approx(-1.7692923542386314, abs=1e-8)
    assert "asked 1 times, refused 1 times" in view(snes, tmp_path / "view")


def test_nothing_keeps_a_solver_alive(files):
    problem = solved(guessed(files / "trained.onnx"))
    assert problem.solver.refcount == 1
