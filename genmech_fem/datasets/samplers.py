"""Designs of experiments: parameters that fill their ranges evenly, point by point from (seed, number) only.

Latin hypercube: McKay, Beckman, Conover (1979), doi:10.1080/00401706.1979.10489755. Sobol's sequence with
Owen's scrambling: doi:10.1006/jcom.1998.0487.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

from genmech_fem.fields import Arrays, ScalarSpec

BLOCK = 1024  # points of Sobol's sequence that are made at a time


@dataclass(frozen=True)
class Range:
    """A parameter and where it varies.

    Args:
        name: Name of the array that holds it.
        lower: Least value [unit].
        upper: Greatest value [unit].
        size: Number of entries; each varies on its own.
        unit: Unit.
        scale: ``"log"`` varies the logarithm evenly.

    Raises:
        ValueError: The range is empty, not finite, or not positive on a logarithmic scale.
    """

    name: str
    lower: float
    upper: float
    size: int = 1
    unit: str = "1"
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lower) and math.isfinite(self.upper) and self.lower < self.upper and self.size >= 1):
            raise ValueError(f"Range '{self.name}': expected finite lower < upper and size >= 1, got {self}")
        if self.scale not in ("linear", "log") or (self.scale == "log" and self.lower <= 0):
            raise ValueError(f"Range '{self.name}': expected the scale 'linear', or 'log' with lower > 0, got {self}")

    @property
    def spec(self) -> ScalarSpec:
        """Spec of the parameter."""
        return ScalarSpec(self.name, self.size, self.unit)

    def at(self, share: np.ndarray) -> np.ndarray:
        """Values at `share` in [0, 1) of the range."""
        if self.scale == "log":
            return self.lower * (self.upper / self.lower) ** share
        return self.lower + (self.upper - self.lower) * share


@dataclass(frozen=True)
class Design(ABC):
    """A sampler that spreads its points instead of drawing them independently.

    Args:
        ranges: The parameters.
        build: Makes the model's inputs from the parameters, each (1, size), and a generator;
            without it the parameters are inputs themselves. The parameters are stored too.
    """

    ranges: tuple[Range, ...]
    build: Callable[[Arrays, np.random.Generator], Arrays] | None = None

    @property
    def outputs(self) -> tuple[ScalarSpec, ...]:
        """Specs of the parameters."""
        return tuple(r.spec for r in self.ranges)

    @property
    def dimension(self) -> int:
        """Number of entries of all parameters."""
        return sum(r.size for r in self.ranges)

    @abstractmethod
    def point(self, seed: int, i: int) -> np.ndarray:
        """Point `i` in the unit cube, (dimension,)."""

    def parameters(self, seed: int, i: int) -> dict[str, np.ndarray]:
        """Parameters of sample `i`, each (1, size)."""
        ends = np.cumsum([r.size for r in self.ranges])[:-1]
        parts = np.split(self.point(seed, i), ends)
        return {r.name: r.at(part)[None] for r, part in zip(self.ranges, parts, strict=True)}

    def draw(self, seed: int, i: int) -> dict[str, np.ndarray]:
        """Parameters of sample `i` and the inputs built from them."""
        parameters = self.parameters(seed, i)
        inputs = self.build(parameters, np.random.default_rng([seed, i])) if self.build else {}
        return {**parameters, **inputs}

    def table(self, seed: int, size: int) -> Iterator[list[str]]:
        """The design as rows of text: a header with units, then number and parameters of every sample."""
        yield ["sample", *(f"{r.name}[{k}] ({r.unit})" for r in self.ranges for k in range(r.size))]
        for i in range(size):
            yield [str(i), *(repr(float(x)) for values in self.parameters(seed, i).values() for x in values[0])]


@dataclass(frozen=True)
class LatinHypercube(Design):
    """One point in each of `points` equal slices of every parameter's range.

    Args:
        ranges: See `Design`.
        build: See `Design`.
        points: Number of points, the size of the campaign; it cannot be extended later.
    """

    points: int = field(kw_only=True)

    def point(self, seed: int, i: int) -> np.ndarray:
        """Point `i` of the design that `seed` makes."""
        if not 0 <= i < self.points:
            raise ValueError(
                f"LatinHypercube: expected sample numbers below points={self.points}, got {i}: a Latin hypercube "
                "cannot be extended; give it the size of the campaign, or use Sobol"
            )
        return _latin_hypercube(self.dimension, self.points, seed)[i]


@dataclass(frozen=True)
class Sobol(Design):
    """Scrambled Sobol points: even at every size, best at powers of two, and extensible."""

    def point(self, seed: int, i: int) -> np.ndarray:
        """Point `i` of the sequence that `seed` scrambles."""
        return _sobol(self.dimension, seed, i // BLOCK)[i % BLOCK]


# scipy.stats takes a second to import, which processes that draw no design need not wait for


@lru_cache(maxsize=4)
def _latin_hypercube(dimension: int, points: int, seed: int) -> np.ndarray:
    from scipy.stats import qmc

    return qmc.LatinHypercube(dimension, rng=np.random.default_rng([seed])).random(points)


@lru_cache(maxsize=4)
def _sobol(dimension: int, seed: int, block: int) -> np.ndarray:
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimension, rng=np.random.default_rng([seed]))
    if block:
        sequence.fast_forward(block * BLOCK)
    return sequence.random(BLOCK)
