"""Searches for many designs at once: the front of several objectives, or an archive of different designs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmech_fem.design.constraints import Constraint, check_constraints
from genmech_fem.design.evaluator import Answer, Evaluator
from genmech_fem.design.loop import TOLERANCE, Progress, drive, violations
from genmech_fem.design.map_elites import cell_numbers, check_cells
from genmech_fem.design.objectives import Objective
from genmech_fem.design.search import Optimizer, nondominated
from genmech_fem.design.vectors import Bounds, Vectors
from genmech_fem.errors import ContractError, GenmechError
from genmech_fem.fields import Arrays, take
from genmech_fem.forward import ForwardModel


@dataclass(frozen=True, eq=False)
class Archive:
    """All designs that a search saw and that keep the constraints, within the tolerance of `minimize`.

    Attributes:
        designs: The model's inputs (batch, ...).
        values: Objectives (batch, objectives).
        history: First objective of the best design of each answer.
        evaluations: Number of samples that the model evaluated.
        failures: What the model said of designs that it could not solve.
        message: Why the search ended.
        stopped: What ended it early, as of `DesignResult`.
    """

    designs: Arrays
    values: np.ndarray
    history: tuple[float, ...]
    evaluations: int
    failures: tuple[str, ...]
    message: str
    stopped: GenmechError | KeyboardInterrupt | None

    def front(self) -> tuple[Arrays, np.ndarray]:
        """Designs that no other one beats in all objectives, and their values (front, objectives), by the first."""
        rows = np.flatnonzero(nondominated(self.values))
        rows = rows[np.argsort(self.values[rows, 0], kind="stable")]
        return take(self.designs, rows), self.values[rows]

    def elites(self, ranges: Sequence[tuple[float, float]], cells: Sequence[int]) -> tuple[Arrays, np.ndarray]:
        """Best design by the first objective in each cell of a grid over the others.

        Args:
            ranges: Least and largest value of each of the other objectives; designs outside are left out.
            cells: Number of cells along each.

        Returns:
            The designs in the order of the cells, and their values (elites, objectives).

        Raises:
            ContractError: There are not as many ranges and cells as other objectives.
            ValueError: A range is empty, or the numbers of ranges and cells differ.
        """
        check_cells(ranges, cells)
        if self.values.shape[1] != 1 + len(cells):
            raise ContractError(
                f"elites: expected {self.values.shape[1] - 1} ranges and numbers of cells, got {ranges}"
            )
        numbers = cell_numbers(self.values[:, 1:], ranges, cells)
        order = np.argsort(self.values[:, 0], kind="stable")
        order = order[numbers[order] >= 0]
        rows = order[np.unique(numbers[order], return_index=True)[1]]
        return take(self.designs, rows), self.values[rows]


def explore(
    model: ForwardModel,
    objectives: Sequence[Objective],
    start: Arrays,
    optimizer: Optimizer,
    *,
    constraints: Sequence[Constraint] = (),
    bounds: Bounds | None = None,
    iterations: int = 100,
    journal: Path | str | None = None,
    progress: Progress | None = None,
) -> Archive:
    """Look for designs that are good in several ways, with `NSGA2` or `MapElites`.

    Args:
        model: Any ForwardModel.
        objectives: For `NSGA2` what is made small; for `MapElites` one such, and measures by which designs differ.
        start: First design, a batch of one.
        optimizer: The rule that proposes designs.
        constraints: As of `minimize`.
        bounds: As of `minimize`.
        iterations: As of `minimize`.
        journal: As of `minimize`.
        progress: As of `minimize`.

    Raises:
        ContractError: As of `minimize`.
        GenmechError: As of `minimize`.
        ValueError: As of `minimize`.
    """
    check_constraints(constraints)
    vectors, kept = Vectors(model.inputs), _All()
    space = vectors.space(start, bounds, constraints=len(constraints), objectives=len(objectives))
    evaluator = Evaluator(model, objectives, constraints, gradients=optimizer.gradients)
    course = drive(optimizer.search(space), evaluator, kept, iterations=iterations, journal=journal, progress=progress)
    designs, values = vectors.split(np.concatenate(kept.designs)), np.concatenate(kept.values)
    return Archive(designs, values, course.history, course.evaluations, course.failures, course.message, course.stopped)


class _All:
    """Keeps every design that could be solved and keeps the constraints."""

    def __init__(self) -> None:
        self.designs: list[np.ndarray] = []
        self.values: list[np.ndarray] = []

    def __call__(self, answer: Answer) -> None:
        rows = answer.solved[violations(answer.evaluation)[answer.solved] <= TOLERANCE]
        self.designs.append(answer.designs[rows])
        self.values.append(answer.evaluation.values[rows])
