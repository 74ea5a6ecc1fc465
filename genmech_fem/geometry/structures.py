"""Structures as data: a box of cells, what holds it, and its load cases."""

from dataclasses import dataclass

import numpy as np

from genmech_fem.fields import Grid
from genmech_fem.geometry.structure_parts import Load, Place, Side, Spring, Support, Torque, Where


@dataclass(frozen=True)
class Structure:
    """An elastic body in a box with a corner at the origin, in 2D in plane stress with a unit thickness.

    Args:
        shape: Cells (nx, ny[, nz]) of the box.
        supports: What holds it.
        loads: Load cases, one load each.
        upper: Size of the box [length]; by default the cells are unit squares or cubes.
        springs: Springs to the ground.
        ports: Unit forces along displacements that are observed.
        poisson_ratio: Poisson's ratio [1].

    Raises:
        ValueError: There are no cells, supports or loads, a support holds no node of the grid, or a vector or a
            component does not fit the dimension.
    """

    shape: tuple[int, ...]
    supports: tuple[Support, ...]
    loads: tuple[Load | Torque, ...]
    upper: tuple[float, ...] | None = None
    springs: tuple[Spring, ...] = ()
    ports: tuple[Load, ...] = ()
    poisson_ratio: float = 0.3

    def __post_init__(self) -> None:
        if not self.supports or not self.loads:
            raise ValueError(
                f"Structure: expected supports and loads, got {len(self.supports)} and {len(self.loads)} of them"
            )
        for part in (*self.supports, *self.loads, *self.springs, *self.ports):
            self._check_fit(part)
        nodes = node_grid(self.grid).points().T
        nodes = np.concatenate([nodes, np.zeros((3 - len(nodes), nodes.shape[1]))])
        for support in self.supports:
            if not self.place(support.where)(nodes).any():
                raise ValueError(f"Structure: expected nodes of the grid in the place of {support}, found none")

    def _check_fit(self, part: Support | Load | Torque | Spring) -> None:
        dimension = self.grid.dimension
        match part:
            case Support():
                fits = set(part.axes or ()) <= set(range(dimension))
            case Torque():
                fits = dimension == len(part.centre) == 2
            case Load():
                fits = len(part.force) == dimension and any(part.force)
            case Spring():
                fits = len(part.stiffness) == dimension and min(part.stiffness) >= 0
        if not fits:
            raise ValueError(
                f"Structure: expected components of {dimension} dimensions, forces other than 0, and springs of a "
                f"stiffness of at least 0, got {part}"
            )

    @property
    def grid(self) -> Grid:
        """The cells."""
        shape = tuple(self.shape)
        if len(shape) not in (2, 3) or min(shape) < 1:
            raise ValueError(f"expected numbers of cells along 2 or 3 axes, got {shape}")
        return Grid(shape, (0.0,) * len(shape), shape if self.upper is None else self.upper)

    def place(self, where: Place) -> Where:
        """A place as a function of points."""
        return where.of(self.grid) if isinstance(where, Side) else where


def node_grid(grid: Grid) -> Grid:
    """The corners of the cells of a grid."""
    return Grid(tuple(n + 1 for n in grid.shape), grid.lower, grid.upper, at="nodes")
