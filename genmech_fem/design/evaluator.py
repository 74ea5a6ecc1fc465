"""What designs that an optimiser asks for are worth."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from genmech_fem.design.constraints import Constraint
from genmech_fem.design.objectives import Objective, value_and_gradient
from genmech_fem.design.search import Evaluation
from genmech_fem.design.vectors import Vectors
from genmech_fem.errors import ContractError, GenmechError, NotFiniteError
from genmech_fem.fields import Arrays, concatenate, take
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel, linearize, one_by_one


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
        self._vectors = Vectors(model.inputs)
        self._gradients = gradients

    def __call__(self, x: np.ndarray) -> Answer:
        """Evaluate designs (batch, size).

        Raises:
            GenmechError: No design could be solved, or gradients are wanted and one could not.
            NotFiniteError: An objective, a constraint or a gradient is not finite.
            ContractError: A term needs an array that the model does not give.
        """
        if self._gradients:
            evaluation, outputs = self._linearized(self._vectors.split(x))
            return Answer(x, evaluation, np.arange(len(x)), (), len(x), outputs)
        return self._solved(x)

    def _linearized(self, designs: Arrays) -> tuple[Evaluation, Arrays]:
        outputs, pull_back = linearize(self._model, designs)  # type: ignore[arg-type]
        arrays = {**designs, **outputs}

        def both(term: Objective) -> tuple[np.ndarray, np.ndarray]:
            """Value (batch,) and gradient by the designs (batch, size)."""
            with _explained(term, arrays):
                value, found = value_and_gradient(term, arrays)
            _finite(value, f"the value of {_name(term)}")
            outer = {name: array for name, array in found.items() if name in outputs}
            inner = dict(pull_back(outer)) if outer else {name: np.zeros(a.shape) for name, a in designs.items()}
            for name in set(found) - set(outer):
                inner[name] = inner[name] + found[name]
            return value, _finite(self._vectors.join(inner), f"the gradient of {_name(term)}")

        first, gradients = both(self._objectives[0])
        kept = [both(term) for term in self._constraints]
        values = np.column_stack([first, _values(self._objectives[1:], arrays)])
        constraints = _columns([value for value, _ in kept], first.shape)
        jacobians = _columns([jacobian for _, jacobian in kept], gradients.shape)
        return Evaluation(values, constraints, gradients, jacobians), outputs

    def _solved(self, x: np.ndarray) -> Answer:
        designs = self._vectors.split(x)
        outputs, failures, samples = self._outputs(designs)
        solved = np.array([i for i in range(len(x)) if i not in failures])
        arrays = {**take(designs, solved), **outputs}
        values, constraints = _values(self._objectives, arrays), _values(self._constraints, arrays)
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


def _values(terms: Sequence[Objective], arrays: Arrays) -> np.ndarray:
    """Values (batch, terms)."""
    return _columns([_value(term, arrays) for term in terms], (len(next(iter(arrays.values()))),))


def _value(term: Objective, arrays: Arrays) -> np.ndarray:
    """Values (batch,) of one term."""
    with _explained(term, arrays):
        value = term(arrays)
    return _finite(value, f"the value of {_name(term)}")


@contextmanager
def _explained(term: Objective, arrays: Arrays) -> Iterator[None]:
    """Say which array a term lacks, and what to do."""
    try:
        yield
    except KeyError as missing:
        raise ContractError(
            f"{_name(term)} needs {missing}, the design loop has {sorted(arrays)}: compose its model with keep=True"
        ) from missing


def _columns(parts: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Arrays of the shape (batch, ...) as (batch, parts, ...)."""
    return np.stack(parts, axis=1) if parts else np.empty((shape[0], 0, *shape[1:]))


def _name(term: Objective) -> str:
    return type(term.term if isinstance(term, Constraint) else term).__name__


def _finite(array: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{what} is not finite: is the design empty, or the term undefined there?")
    return array


def _whole(found: np.ndarray, solved: np.ndarray, count: int) -> np.ndarray:
    """Rows of all designs, those that could not be solved as bad as the worst of the others."""
    whole = np.tile(found.max(axis=0), (count, 1))
    whole[solved] = found
    return whole
