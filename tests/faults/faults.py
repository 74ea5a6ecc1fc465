"""Faults that are brought about for real, and what is left after them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genmech_fem.errors import GenmechError


@dataclass(frozen=True)
class Outcome:
    """Whether what was there is still right, or the input was refused in one clear line.

    Attributes:
        survived: So it is.
        lost: Samples, steps or files that had been reported as finished and are gone.
        note: What was compared, or what was said.
    """

    survived: bool
    lost: int = 0
    note: str = ""


FAULTS: dict[str, Callable[[Path], Outcome]] = {}
"""Faults by name, from an empty folder to the outcome."""


def fault(name: str) -> Callable[[Callable[[Path], Outcome]], Callable[[Path], Outcome]]:
    """Enter a fault into the list."""

    def enter(function: Callable[[Path], Outcome]) -> Callable[[Path], Outcome]:
        FAULTS[name] = function
        return function

    return enter


def refused(call: Callable[[], object], *words: str) -> Outcome:
    """Whether a call ends in one line of the library's own, or of the system about a file, that has these words."""
    try:
        call()
    except (GenmechError, ValueError, TypeError, OSError, MemoryError) as error:
        text = " ".join(str(error).split())
        missing = [word for word in words if word not in text]
        return Outcome(bool(text) and not missing, note=text if not missing else f"without {missing}: {text}")
    except BaseException as error:
        return Outcome(False, note=repr(error))
    return Outcome(False, note="accepted without a word")


def all_of(outcomes: dict[str, Outcome]) -> Outcome:
    """One outcome of several."""
    failed = {name: one.note for name, one in outcomes.items() if not one.survived}
    note = f"{len(outcomes)} of {len(outcomes)}" if not failed else str(failed)
    return Outcome(not failed, sum(one.lost for one in outcomes.values()), note)
