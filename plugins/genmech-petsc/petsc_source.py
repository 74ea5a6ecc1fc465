"""One matrix and many right-hand sides: a plate that a moving source heats.

The network, a perceptron from the right-hand side to principal modes, gives the start. Beside it are the last solution,
PETSc's own starts from all solutions so far, and the best point of the principal modes of the labels.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import genmech_petsc  # noqa: F401  isort: skip

import numpy as np
import torch
import ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import LinearProblem
from genmech_petsc.networks import Modes, modal_network
from genmech_petsc.snapshots import load
from genmech_petsc.training import principal_modes, train, write
from mpi4py import MPI
from petsc_timing import Options, Row, assemble, assemble_vector, linear_rows, python, rows, timed

from genmech_fem.training import Recipe

TASK, RTOL, MODES = "moving source", 1e-8, 32
CG = {"ksp_type": "cg", "ksp_rtol": RTOL, "ksp_norm_type": "unpreconditioned"}
_numbers = itertools.count()


class Plate:
    """The plate with n^2 cells, cold at its border, solved as the options say."""

    def __init__(self, n: int, options: Options) -> None:
        domain = mesh.create_unit_square(MPI.COMM_SELF, n, n, mesh.CellType.quadrilateral)
        space = fem.functionspace(domain, ("Lagrange", 1))
        self.source, u, v = fem.Function(space), ufl.TrialFunction(space), ufl.TestFunction(space)
        held = fem.locate_dofs_geometrical(space, lambda x: np.isclose(np.abs(x[:2] - 0.5).max(0), 0.5))
        self.problem = LinearProblem(
            ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx,
            self.source * v * ufl.dx,
            bcs=[fem.dirichletbc(0.0, held, space)],
            petsc_options_prefix=f"plate{next(_numbers)}_",
            petsc_options=dict(options),
        )
        assemble(self.problem)

    def draw(self, generator: np.random.Generator, *, outside: bool = False) -> None:
        """Assemble for a source at any place; outside of the training it is a third as wide."""
        centre, width = generator.uniform(0.2, 0.8, (2, 1)), 0.02 if outside else 0.06
        self.source.interpolate(lambda x: np.exp(-((x[:2] - centre) ** 2).sum(0) / width**2))
        assemble_vector(self.problem)


def record(plate: Plate, count: int, generator: np.random.Generator) -> float:
    """Solve for random sources; returns the CPU time of the solves [s]."""
    seconds = 0.0
    for _ in range(count):
        plate.draw(generator)
        seconds += timed(plate.problem.solver.solve, plate.problem.b, plate.problem.x)[1]
    return seconds


def files(folder: Path, n: int, count: int, steps: int, seed: int) -> tuple[dict[str, Path], dict[str, float]]:
    """Files by what is in them, and the CPU time of labels and training [s]."""
    torch.manual_seed(seed)
    options = python("OnnxGuess", "", pc_onnx_record=str(folder / "solves"))
    plate, generator = Plate(n, CG | options), np.random.default_rng([seed, 1])
    on_labels = record(plate, count, generator)
    known, paths = load(folder / "solves"), {name: folder / f"{name}.onnx" for name in ("network", "reduced basis")}
    network = modal_network(known, inputs=["residual"], modes=MODES)
    _, on_training = timed(train, network, known, paths["network"], Recipe(steps, seed=seed))
    write(Modes(principal_modes(known.directions, MODES)), ["diagonal"], known, paths["reduced basis"])
    return paths, {"network": on_labels + on_training, "reduced basis": on_labels}


def source_rows(seed: int, folder: Path, *, n: int, count: int, steps: int, tests: int) -> Iterator[Row]:
    """Rows of all starts, for sources like those of the training and for others."""
    paths, prices = files(folder, n, count, steps, seed)
    methods: dict[str, Options] = {
        "zero": {"pc_type": "icc"},
        "last solution": {"pc_type": "icc", "ksp_initial_guess_nonzero": True},
        "Fischer": {"pc_type": "icc", "ksp_guess_type": "fischer", "ksp_guess_fischer_model": f"1,{MODES}"},
        "POD of PETSc": {"pc_type": "icc", "ksp_guess_type": "pod", "ksp_guess_pod_size": MODES},
        **{name: python("OnnxGuess", file) for name, file in paths.items()},
    }
    for name, price in prices.items():
        yield from rows(f"{TASK}, {name}", seed, {"labels and training [CPU s]": price})
    for name, options in methods.items():
        for outside in (False, True):
            plate, generator = Plate(n, CG | dict(options)), np.random.default_rng([seed, 2])
            if "ksp_guess_type" in options:  # it has seen as many solutions as the others
                record(plate, count, np.random.default_rng([seed, 1]))
            task = f"{TASK} out of distribution" if outside else TASK
            systems = [partial(plate.draw, generator, outside=outside)] * tests
            yield from linear_rows(f"{task}, {name}", seed, plate.problem, systems)
