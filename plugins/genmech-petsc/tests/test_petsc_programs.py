"""Programs that know nothing of the plugin: all goes by the options of their command line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from genmech_petsc.__main__ import main

HEAT = """
import contextlib, sys
with contextlib.suppress(ImportError):
    import dolfinx_solver
import petsc4py
petsc4py.init(sys.argv)
import numpy as np, ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import LinearProblem
from mpi4py import MPI
domain = mesh.create_unit_square(MPI.COMM_WORLD, 12, 12)
V = fem.functionspace(domain, ("Lagrange", 1))
k, u, v = fem.Constant(domain, 1.0), ufl.TrialFunction(V), ufl.TestFunction(V)
x = ufl.SpatialCoordinate(domain)
held = fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0))
form = (1 + k * x[0] ** 2) * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx
problem = LinearProblem(form, v * ufl.dx, bcs=[fem.dirichletbc(0.0, held, V)], petsc_options_prefix="heat_",
                        petsc_options={})
for k.value in np.linspace(0.5, 5, 10):
    problem.solve()
print("reason", problem.solver.getConvergedReason())
print("iterations", problem.solver.getIterationNumber())
print("norm", problem.x.norm())
assert not any(name.startswith(("genmech_fem.train", "torch")) for name in sys.modules)
"""
CUBIC = """
import contextlib, sys
with contextlib.suppress(ImportError):
    import dolfinx_solver
import petsc4py
petsc4py.init(sys.argv)
from petsc4py import PETSc
n = 20
snes, x = PETSc.SNES().create(PETSc.COMM_SELF), PETSc.Vec().createSeq(n)
A = PETSc.Mat().createAIJ((n, n), nnz=3)
load = PETSc.Options().getReal("load", 1.0)
def function(snes, x, f):
    u = x.array_r
    f.setArray(2 * u - [0, *u[:-1]] - [*u[1:], 0] + u**3 - load)
def jacobian(snes, x, J, P):
    for i in range(n):
        P.setValue(i, i, 2 + 3 * x[i] ** 2)
        for j in (i - 1, i + 1):
            if 0 <= j < n:
                P.setValue(i, j, -1.0)
    P.assemble()
snes.setFunction(function, x.duplicate())
snes.setJacobian(jacobian, A, A)
snes.setFromOptions()
loads = [load] if PETSc.Options().hasName("load") else [0.5 * k for k in range(1, 21)]
for load in loads:
    x.set(0.0)
    snes.solve(None, x)
print("reason", snes.getConvergedReason())
print("iterations", snes.getIterationNumber())
print("norm", x.norm())
"""


def run(script, folder, *options, processes=None):
    """Run a program with options; returns what it printed by name, its return code, and what it said of errors."""
    assert "genmech" not in script.replace("genmech_fem.train", "")
    file = folder / "program.py"
    file.write_text(script)
    command = [sys.executable, str(file), *map(str, options)]
    if processes:
        command = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(processes), *command]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "PMIX", "OMPI", "HYDI"))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    words = (line.split() for line in done.stdout.splitlines())
    found = {w[0]: float(w[1]) for w in words if len(w) == 2 and w[0] in ("reason", "iterations", "norm")}
    return found, done.returncode, done.stdout + done.stderr


def heat(kind, *options):
    return (
        "-heat_ksp_type", "cg", "-heat_ksp_rtol", "1e-10", "-heat_pc_type", "python",
        "-heat_pc_python_type", f"genmech_petsc.{kind}", "-heat_onnx_pc_type", "jacobi", *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def heated(tmp_path_factory):
    """The file of a network, and what the program finds without it."""
    folder = tmp_path_factory.mktemp("heat")
    found, code, text = run(HEAT, folder, *heat("OnnxGuess", "-heat_pc_onnx_record", folder / "solves"))
    assert code == 0, text
    main([str(folder / "solves"), str(folder / "heat.onnx"), "--inputs", "diagonal", "--modes", "4", "--steps", "200"])
    return folder / "heat.onnx", found


def test_a_linear_program_records_and_is_guessed_for_by_options_only(heated, tmp_path):
    file, plain = heated
    view = "-heat_ksp_view"
    found, code, text = run(HEAT, tmp_path, *heat("OnnxGuess", "-heat_pc_onnx_file", file, view))
    assert (code, found["reason"] > 0) == (0, True), text
    assert found["norm"] == pytest.approx(plain["norm"], rel=1e-8)
    assert found["iterations"] < plain["iterations"]
    assert f"{file}: asked 10 times, refused 0 times" in text


def test_what_is_wrong_reaches_the_user(tmp_path):
    _, code, text = run(HEAT, tmp_path, *heat("OnnxPC", "-heat_pc_onnx_fil", "x.onnx"))
    assert code != 0
    assert "unknown option -heat_pc_onnx_fil: expected one of -heat_pc_onnx_file, -heat_pc_onnx_threads" in text


def test_several_processes_are_refused_on_all(heated, tmp_path):
    _, code, text = run(HEAT, tmp_path, *heat("OnnxGuess", "-heat_pc_onnx_file", heated[0]), processes=2)
    assert code != 0
    assert "networks of unknowns work on one process, got 2" in text


def test_a_nonlinear_program_records_and_is_guessed_for_by_options_only(tmp_path):
    types = ("-snes_type", "python", "-snes_python_type", "genmech_petsc.OnnxSNES", "-snes_rtol", "1e-10")
    _, code, text = run(CUBIC, tmp_path, *types, "-snes_onnx_record", tmp_path / "solves")
    assert code == 0, text
    file = tmp_path / "cubic.onnx"
    main([str(tmp_path / "solves"), str(file), "--inputs", "residual", "--nonlinear", "--modes", "6", "--steps", "500"])
    plain, _, _ = run(CUBIC, tmp_path, "-load", "4.2", "-snes_rtol", "1e-10")
    found, _, text = run(CUBIC, tmp_path, *types, "-snes_onnx_file", file, "-load", "4.2", "-snes_view")
    assert found["norm"] == pytest.approx(plain["norm"], rel=1e-8)
    assert found["iterations"] < plain["iterations"]
    assert f"{file}: asked 1 times, refused 0 times, solved again without 0 times" in text


def test_a_recorded_solve_holds_the_system(tmp_path):
    run(CUBIC, tmp_path, "-snes_type", "python", "-snes_python_type", "genmech_petsc.OnnxSNES", "-load", "2.0",
        "-snes_onnx_record", tmp_path / "solves")  # fmt: skip
    with np.load(tmp_path / "solves" / "000000.npz") as solve:
        u = solve["change"]
        np.testing.assert_allclose(solve["residual"], 2.0)
        np.testing.assert_allclose(solve["diagonal"], 2.0)
        np.testing.assert_allclose(2 * u - [0, *u[:-1]] - [*u[1:], 0] + u**3, 2.0, rtol=1e-6)
