"""A surrogate that asks before it answers: accepted, polished, or solved."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from genmech_fem.errors import ContractError, ConvergenceError, NotFiniteError
from genmech_fem.fields import Arrays, check, concatenate, take
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel
from genmech_fem.runtime.counts import Counts
from genmech_fem.runtime.guards import Bounding, Differentiating, Guard

logger = logging.getLogger(__name__)

type Record = Callable[[Arrays, Arrays], None]
"""Takes inputs and outputs (batch, ...) that were solved."""


class GuardedModel:
    """A ForwardModel that answers by the surrogate where all guards accept, else by the solver.

    Guards judge in order, each the answers that those before it have accepted, as they have left them. A guard may
    improve an answer, or complete it by outputs that the surrogate does not have.

    There is `vjp` if the solver has it: gradients of a used answer are those of the last guard that has `vjp`, else
    those of the surrogate, and those of a refused answer are the solver's.

    Args:
        surrogate: Takes what the solver takes.
        solver: What is stood in for.
        guards: At least one.
        record: Gets every fallback's solve, such as `datasets.Recorder.record`, to train on.
        audit: Share of the used answers that are solved as well, to compare bounds with true errors.
        seed: Of the choice of audits.

    Attributes:
        counts: What has become of all answers so far.

    Raises:
        ContractError: The inputs of surrogate and solver differ, or there is no guard.
    """

    def __init__(
        self,
        surrogate: ForwardModel,
        solver: ForwardModel,
        guards: Sequence[Guard],
        *,
        record: Record | None = None,
        audit: float = 0.0,
        seed: int = 0,
    ) -> None:
        if set(surrogate.inputs) != set(solver.inputs):
            raise ContractError(
                f"GuardedModel: expected a surrogate that takes {solver.inputs} as the solver does, got "
                f"{surrogate.inputs}"
            )
        if not guards:
            raise ContractError("GuardedModel: expected at least one guard, got none")
        self.surrogate, self.solver, self.guards = surrogate, solver, tuple(guards)
        self.inputs, self.outputs = solver.inputs, solver.outputs
        self.counts = Counts()
        self._record, self._audit, self._generator = record, audit, np.random.default_rng(seed)
        self._last: tuple[Arrays, _Judged] | None = None
        if isinstance(solver, DifferentiableForwardModel):
            self.vjp = self._vjp

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Answer a batch.

        Raises:
            ContractError: The inputs do not match the specs, or no guard completes the outputs of the surrogate.
            ConvergenceError: A fallback's solve failed; what was solved before has been recorded.
        """
        arrays = check(inputs, self.inputs)
        judged = self._judged(arrays)
        self.counts.polished += int(judged.polished.sum())
        self.counts.accepted += int((~judged.polished).sum())
        answers: dict[int, Arrays] = {}
        for k, i in enumerate(judged.used):
            answers[int(i)] = take(judged.outputs, slice(k, k + 1))
            if self._generator.random() < self._audit:
                self._compare(take(arrays, slice(i, i + 1)), answers[int(i)], judged.bounds[k])
        for i, name in judged.refused.items():
            answers[i] = self._solved(take(arrays, slice(i, i + 1)))
            self.counts.fallen_back[name] = self.counts.fallen_back.get(name, 0) + 1
        return concatenate(answers[i] for i in range(len(answers)))

    def _vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` with respect to the inputs."""
        arrays, by_solver = check(inputs, self.inputs), cast(DifferentiableForwardModel, self.solver).vjp
        guard = next((guard for guard in reversed(self.guards) if isinstance(guard, Differentiating)), None)
        if guard is None and not isinstance(self.surrogate, DifferentiableForwardModel):
            return dict(by_solver(arrays, cotangents))
        judged = self._judged(arrays)

        def by_answer(given: Arrays, weights: Arrays) -> Arrays:
            if guard is not None:
                return guard.vjp(given, judged.outputs, weights)
            return cast(DifferentiableForwardModel, self.surrogate).vjp(given, weights)

        gradients = {name: np.zeros(array.shape) for name, array in arrays.items()}
        for rows, vjp in ((judged.used, by_answer), (np.array(list(judged.refused), dtype=int), by_solver)):
            if len(rows):
                for name, gradient in vjp(take(arrays, rows), take(cotangents, rows)).items():
                    gradients[name][rows] = gradient
        return gradients

    def _judged(self, arrays: Arrays) -> "_Judged":
        """What surrogate and guards say; that of the last inputs is kept."""
        if self._last is not None and all(np.array_equal(self._last[0][name], arrays[name]) for name in arrays):
            return self._last[1]
        used, outputs, refused = self._proposed(arrays)
        polished, bounds = np.zeros(len(used), dtype=bool), np.full(len(used), np.nan)
        for guard in self.guards:
            if not len(used):
                break
            with self.counts.timed("guards"):
                verdict = guard.judge(take(arrays, used), outputs)
            outputs = take(outputs, verdict.accepted) if verdict.outputs is None else verdict.outputs
            polished = polished if verdict.polished is None else polished | verdict.polished
            bounds = verdict.measure if isinstance(guard, Bounding) else bounds
            refused |= {int(i): guard.name for i in used[~verdict.accepted]}
            used, polished, bounds = used[verdict.accepted], polished[verdict.accepted], bounds[verdict.accepted]
        if len(used):
            outputs = check(
                {s.name: outputs[s.name] for s in self.outputs if s.name in outputs}, self.outputs, "output"
            )
        judged = _Judged(used, outputs, polished, bounds, dict(sorted(refused.items())))
        self._last = {name: array.copy() for name, array in arrays.items()}, judged
        return judged

    def _proposed(self, arrays: Arrays) -> tuple[np.ndarray, Arrays, dict[int, str]]:
        """Numbers of the samples that the surrogate has answers for, these, and who refused the others."""
        count = len(next(iter(arrays.values())))
        try:
            with self.counts.timed("surrogate"):
                return np.arange(count), dict(self.surrogate(arrays)), {}
        except (ConvergenceError, NotFiniteError):
            if count == 1:
                return np.arange(0), {}, {0: "surrogate"}
        parts = [self._proposed(take(arrays, slice(i, i + 1))) for i in range(count)]
        found = np.array([i for i, (used, *_) in enumerate(parts) if len(used)], dtype=int)
        outputs = concatenate(parts[i][1] for i in found) if len(found) else {}
        return found, outputs, dict.fromkeys(set(range(count)) - set(found.tolist()), "surrogate")

    def _solved(self, one: Arrays) -> Arrays:
        """Solve one sample and record it."""
        with self.counts.timed("solver"), self.counts.solve():
            answer = self.solver(one)
        if self._record is not None:
            self._record(one, answer)
        return answer

    def _compare(self, one: Arrays, answer: Arrays, bound: float) -> None:
        """Solve a sample whose answer is used, and keep the true error beside the bound."""
        guard = next((guard for guard in reversed(self.guards) if isinstance(guard, Bounding)), None)
        if guard is None:
            return
        with self.counts.solve():
            truth = self.solver(one)
        error = float(guard.error(one, answer, truth)[0])
        self.counts.audits.append((float(bound), error))
        if error > bound:
            logger.warning("%s: the error %.3g of an audited answer exceeds its bound %.3g", guard.name, error, bound)


@dataclass(frozen=True)
class _Judged:
    """A batch after all guards: used answers with their numbers in the batch, and who refused the others."""

    used: np.ndarray
    outputs: Arrays
    polished: np.ndarray
    bounds: np.ndarray
    refused: dict[int, str]
