"""Loads raised in steps as large as Newton's method takes."""

from collections.abc import Callable, Mapping

import numpy as np

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.problem import Control, values_of


def raise_loads(
    solve: Callable[[np.ndarray], np.ndarray],
    loads: Mapping[str, Control],
    origin: Mapping[str, np.ndarray] | None,
    start: np.ndarray,
    halvings: int,
) -> None:
    """Go from the loads `origin` to the present ones; a step that fails is halved, one that converges doubles the next.

    Args:
        solve: Solves from a start (dofs,), returns the state (dofs,), raises ConvergenceError.
        loads: Controls that are raised; at the end they are as they were given.
        origin: Their values at the state `start`; None for zero.
        start: Solution at `origin` (dofs,).
        halvings: The smallest step is ``0.5**halvings`` of the whole way.

    Raises:
        ConvergenceError: The smallest step failed.
    """
    target = {name: np.array(values_of(control)) for name, control in loads.items()}
    origin = origin or {name: np.zeros_like(value) for name, value in target.items()}
    reached, step, state = 0.0, 0.5, start
    try:
        while reached < 1.0:
            share = min(reached + step, 1.0)
            for name, control in loads.items():
                values_of(control)[...] = origin[name] + share * (target[name] - origin[name])
            try:
                state = solve(state)
            except ConvergenceError as error:
                step /= 2
                if step < 0.5**halvings:
                    raise ConvergenceError(
                        f"{100 * reached:.3g} % of the way to the load {sorted(loads)} were reached, "
                        f"in steps down to {100 * step:.2g} %; there {error}"
                    ) from error
            else:
                reached, step = share, 2 * step
    finally:
        for name, control in loads.items():
            values_of(control)[...] = target[name]
