"""What holds and loads a structure, as data; the same on pixels and on conforming meshes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genmech_fem.fields import Grid
from genmech_fem.geometry.facets import SIDES

_ROUNDING = 1e-9  # of the size of the box

type Where = Callable[[np.ndarray], np.ndarray]
"""Tells of points (3, n) which lie on a part of a structure."""

type Place = Side | Where

type Carrier = Literal["facets", "cells", "vertices"]
"""What carries a load: the facets of the boundary or the cells whose middle lies in its place, or the nodes there."""


@dataclass(frozen=True)
class Side:
    """A part of a side of the box.

    Args:
        name: ``left``, ``right`` (x), ``bottom``, ``top`` (y), ``front`` or ``back`` (z).
        start: Its beginning as a share of the side, along y for ``left`` and ``right``, else along x.
        stop: Its end; equal to `start` for a node, in 3D a line of nodes.

    Raises:
        ValueError: There is no such side or part of it.
    """

    name: str
    start: float = 0.0
    stop: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in SIDES or not 0 <= self.start <= self.stop <= 1:
            raise ValueError(f"Side: expected one of {[*SIDES]} and 0 <= start <= stop <= 1, got {self}")

    def of(self, grid: Grid) -> Where:
        """The part of the side of a box, up to rounding."""
        axis, end = divmod([*SIDES].index(self.name), 2)
        if axis >= grid.dimension:
            raise ValueError(f"Side: expected a side of a box in {grid.dimension}D, got {self.name!r}")
        along = 1 if axis == 0 else 0
        size = np.subtract(grid.upper, grid.lower)
        plane, rounding = (grid.lower, grid.upper)[end][axis], _ROUNDING * size.max()
        first, last = (grid.lower[along] + share * size[along] for share in (self.start, self.stop))
        return lambda x: (
            (np.abs(x[axis] - plane) <= rounding) & (x[along] >= first - rounding) & (x[along] <= last + rounding)
        )


@dataclass(frozen=True)
class Support:
    """Nodes that do not move.

    Args:
        where: Place of the nodes.
        axes: Components of the displacement that are zero, 0 for x; by default all.
    """

    where: Place
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Load:
    """A force that is spread evenly over a part of the structure, or a unit force that observes displacements.

    Args:
        where: Its place.
        force: The whole force (dimension,) [force].
        on: What carries it.
    """

    where: Place
    force: tuple[float, ...]
    on: Carrier = "facets"


@dataclass(frozen=True)
class Torque:
    """Tangential forces on a part of a plane structure, in proportion to the distance from a centre.

    Args:
        where: Its place.
        moment: Their moment [force length], counter-clockwise.
        centre: Centre (2,) [length].
        on: What carries them.
    """

    where: Place
    moment: float
    centre: tuple[float, float]
    on: Carrier = "facets"


@dataclass(frozen=True)
class Spring:
    """Springs from nodes to the ground.

    Args:
        where: Place of the nodes.
        stiffness: Of all of them together, along each axis (dimension,) [force/length].
    """

    where: Place
    stiffness: tuple[float, ...]
