"""Drive a search: evaluate what it asks, remember, report, stop."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmech_fem.design.evaluator import Answer, Evaluator
from genmech_fem.design.journal import JournaledEvaluator, JournalError
from genmech_fem.design.search import Evaluation, Search
from genmech_fem.errors import GenmechError

_logger = logging.getLogger(__name__)
TOLERANCE = 1e-3
"""Violation of a constraint, relative to its limit, up to which it counts as kept."""


@dataclass(frozen=True)
class Step:
    """What a design loop says of itself after each answer.

    Attributes:
        iteration: Number of the answer, from 1.
        value: Objective of the best design of the answer.
        violation: Its largest violation of a constraint, 0 if it keeps all.
        evaluations: Samples evaluated so far, those of a resumed journal included.
        seconds_left: Until `iterations` are done, if they all take as long as those so far.
    """

    iteration: int
    value: float
    violation: float
    evaluations: int
    seconds_left: float


type Progress = Callable[[Step], object]
type Keeper = Callable[[Answer], None]
"""Remembers the good designs of an answer."""


@dataclass(frozen=True)
class Course:
    """How a design loop went.

    Attributes:
        history: Objective of the best design of each answer.
        evaluations: Number of samples that the model evaluated.
        failures: What the model said of designs that it could not solve.
        message: Why the loop ended.
        stopped: What ended it early, Ctrl-C or a design that could not be solved; None if nothing did.
    """

    history: tuple[float, ...]
    evaluations: int
    failures: tuple[str, ...]
    message: str
    stopped: GenmechError | KeyboardInterrupt | None


def drive(
    search: Search,
    evaluator: Evaluator,
    keeper: Keeper,
    *,
    iterations: int,
    journal: Path | str | None,
    progress: Progress | None,
) -> Course:
    """Run a search to its end, or for `iterations` answers.

    Ctrl-C, or a design that cannot be solved, after the first answer ends it too.

    Raises:
        ContractError: The journal is that of another loop, or the optimiser refuses the first answer.
        GenmechError: The first designs cannot be solved.
        ValueError: No iteration is asked for.
    """
    if iterations < 1:
        raise ValueError(f"iterations: expected at least 1, got {iterations}")
    evaluate, steps, failures = JournaledEvaluator(evaluator, journal), list[Step](), list[str]()
    asked, samples, began = 0, 0, time.perf_counter()
    stopped: GenmechError | KeyboardInterrupt | None = None
    try:
        x = next(search)
        while True:
            asked += 1
            answer = evaluate(x)
            keeper(answer)
            failures += answer.failures
            samples += answer.samples
            pace = (time.perf_counter() - began) / max(1, asked - evaluate.recalled)
            steps.append(_step(answer, asked, samples, pace * (iterations - asked)))
            _logger.info("%s", steps[-1])
            if progress is not None:
                progress(steps[-1])
            if asked == iterations:
                message = f"{iterations} iterations done"
                break
            x = search.send(answer.evaluation)
    except StopIteration as end:
        message = str(end.value)
    except (GenmechError, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt) and steps
        if not interrupted and (asked < 2 or isinstance(error, JournalError)):
            raise
        stopped, message = error, f"ended after iteration {len(steps)}: {str(error) or 'interrupted'}"
    finally:
        search.close()
    return Course(tuple(step.value for step in steps), samples, tuple(failures), message, stopped)


def _step(answer: Answer, iteration: int, evaluations: int, seconds_left: float) -> Step:
    values, broken = answer.evaluation.values[:, 0], violations(answer.evaluation)
    i = best(values, broken)
    return Step(iteration, float(values[i]), float(broken[i]), evaluations, seconds_left)


def violations(evaluation: Evaluation) -> np.ndarray:
    """Largest violation of a constraint by each design (batch,), 0 where all are kept."""
    return np.maximum(evaluation.constraints, 0.0).max(axis=1, initial=0.0)


def best(values: np.ndarray, broken: np.ndarray) -> int:
    """Number of the design of least violation `broken` (batch,) beyond the tolerance, of these that of least value."""
    return int(np.lexsort((values, np.maximum(broken - TOLERANCE, 0.0)))[0])
