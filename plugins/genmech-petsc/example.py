"""A network as the start of Newton's method: a beam that is bent by any displacement and rotation of its end.

DOLFINx solves with ``snes_type python``; first the solves are recorded, then a network is trained on them, then new
ones start from it. Run it as it stands; it takes half a minute.
"""

import itertools
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import genmech_petsc  # noqa: F401  isort: skip
import numpy as np
import ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import NonlinearProblem
from genmech_petsc.networks import modal_network
from genmech_petsc.snapshots import load
from genmech_petsc.training import train
from mpi4py import MPI

from genmech_fem.training import Recipe

LENGTH = 6.0
LARGEST = np.array([0.3, 2.0, 1.2])
"""Displacements [height] and rotation [1] of the end."""
DIRECT = {
    "ksp_type": "preonly",
    "pc_type": "lu",
    "pc_factor_mat_solver_type": "mumps",
    "snes_rtol": 1e-8,
    "snes_atol": 0.0,
}
NEWTON = DIRECT | {"snes_type": "newtonls", "snes_linesearch_type": "bt"}
GUESSED = DIRECT | {
    "snes_type": "python",
    "snes_python_type": "genmech_petsc.OnnxSNES",
    "onnx_snes_type": "newtonls",
    "onnx_snes_linesearch_type": "bt",
}
_numbers = itertools.count()


@dataclass(frozen=True)
class Beam:
    """A neo-Hookean beam in plane strain, clamped at one end; `move` moves and turns the other."""

    problem: NonlinearProblem
    move: Callable[[np.ndarray], None]

    def solve(self, load: np.ndarray, start: np.ndarray | float = 0.0) -> tuple[bool, int, float]:
        """Whether the solve converged, its steps and its CPU time [s]."""
        self.problem.u.x.array[:] = start
        self.move(load)
        began = time.process_time()
        self.problem.solve()
        seconds, solver = time.process_time() - began, self.problem.solver
        return solver.getConvergedReason() > 0, solver.getIterationNumber(), seconds


def beam(options: Mapping[str, Any], cells: int = 8) -> Beam:
    """Make a beam with so many cells along its height."""
    corners = [np.zeros(2), np.array([LENGTH, 1.0])]
    domain = mesh.create_rectangle(MPI.COMM_SELF, corners, (6 * cells, cells), mesh.CellType.quadrilateral)
    space = fem.functionspace(domain, ("Lagrange", 2, (2,)))
    u, v, end = fem.Function(space), ufl.TestFunction(space), fem.Function(space)
    left, right = (fem.locate_dofs_geometrical(space, lambda x, at=at: np.isclose(x[0], at)) for at in (0.0, LENGTH))
    F = ufl.variable(ufl.Identity(2) + ufl.grad(u))
    J = ufl.det(F)
    energy = (ufl.inner(F, F) - 2 - 2 * ufl.ln(J)) / 5.2 + 0.29 * ufl.ln(J) ** 2
    problem = NonlinearProblem(
        ufl.derivative(energy * ufl.dx(metadata={"quadrature_degree": 4}), u, v),
        u,
        bcs=[fem.dirichletbc(np.zeros(2), left, space), fem.dirichletbc(end, right)],
        petsc_options_prefix=f"beam{next(_numbers)}_",
        petsc_options=dict(options),
    )

    def move(load: np.ndarray) -> None:
        """Set the displacement of the end by two shifts and a rotation."""
        turn = np.array([[np.cos(load[2]), -np.sin(load[2])], [np.sin(load[2]), np.cos(load[2])]]) - np.eye(2)
        end.interpolate(lambda x: turn @ np.stack([x[0] - LENGTH, x[1] - 0.5]) + load[:2, None])

    return Beam(problem, move)


def draw(generator: np.random.Generator, scale: float = 1.0) -> np.ndarray:
    """Two shifts and a rotation; the end comes nearer as it goes sideways."""
    load = scale * LARGEST * generator.uniform(-1, 1, 3)
    return load - [load[1] ** 2 / 12, 0, 0]


def record(folder: Path, solves: int, generator: np.random.Generator, cells: int = 8) -> np.ndarray:
    """Record converged solves; returns their loads (solves, 3)."""
    recorder, loads = beam(GUESSED | {"snes_onnx_record": str(folder)}, cells), []
    while len(loads) < solves:
        load = draw(generator)
        if recorder.solve(load)[0]:
            loads.append(load)
    return np.array(loads)


def main(solves: int = 100, steps: int = 1500, tests: int = 10, *, seed: int = 0, cells: int = 8) -> dict[str, float]:
    """Median steps of Newton's method from zero and from the network, and the largest difference of the solutions."""
    generator = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder), solves, generator, cells)
        snapshots, file = load(folder), Path(folder) / "beam.onnx"
        network = modal_network(snapshots, inputs=["residual"], modes=24, homogeneous=False)
        train(network, snapshots, file, Recipe(steps, seed=seed))
        plain, guessed = beam(NEWTON, cells), beam(GUESSED | {"snes_onnx_file": str(file)}, cells)
        taken, differences = {"from zero": [], "from the network": []}, []
        for load_of_test in (draw(generator) for _ in range(tests)):
            found = [one.solve(load_of_test) for one in (plain, guessed)]
            if all(converged for converged, _, _ in found):
                for counts, (_, count, _) in zip(taken.values(), found, strict=True):
                    counts.append(count)
                differences.append(np.abs(plain.problem.u.x.array - guessed.problem.u.x.array).max())
    return {name: float(np.median(counts)) for name, counts in taken.items()} | {"difference": float(max(differences))}


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value:.3g}")
