"""Designs as an optimiser sees them: rows of a matrix within bounds."""

from collections.abc import Mapping, Sequence

import numpy as np

from genmech_fem.design.search import Space
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec, check

type Bounds = Mapping[str, tuple[float | np.ndarray, float | np.ndarray]]
"""Least and largest value of an input by its name."""


class Vectors:
    """The map between the arrays of designs and the rows of a matrix (batch, size).

    Args:
        specs: Of the arrays, whose numbers follow each other in a row.
    """

    def __init__(self, specs: Sequence[Spec]) -> None:
        self._specs = tuple(specs)
        self._shapes = {spec.name: spec.shape for spec in specs}

    def join(self, arrays: Arrays) -> np.ndarray:
        """Rows (batch, size) of arrays, each (batch, *shape)."""
        return np.concatenate([arrays[name].reshape(len(arrays[name]), -1) for name in self._shapes], axis=1)

    def split(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Arrays, each (batch, *shape), of rows (batch, size)."""
        parts = np.split(x, np.cumsum([int(np.prod(shape)) for shape in self._shapes.values()])[:-1], axis=1)
        return {n: p.reshape(len(x), *shape) for p, (n, shape) in zip(parts, self._shapes.items(), strict=True)}

    def limits(self, bounds: Bounds) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest row (size,) of bounds by name, which broadcast to the shape of the input.

        Raises:
            ContractError: A bound names no input or does not fit it, or a lower one is above the upper one.
        """
        unknown = sorted(set(bounds) - set(self._shapes))
        if unknown:
            raise ContractError(f"bounds name {unknown}, the inputs are {sorted(self._shapes)}")
        pairs = {n: _limits(n, bounds.get(n, (-np.inf, np.inf)), shape) for n, shape in self._shapes.items()}
        lower, upper = (self.join({name: pair[side] for name, pair in pairs.items()})[0] for side in (0, 1))
        return lower, upper

    def space(self, start: Arrays, bounds: Bounds | None, *, constraints: int, objectives: int = 1) -> Space:
        """Where an optimiser may look, with the start moved into the bounds.

        Raises:
            ContractError: The start does not match the specs, or as `limits`.
        """
        first = self.join(check(start, self._specs, "start"))
        lower, upper = self.limits(bounds or {})
        return Space(np.clip(first, lower, upper), lower, upper, constraints, objectives)


def _limits(name: str, pair: tuple[float | np.ndarray, float | np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Least and largest values of an input, each a batch of one (2, 1, *shape)."""
    try:
        limits = np.stack([np.broadcast_to(np.asarray(bound, dtype=float), shape)[None] for bound in pair])
    except ValueError as error:
        raise ContractError(f"bounds of '{name}': expected numbers or arrays of shape {shape}: {error}") from error
    if len(limits) != 2 or not (limits[0] <= limits[1]).all():
        raise ContractError(f"bounds of '{name}': expected a lower one below an upper one, got {pair}")
    return limits
