"""Topology optimisation for the least compliance at a given volume.

Bendsøe and Sigmund, Topology Optimization (2004), doi:10.1007/978-3-662-05086-6.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from genmech_fem.design.densities import Densities
from genmech_fem.design.optimality import OptimalityCriteria
from genmech_fem.design.topology_steps import TopologyStep, topology_steps
from genmech_fem.errors import GenmechError
from genmech_fem.forward import ForwardModel

_logger = logging.getLogger(__name__)
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class TopologyResult:
    """The end of an optimisation.

    Attributes:
        best: The stiffest design within the volume, or of all if none kept it.
        last: The last design that was solved.
        history: Compliance of each design.
        converged: Whether the variables came to rest.
        message: Why it stopped.
    """

    best: TopologyStep
    last: TopologyStep
    history: tuple[float, ...]
    converged: bool
    message: str


def topology_optimization(
    model: ForwardModel,
    densities: Densities,
    *,
    update: OptimalityCriteria,
    start: np.ndarray | None = None,
    iterations: int = 200,
    tolerance: float = 0.01,
    progress: Callable[[TopologyStep], object] | None = None,
) -> TopologyResult:
    """Make the compliance of `model` small at the volume of `update`.

    An interruption (Ctrl-C) or a failed solve after the first design ends the optimisation; what was found is kept.

    Args:
        model: Differentiable, from the moduli of the cells of a grid to the output ``compliance``.
        densities: From variables to moduli.
        update: Optimality criteria with the volume fraction.
        start: First variables (*grid), in [0, 1]; by default the volume fraction everywhere.
        iterations: Most solves.
        tolerance: Stops when no variable changes by more.
        progress: Called with each step.

    Raises:
        ContractError: The model or the start does not fit.
        ValueError: No iteration is asked for.
        GenmechError: The first design cannot be solved.
    """
    if iterations < 1:
        raise ValueError(f"iterations: expected at least 1, got {iterations}")
    steps = topology_steps(model, densities, update=update, start=start)
    best = last = next(steps)
    history = []
    message, converged = f"{iterations} iterations done", False
    most = update.fraction * (1 + _ROUNDING)
    try:
        for last in chain([best], islice(steps, iterations - 1)):
            history.append(last.compliance)
            best = min(best, last, key=lambda step: (step.volume > most, step.compliance))
            _logger.info("iteration %d: compliance %.6g, change %.3g", last.iteration, last.compliance, last.change)
            if progress is not None:
                progress(last)
            if last.change <= tolerance:
                message, converged = f"no variable changed by more than {tolerance} in iteration {len(history)}", True
                break
    except (GenmechError, KeyboardInterrupt) as error:
        message = f"ended after iteration {len(history)}: {str(error) or 'interrupted'}"
    return TopologyResult(best, last, tuple(history), converged, message)
