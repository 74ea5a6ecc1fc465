"""What the benchmarks of this plugin share: solves by options, their iterations, CPU times and true residuals."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median
from typing import Any

import genmech_petsc  # noqa: F401  isort: skip
import numpy as np
from dolfinx.fem import petsc
from dolfinx.fem.petsc import LinearProblem
from dolfinx.la.petsc import _zero_vector

type Row = dict[str, Any]
type Options = Mapping[str, Any]


def timed[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """What a function returns, and its CPU time [s]."""
    began = time.process_time()
    return function(*args, **kwargs), time.process_time() - began


def assemble(problem: LinearProblem) -> None:
    """Assemble matrix and right-hand side, which the times leave out."""
    problem.A.zeroEntries()
    petsc.assemble_matrix(problem.A, problem.a, bcs=problem.bcs)
    problem.A.assemble()
    assemble_vector(problem)


def assemble_vector(problem: LinearProblem) -> None:
    """Assemble the right-hand side."""
    _zero_vector(problem.b)
    petsc.assemble_vector(problem.b, problem.L)
    petsc.apply_lifting(problem.b, [problem.a], bcs=[problem.bcs])
    for bc in problem.bcs:
        bc.set(problem.b.array_w)


def linear_rows(name: str, seed: int, problem: LinearProblem, systems: Iterable[Callable[[], None]]) -> Iterator[Row]:
    """Rows of one method: medians over systems, and the largest true residual.

    Args:
        name: "TASK, METHOD".
        seed: Of the rows.
        problem: Solved by the method.
        systems: Each assembles the next one.
    """
    steps, seconds, residuals = [], [], []
    for system in systems:
        system()
        _, spent = timed(problem.solver.solve, problem.b, problem.x)
        steps.append(problem.solver.getIterationNumber())
        seconds.append(spent)
        residuals.append((problem.b - problem.A * problem.x).norm() / problem.b.norm())
    yield from rows(name, seed, {
        "iterations": median(steps),
        "CPU time of a solve [ms]": 1e3 * median(seconds),
        "largest relative residual": max(residuals),
    })  # fmt: skip


def rows(name: str, seed: int, measures: Mapping[str, float]) -> Iterator[Row]:
    """Rows "NAME: MEASURE"."""
    for measure, value in measures.items():
        yield {"what": f"{name}: {measure}", "seed": seed, "value": float(value)}


def python(kind: str, file: object, **options: Any) -> dict[str, Any]:
    """Options of a type of the plugin around incomplete Cholesky."""
    named = {"pc_type": "python", "pc_python_type": f"genmech_petsc.{kind}", "pc_onnx_file": str(file)}
    return named | {"onnx_pc_type": "icc"} | options


def relative(found: np.ndarray, truth: np.ndarray) -> float:
    """Relative error."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))
