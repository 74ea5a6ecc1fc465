"""What has become of the answers of a guarded model, and what they cost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Counts:
    """What has become of the answers of a `GuardedModel`.

    Attributes:
        accepted: Answers used as they were.
        polished: Answers used after a guard had improved them.
        fallen_back: Solved ones by the name of the guard that refused the answer; "surrogate" where it had none.
        seconds: Time spent in ``surrogate``, ``guards`` and ``solver`` [s]; audits count for none of them.
        audits: Bound and true error of used answers that were solved to see.
        solves: Solves that were timed, audits among them.
        solving: What they took [s].
    """

    accepted: int = 0
    polished: int = 0
    fallen_back: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"surrogate": 0.0, "guards": 0.0, "solver": 0.0})
    audits: list[tuple[float, float]] = field(default_factory=list)
    solves: int = 0
    solving: float = 0.0

    @property
    def samples(self) -> int:
        """All answers."""
        return self.accepted + self.polished + sum(self.fallen_back.values())

    @property
    def saved_seconds(self) -> float:
        """Time that the solver alone would have needed less the time that was spent [s]; NaN before the first solve."""
        if not self.solves:
            return float("nan")
        return self.samples * self.solving / self.solves - sum(self.seconds.values())

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time of this block to the `seconds` of ``surrogate``, ``guards`` or ``solver``, whatever happens."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - began

    @contextmanager
    def solve(self) -> Iterator[None]:
        """Count this block as a solve, unless it fails."""
        began = time.perf_counter()
        yield
        self.solves += 1
        self.solving += time.perf_counter() - began

    def to_json(self) -> dict[str, Any]:
        """All counts as JSON data."""
        return {**asdict(self), "samples": self.samples, "saved_seconds": self.saved_seconds}
