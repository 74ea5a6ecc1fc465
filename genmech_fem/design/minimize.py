"""The design loop: the same for solver, surrogate and ONNX session."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genmech_fem.design.objectives import Objective
from genmech_fem.design.optimizers import Optimizer
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, check, take
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel


@dataclass(frozen=True)
class DesignResult:
    """The best design that a loop saw.

    Attributes:
        design: The model's inputs, a batch of one.
        outputs: The model's answer for it, a batch of one.
        value: Its objective.
        history: Best value after each call of the model.
        evaluations: Number of samples that the model evaluated.
        message: Why the optimiser stopped.
    """

    design: Arrays
    outputs: Arrays
    value: float
    history: tuple[float, ...]
    evaluations: int
    message: str


def minimize(
    model: ForwardModel,
    objective: Objective,
    start: Arrays,
    optimizer: Optimizer,
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    iterations: int = 100,
) -> DesignResult:
    """Look for the inputs of `model` that make `objective` small.

    Args:
        model: Any ForwardModel; gradient-based optimisers need one with `vjp`.
        objective: Function of the model's outputs.
        start: First design, a batch of one; all inputs vary.
        optimizer: The rule that proposes designs.
        bounds: Smallest and largest value by input name.
        iterations: Iterations of the optimiser.

    Raises:
        ContractError: The start does not match the model, or a bound names no input.
    """
    arrays = check(start, model.inputs, "start")
    if any(len(array) != 1 for array in arrays.values()):
        raise ContractError("minimize: expected a start of one sample")
    if set(bounds or {}) - set(arrays):
        raise ContractError(f"minimize: bounds name {sorted(bounds or {})}, the inputs are {sorted(arrays)}")
    loop = _Loop(model, objective, {name: array.shape[1:] for name, array in arrays.items()})
    limits = [np.tile((bounds or {}).get(name, (-np.inf, np.inf)), (array.size, 1)) for name, array in arrays.items()]
    gradient = loop.gradient if isinstance(model, DifferentiableForwardModel) else None
    message = optimizer.run(loop.value, gradient, loop.join(arrays)[0], np.concatenate(limits), iterations)
    return DesignResult(loop.design, loop.outputs, loop.history[-1], tuple(loop.history), loop.evaluations, message)


class _Loop:
    """Between an optimiser's vectors (batch, size) and a model's arrays; keeps the best design."""

    def __init__(self, model: ForwardModel, objective: Objective, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._model, self._objective, self._shapes = model, objective, shapes
        self.design: Arrays = {}
        self.outputs: Arrays = {}
        self.history: list[float] = []
        self.evaluations = 0

    def value(self, x: np.ndarray) -> np.ndarray:
        """Objective of each design."""
        designs = self._split(x)
        outputs = self._model(designs)
        values = self._objective(outputs)
        self.evaluations += len(x)
        i = int(np.argmin(values))
        best = self.history[-1] if self.history else np.inf
        if values[i] < best or not self.history:
            self.design, self.outputs = take(designs, slice(i, i + 1)), take(outputs, slice(i, i + 1))
        self.history.append(min(float(values[i]), best))
        return values

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Gradient of each design's objective, by the model's vector-Jacobian product."""
        designs = self._split(x)
        cotangents = self._objective.gradient(self._model(designs))
        return self.join(self._model.vjp(designs, cotangents))  # type: ignore[attr-defined]

    def join(self, arrays: Arrays) -> np.ndarray:
        """One row for each design."""
        return np.concatenate([arrays[name].reshape(len(arrays[name]), -1) for name in self._shapes], axis=1)

    def _split(self, x: np.ndarray) -> dict[str, np.ndarray]:
        parts = np.split(x, np.cumsum([int(np.prod(shape)) for shape in self._shapes.values()])[:-1], axis=1)
        return {n: p.reshape(len(x), *shape) for p, (n, shape) in zip(parts, self._shapes.items(), strict=True)}
