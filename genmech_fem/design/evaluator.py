"""Between an optimiser's vectors and a model's arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from genmech_fem.design.constraints import Constraint
from genmech_fem.design.objectives import Objective
from genmech_fem.design.search import Evaluation
from genmech_fem.errors import ContractError, GenmechError, NotFiniteError
from genmech_fem.fields import Arrays, concatenate, take
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel, linearize, one_by_one

type Bounds = Mapping[str, tuple[float | np.ndarray, float | np.ndarray]]


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of designs that an optimiser asked for.

    Attributes:
        designs: One a row (batch, size).
        evaluation: What they are worth; one that could not be solved counts as the worst of its batch.
        solved: Numbers of those that could be solved.
        failures: What the model said of the others.
        samples: Number of samples that the model evaluated for it.
        outputs: What the model made of the solved ones; empty where the answer is that of a journal.
    """

    designs: np.ndarray
    evaluation: Evaluation
    solved: np.ndarray
    failures: tuple[str, ...]
    samples: int
    outputs: Arrays = field(default_factory=dict)


class Evaluator:
    """Objectives, constraints and their gradients of designs that are rows of a matrix.

    Args:
        model: From designs to what the objectives need.
        objectives: At least one; gradients are those of the first.
        constraints: Constraints.
        gradients: Whether gradients are wanted.

    Raises:
        ContractError: Gradients are wanted of a model without `vjp`.
    """

    def __init__(
        self,
        model: ForwardModel,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint],
        *,
        gradients: bool,
    ) -> None:
        if gradients and not isinstance(model, DifferentiableForwardModel):
            raise ContractError("this optimiser needs a model with vjp: use CMAES for a model without gradients")
        self._model, self._objectives, self._constraints = model, tuple(objectives), tuple(constraints)
        self._shapes = {spec.name: spec.shape for spec in model.inputs}
        self._gradients = gradients

    def __call__(self, x: np.ndarray) -> Answer:
        """Evaluate designs (batch, size).

        Raises:
            GenmechError: No design could be solved, or gradients are wanted and one could not.
            NotFiniteError: An objective, a constraint or a gradient is not finite.
            ContractError: A term needs an array that the model does not give.
        """
        if self._gradients:
            evaluation, outputs = self._linearized(self.split(x))
            return Answer(x, evaluation, np.arange(len(x)), (), len(x), outputs)
        return self._solved(x)

    def join(self, arrays: Arrays) -> np.ndarray:
        """One row for each design."""
        return np.concatenate([arrays[name].reshape(len(arrays[name]), -1) for name in self._shapes], axis=1)

    def split(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of rows."""
        parts = np.split(x, np.cumsum([int(np.prod(shape)) for shape in self._shapes.values()])[:-1], axis=1)
        return {n: p.reshape(len(x), *shape) for p, (n, shape) in zip(parts, self._shapes.items(), strict=True)}

    def limits(self, bounds: Bounds) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest row of bounds by name, which broadcast to the shape of the input.

        Raises:
            ContractError: A bound names no input or does not fit it, or a lower one is above the upper one.
        """
        unknown = sorted(set(bounds) - set(self._shapes))
        if unknown:
            raise ContractError(f"bounds name {unknown}, the inputs are {sorted(self._shapes)}")
        pairs = {n: _limits(n, bounds.get(n, (-np.inf, np.inf)), shape) for n, shape in self._shapes.items()}
        lower, upper = (self.join({name: pair[side] for name, pair in pairs.items()})[0] for side in (0, 1))
        return lower, upper

    def _linearized(self, designs: Arrays) -> tuple[Evaluation, Arrays]:
        outputs, pull_back = linearize(self._model, designs)  # type: ignore[arg-type]
        arrays = {**designs, **outputs}
        values, constraints = self._valued(arrays, self._objectives), self._valued(arrays, self._constraints)

        def slope(term: Objective) -> np.ndarray:
            found = term.gradient(arrays)
            outer = {name: array for name, array in found.items() if name in outputs}
            inner = dict(pull_back(outer)) if outer else {name: np.zeros(a.shape) for name, a in designs.items()}
            for name in set(found) - set(outer):
                inner[name] = inner[name] + found[name]
            return _finite(self.join(inner), f"the gradient of {_name(term)}")

        gradients, jacobians = slope(self._objectives[0]), [slope(term) for term in self._constraints]
        stacked = np.stack(jacobians, axis=1) if jacobians else np.empty((len(values), 0, gradients.shape[1]))
        return Evaluation(values, constraints, gradients, stacked), outputs

    def _solved(self, x: np.ndarray) -> Answer:
        outputs, failures, samples = self._outputs(self.split(x))
        solved = np.array([i for i in range(len(x)) if i not in failures])
        arrays = {**take(self.split(x), solved), **outputs}
        values, constraints = self._valued(arrays, self._objectives), self._valued(arrays, self._constraints)
        evaluation = Evaluation(_whole(values, solved, len(x)), _whole(constraints, solved, len(x)))
        return Answer(x, evaluation, solved, tuple(failures.values()), samples, outputs)

    def _outputs(self, designs: Arrays) -> tuple[Arrays, Mapping[int, str], int]:
        """Outputs of the designs that can be solved, failures of the others by number, and how many were tried."""
        count = len(next(iter(designs.values())))
        try:
            return self._model(designs), {}, count
        except GenmechError:
            if count == 1:
                raise
            answers, failures = one_by_one(self._model, designs)
            if not answers:
                raise
            return concatenate(answers), failures, 2 * count

    @staticmethod
    def _valued(arrays: Arrays, terms: Sequence[Objective]) -> np.ndarray:
        """Values (batch, terms)."""
        count = len(next(iter(arrays.values())))
        columns = [_finite(_value(term, arrays), f"the value of {_name(term)}") for term in terms]
        return np.stack(columns, axis=1) if columns else np.empty((count, 0))


def _value(term: Objective, arrays: Arrays) -> np.ndarray:
    try:
        return term(arrays)
    except KeyError as missing:
        raise ContractError(
            f"{_name(term)} needs {missing}, the design loop has {sorted(arrays)}: compose its model with keep=True"
        ) from missing


def _name(term: Objective) -> str:
    return type(term.term if isinstance(term, Constraint) else term).__name__


def _limits(name: str, pair: tuple[float | np.ndarray, float | np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Least and largest values of an input, each a batch of one (2, 1, *shape)."""
    try:
        limits = np.stack([np.broadcast_to(np.asarray(bound, dtype=float), shape)[None] for bound in pair])
    except ValueError as error:
        raise ContractError(f"bounds of '{name}': expected numbers or arrays of shape {shape}: {error}") from error
    if len(limits) != 2 or not (limits[0] <= limits[1]).all():
        raise ContractError(f"bounds of '{name}': expected a lower one below an upper one, got {pair}")
    return limits


def _finite(array: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{what} is not finite: is the design empty, or the term undefined there?")
    return array


def _whole(found: np.ndarray, solved: np.ndarray, count: int) -> np.ndarray:
    """Rows of all designs, those that could not be solved as bad as the worst of the others."""
    whole = np.tile(found.max(axis=0), (count, 1))
    whole[solved] = found
    return whole
