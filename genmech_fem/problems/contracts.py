"""Checks of what the methods of a problem are given, and that they have a solution to work on."""

from collections.abc import Iterable, Mapping

import numpy as np

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.problems.problem import Snapshot


def check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ContractError where a name is not known."""
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ContractError(f"{what}: expected names among {sorted(known)}, got {unknown}")


def check_solved(solved: Snapshot | None, what: str = "pull_back") -> None:
    """Raise ConvergenceError where there is no solution, or something that it depends on has changed since."""
    if solved is None or not solved.holds():
        raise ConvergenceError(f"{what} needs the solution of the present controls: call solve() first")


def check_cotangents(cotangents: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ContractError where a cotangent has an unknown name or another shape than its observable."""
    for name, cotangent in cotangents.items():
        if shapes.get(name) != np.shape(cotangent):
            raise ContractError(f"cotangent '{name}': expected one of {shapes}, got shape {np.shape(cotangent)}")


def checked_state(state: np.ndarray, size: int, what: str = "the dofs") -> np.ndarray:
    """The state as an array (size,).

    Raises:
        ContractError: It has another shape.
    """
    if np.shape(state) != (size,):
        raise ContractError(f"state: expected {what}, shape ({size},), got {np.shape(state)}")
    return np.asarray(state)
