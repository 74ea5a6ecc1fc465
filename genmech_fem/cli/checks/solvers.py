"""Checks of the solvers on the Laplacian in one dimension, whose solutions are known, and of MPI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import genmech_fem.cli.checks.fem  # loads DOLFINx in the order that its wheel needs  # noqa: F401  isort: skip

import numpy as np
import ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import LinearProblem
from mpi4py import MPI
from petsc4py import PETSc

from genmech_fem.errors import GenmechError

type Options = dict[str, str | float]

SIZE = 200
DIRECT: Options = {"ksp_type": "preonly", "pc_factor_mat_solver_type": "mumps"}
SOLVERS: dict[str, Options] = {
    "MUMPS LU": {**DIRECT, "pc_type": "lu"},
    "MUMPS Cholesky": {**DIRECT, "pc_type": "cholesky"},
    "CG with GAMG": {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-12},
}
ALONE = "import sys; sys.path[:] = {path!r}; from genmech_fem.cli.checks import solvers; solvers.tell_bar()"


def petsc() -> str:
    """Solve with the direct solvers and with multigrid."""
    errors = {name: _error(name, options) for name, options in SOLVERS.items()}
    wrong = {name: error for name, error in errors.items() if not error < 1e-8}
    if wrong:
        raise GenmechError(f"wrong solutions, relative errors: {wrong}")
    return ", ".join(f"{name}: error {error:.0e}" for name, error in errors.items())


def _error(name: str, options: Options) -> float:
    """Relative error of a solver."""
    try:
        found = _bar(MPI.COMM_SELF, options)
    except PETSc.Error as error:
        raise GenmechError(f"{name}: {error}") from error
    x = found.function_space.tabulate_dof_coordinates()[:, 0]
    exact = x * (1 - x) / 2
    return float(np.abs(found.x.array - exact).max() / exact.max())


def _bar(comm: MPI.Comm, options: Options) -> fem.Function:
    """Solution of -u'' = 1 with u = 0 at the ends, which is exact at the nodes."""
    space = fem.functionspace(mesh.create_interval(comm, SIZE, (0.0, 1.0)), ("Lagrange", 1))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    ends = fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0] * (1 - x[0]), 0))
    held = fem.dirichletbc(0.0, ends, space)
    stiffness, load = ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx, v * ufl.dx
    prefix = "genmech_doctor_"
    return LinearProblem(stiffness, load, bcs=[held], petsc_options_prefix=prefix, petsc_options=options).solve()


def slepc() -> str:
    """Find the smallest eigenvalue of the Laplacian."""
    from slepc4py import SLEPc

    matrix = PETSc.Mat().createAIJ([SIZE, SIZE], nnz=3, comm=PETSc.COMM_SELF)
    for i in range(SIZE):
        for j, value in ((i - 1, -1.0), (i, 2.0), (i + 1, -1.0)):
            if 0 <= j < SIZE:
                matrix.setValue(i, j, value)
    matrix.assemble()
    solver = SLEPc.EPS().create(PETSc.COMM_SELF)
    solver.setOperators(matrix)
    solver.setProblemType(SLEPc.EPS.ProblemType.HEP)
    solver.setTarget(0.0)
    solver.getST().setType(SLEPc.ST.Type.SINVERT)
    solver.solve()
    found, exact = solver.getEigenvalue(0).real, 4 * np.sin(np.pi / (2 * (SIZE + 1))) ** 2
    if not abs(found / exact - 1) < 1e-6:
        raise GenmechError(f"expected the eigenvalue {exact:.8g}, got {found:.8g}")
    return f"SLEPc {'.'.join(map(str, SLEPc.Sys.getVersion()))} finds an eigenvalue"


def tell_bar() -> None:
    """Print the number of processes and the largest value of the solution on all of them, once."""
    found = _bar(MPI.COMM_WORLD, SOLVERS["MUMPS LU"])
    largest = MPI.COMM_WORLD.allreduce(found.x.array.max(), MPI.MAX)
    if MPI.COMM_WORLD.rank == 0:
        print(MPI.COMM_WORLD.size, largest)


def find_launcher() -> str:
    """The mpiexec beside Python, which came with the wheel of MPI, or else that of the path."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise GenmechError("found no mpiexec")
    return found


def ranks() -> str:
    """Solve on two processes."""
    launcher = find_launcher()
    command = [launcher, "-n", "2", sys.executable, "-c", ALONE.format(path=sys.path)]
    variables = dict(os.environ)  # without those that MPI_Init has set in this process
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)  # noqa: S603
    said = done.stdout.split()
    if done.returncode or not said:
        raise GenmechError(f"{launcher} failed: {' '.join((done.stderr or done.stdout).split()[-30:])}")
    if said[0] != "2":
        raise GenmechError(f"{launcher} starts two processes that do not see each other: it is of another MPI")
    if not abs(float(said[1]) - 0.125) < 1e-8:
        raise GenmechError(f"expected 0.125 on two processes, got {said[1]}")
    return f"{launcher}, {MPI.Get_library_version().split(chr(10))[0].strip()}: two processes solve as one"
