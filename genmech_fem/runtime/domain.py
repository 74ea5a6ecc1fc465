"""Where the training data lay, and how far other samples are from there."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Spec

type Pairs = tuple[tuple[float, float], ...]

ROUNDING = 1e-6  # relative; values that float32 rounded have not left a range
TAILS = (0.01, 0.99)


@dataclass(frozen=True)
class Domain:
    """Range of one input over the training data, for each of its channels (the value shape flattened).

    Args:
        low: Lowest value (channels,) [unit of the input].
        high: Highest value (channels,) [unit of the input].
        mean: 1 % and 99 % quantile (channels, 2) of the samples' means over the points; empty for vectors.
        std: The same of the samples' standard deviations over the points.

    Raises:
        ContractError: A number is not finite, or lengths or order of the ranges do not fit.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: Pairs = ()
    std: Pairs = ()

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, tuple(finite(f"domain.{name}", x) for x in getattr(self, name)))
        for name in ("mean", "std"):
            pairs = tuple(tuple(finite(f"domain.{name}", x) for x in pair) for pair in getattr(self, name))
            if len(pairs) not in (0, len(self.low)) or any(len(p) != 2 or p[0] > p[1] for p in pairs):
                raise ContractError(f"domain.{name}: expected {len(self.low)} pairs low <= high, got {pairs}")
            object.__setattr__(self, name, pairs)
        if not self.low or len(self.low) != len(self.high) or any(map(float.__gt__, self.low, self.high)):
            raise ContractError(f"domain: expected low <= high for each channel, got {self.low} and {self.high}")

    @classmethod
    def of(cls, array: np.ndarray, spec: Spec, mask: np.ndarray | None = None) -> Self:
        """The range of samples.

        Args:
            array: Samples (batch, *spec.shape).
            spec: Their spec.
            mask: Which points (batch, points) count, where samples differ in their number.

        Raises:
            ContractError: There is no sample, or they do not fit the spec.
        """
        values = _channels(array, spec, mask)
        if not len(values):
            raise ContractError(f"Domain.of: expected at least one sample of '{spec.name}', got none")
        low, high = np.nanmin(values, axis=(0, 2)), np.nanmax(values, axis=(0, 2))
        if not isinstance(spec, FieldSpec):
            return cls(tuple(low), tuple(high))
        mean, std = (np.quantile(each, TAILS, axis=0).T for each in _moments(values))
        return cls(tuple(low), tuple(high), _pairs(mean), _pairs(std))

    def outside(self, array: np.ndarray, spec: Spec, mask: np.ndarray | None = None) -> np.ndarray:
        """How far samples leave these ranges (batch,), in widths of the range they leave; 0 inside.

        A range without width counts by its magnitude, or by 1 where that is zero too.

        Args:
            array: Samples (batch, *spec.shape).
            spec: Their spec.
            mask: Which points (batch, points) count, where samples differ in their number.

        Raises:
            ContractError: The samples do not fit the spec, or have other channels than the training data.
        """
        values = _channels(array, spec, mask)
        if values.shape[1] != len(self.low):
            raise ContractError(
                f"Domain.outside: expected '{spec.name}' of {len(self.low)} channels, got {values.shape[1]}"
            )
        low, high = np.array(self.low)[:, None], np.array(self.high)[:, None]
        distance = np.nanmax(_distance(values, low, high), axis=(1, 2), initial=0.0)
        for found, pairs in zip(_moments(values), (self.mean, self.std), strict=True):
            if pairs:
                distance = np.maximum(distance, _distance(found, *np.array(pairs).T).max(axis=1))
        return distance


def finite(name: str, value: Any) -> float:
    """The number, if it is one; else a ContractError that names the entry."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise ContractError(f"passport.{name}: expected a finite number, got {value!r}")
    return float(value)


def _channels(array: np.ndarray, spec: Spec, mask: np.ndarray | None) -> np.ndarray:
    """Samples (batch, channels, points), NaN where no point counts."""
    array = np.asarray(array, dtype=np.float64)
    fits = array.ndim == len(spec.shape) + 1
    if not fits or any(n not in (-1, m) for n, m in zip(spec.shape, array.shape[1:], strict=True)):
        raise ContractError(f"'{spec.name}': expected shape (batch, {spec.shape}), got {array.shape}")
    values = array.reshape(len(array), spec.channel_shape[0], -1 if len(array) else 1)
    return values if mask is None else np.where(mask[:, None], values, np.nan)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the points (batch, channels)."""
    return np.nanmean(values, axis=2), np.nanstd(values, axis=2)


def _distance(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    size = np.maximum(np.abs(low), np.abs(high))
    width = np.where(high > low, high - low, np.where(size > 0, size, 1.0))
    return np.maximum(np.maximum(low - values, values - high) - ROUNDING * size, 0.0) / width


def _pairs(array: np.ndarray) -> Pairs:
    return tuple((float(low), float(high)) for low, high in array)
