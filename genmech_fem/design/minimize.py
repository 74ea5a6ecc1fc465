"""The design loop: the same for solver, surrogate and ONNX session."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genmech_fem.design.objectives import Objective
from genmech_fem.design.optimizers import Optimizer
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, check
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
    shapes = {name: array.shape[1:] for name, array in arrays.items()}
    limits = [np.tile((bounds or {}).get(name, (-np.inf, np.inf)), (array.size, 1)) for name, array in arrays.items()]
    best: dict[str, Arrays] = {}
    history: list[float] = []
    evaluations = 0

    def split(x: np.ndarray) -> dict[str, np.ndarray]:
        parts = np.split(x, np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1], axis=1)
        return {n: part.reshape(len(x), *shape) for part, (n, shape) in zip(parts, shapes.items(), strict=True)}

    def join(values: Arrays) -> np.ndarray:
        return np.concatenate([values[name].reshape(len(values[name]), -1) for name in shapes], axis=1)

    def value(x: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        designs = split(x)
        outputs = model(designs)
        values = objective(outputs)
        evaluations += len(x)
        i = int(np.argmin(values))
        if not history or values[i] < history[-1]:
            best["design"] = {name: array[i : i + 1].copy() for name, array in designs.items()}
            best["outputs"] = {name: array[i : i + 1].copy() for name, array in outputs.items()}
        history.append(min(float(values[i]), history[-1]) if history else float(values[i]))
        return values

    def gradient(x: np.ndarray) -> np.ndarray:
        designs = split(x)
        return join(model.vjp(designs, objective.gradient(model(designs))))  # type: ignore[attr-defined]

    differentiable = isinstance(model, DifferentiableForwardModel)
    message = optimizer.run(
        value, gradient if differentiable else None, join(arrays)[0], np.concatenate(limits), iterations
    )
    return DesignResult(best["design"], best["outputs"], history[-1], tuple(history), evaluations, message)
