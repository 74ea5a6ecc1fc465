"""Refinement of a two-phase cell towards a wanted tensor by flipping pixels: it is black and white at every step.

Each step flips the pixels at interfaces whose predicted effects add up to what is missing, as in the optimisation of
binary structures by Sivapuram and Picelli (2018), doi:10.1016/j.finel.2017.10.006.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from genmech_fem.design.pixel_flips import FlipFactors, PixelFlips
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, ScalarSpec
from genmech_fem.forward import DifferentiableForwardModel, linearize
from genmech_fem.metrics import symmetric_matrix, upper_triangle


@dataclass(frozen=True, eq=False)
class Refinement:
    """The best cell that was found.

    Attributes:
        phase: The cell (*grid), True in phase 1.
        tensor: Upper triangle of its tensor, as solved.
        error: Relative Frobenius distance to the wanted one.
        history: The least error after each solve.
        start: Which start it comes from.
    """

    phase: np.ndarray
    tensor: np.ndarray
    error: float
    history: tuple[float, ...]
    start: int

    @property
    def solves(self) -> int:
        """Number of solves spent; gradients need none where the model is self-adjoint, as homogenisation is."""
        return len(self.history)


def refine_cell(
    model: DifferentiableForwardModel,
    target: np.ndarray,
    starts: np.ndarray | Sequence[np.ndarray],
    flips: PixelFlips,
    *,
    solves: int = 40,
    accept: float = 0.005,
) -> Refinement:
    """Flip pixels of a cell until its tensor is the wanted one; where that gets stuck, go on from the next start.

    Args:
        model: From one field on a grid to a tensor, such as `adapters.pixel_homogenization`.
        target: Upper triangle (size,) of the wanted symmetric matrix.
        starts: Cells (starts, *grid) whose pixels above 0.5 are phase 1, the most promising first.
        flips: How pixels are flipped.
        solves: Most solves, all starts together.
        accept: Error at which to stop.

    Raises:
        ValueError: There is no solve to spend, or `accept` is negative.
        ContractError: The model has several inputs or outputs, or target or starts do not fit it.
        GenmechError: A cell cannot be solved.
    """
    if solves < 1 or not accept >= 0:
        raise ValueError(f"refine_cell: expected solves >= 1 and accept >= 0, got {solves} and {accept}")
    search = _Search(model, np.asarray(target, dtype=float), flips, solves=solves, accept=accept)
    phases = np.asarray(starts) > 0.5
    grid = search.given.shape
    if phases.ndim != len(grid) + 1 or phases.shape[1:] != grid or not len(phases):
        raise ContractError(f"refine_cell: expected starts (starts, {grid}), got shape {phases.shape}")
    for number, phase in enumerate(phases):
        search.run(phase, number)
        if search.done:
            break
    return replace(search.best, history=tuple(search.history))


class _Search:
    """Keeps the best cell and the count of solves."""

    best: Refinement

    def __init__(
        self,
        model: DifferentiableForwardModel,
        target: np.ndarray,
        flips: PixelFlips,
        *,
        solves: int,
        accept: float,
    ) -> None:
        self.given, self.made = _specs(model)
        if target.shape != (self.made.size,) or not np.isfinite(target).all() or not target.any():
            raise ContractError(f"refine_cell: expected a target ({self.made.size},), not 0, got {target}")
        self.model, self.target, self.flips = model, target, flips
        self.solves, self.accept = solves, accept
        matrix = symmetric_matrix(target)
        self.weights = upper_triangle(np.sqrt(2 - np.eye(len(matrix)))) / np.linalg.norm(matrix)
        self.factors = FlipFactors(flips.values)
        self.history: list[float] = []

    @property
    def done(self) -> bool:
        """Whether the target is met, or no solve is left."""
        return len(self.history) >= self.solves or self.best.error <= self.accept

    def solve(self, phase: np.ndarray, start: int) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        """What is missing (size,), and how to get its derivatives (size, *grid) by the values of pixels."""
        low, high = self.flips.values
        outputs, back = linearize(self.model, {self.given.name: np.where(phase, high, low)[None]})
        tensor = outputs[self.made.name][0]
        missing = self.weights * (self.target - tensor)
        error = float(np.linalg.norm(missing))
        least = min(error, self.history[-1]) if self.history else error
        self.history.append(least)
        if least == error:
            self.best = Refinement(phase, tensor, error, (), start)
        rows = np.diag(self.weights)[:, None]
        return missing, lambda: np.concatenate([back({self.made.name: row})[self.given.name] for row in rows])

    def run(self, phase: np.ndarray, start: int) -> None:
        """Go on from one cell until that gets stuck."""
        missing, derive = self.solve(phase, start)
        slopes, stuck = derive(), 0
        while not self.done and stuck < self.flips.patience:
            flipped, predicted = self.propose(phase, slopes, missing / 2**stuck)
            if not flipped.any():
                return
            rest, derive = self.solve(phase ^ flipped, start)
            self.factors.learn(predicted, missing - rest)
            stuck += 1
            if rest @ rest < missing @ missing:
                phase, missing, slopes, stuck = phase ^ flipped, rest, derive(), 0

    def propose(self, phase: np.ndarray, slopes: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (*grid) to flip, and what the derivatives say of those out of each phase (size, 2)."""
        unlike = self.flips.unlike(phase).ravel()
        edge = np.flatnonzero(unlike)
        low, high = self.flips.values
        side = phase.ravel()[edge].astype(int)
        linear = slopes.reshape(len(slopes), -1)[:, edge].T * np.where(side, low - high, high - low)[:, None]
        prices = self.flips.roughness * (wanted @ wanted) * np.maximum(0, phase.ndim - unlike[edge])
        limit = max(1, round(self.flips.most * phase.size))
        chosen = self.flips.best(wanted, linear * self.factors.values[side][:, None], prices, limit)
        flipped = np.zeros(phase.size, dtype=bool)
        flipped[edge[chosen]] = True
        predicted = [linear[chosen][side[chosen] == k].sum(axis=0) for k in (0, 1)]
        return flipped.reshape(phase.shape), np.stack(predicted, axis=1)


def _specs(model: DifferentiableForwardModel) -> tuple[FieldSpec, ScalarSpec]:
    """The field that the model takes, and the tensor that it makes."""
    if len(model.inputs) == len(model.outputs) == 1:
        given, made = model.inputs[0], model.outputs[0]
        if isinstance(given, FieldSpec) and not given.value_shape and isinstance(made, ScalarSpec):
            return given, made
    raise ContractError(
        "refine_cell: expected a model from one scalar field to one tensor, "
        f"got {[s.name for s in model.inputs]} to {[s.name for s in model.outputs]}"
    )
