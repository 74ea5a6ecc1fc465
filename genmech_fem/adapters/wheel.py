"""Wheels in the plane: a rim on a hub, with room for spokes between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genmech_fem.adapters.conforming_structure import ConformingStructure
from genmech_fem.adapters.pixel_structure import pixel_structure
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.fields import Grid
from genmech_fem.geometry.structure_parts import Load, Support, Torque
from genmech_fem.geometry.structures import Structure

_CENTRE = (0.5, 0.5)
_ARC = 20.0  # of the rim that carries a force [degree]


@dataclass(frozen=True)
class Arc:
    """Points of the unit square between two radii, and in an angle, around its centre.

    Args:
        inner: Least radius.
        outer: Largest radius.
        angle: Middle of the angle, from x counter-clockwise [degree].
        width: Its width [degree]; by default the whole ring.
    """

    inner: float
    outer: float
    angle: float = 0.0
    width: float = 360.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Tell which points (2 or 3, n) lie there."""
        dx, dy = x[0] - _CENTRE[0], x[1] - _CENTRE[1]
        radius, turn = np.hypot(dx, dy), np.degrees(np.arctan2(dy, dx)) - self.angle
        return (self.inner <= radius) & (radius <= self.outer) & (np.abs((turn + 180) % 360 - 180) <= self.width / 2)


@dataclass(frozen=True)
class Wheel:
    """A wheel in the unit square in plane stress, held at its axle.

    The load cases are unit forces towards the axle on arcs of the rim, at equal angles from that of x on, and a torque
    on the whole rim, that of a unit force along it.

    Args:
        resolution: Cells along each side.
        radius: Of the wheel.
        rim: Width of the rim.
        hub: Radius of the hub.
        axle: Radius of the part of the hub that does not move.
        angles: Number of forces on the rim.

    Raises:
        ValueError: The parts do not fit into each other, or are thinner than two cells.
    """

    resolution: int = 64
    radius: float = 0.46
    rim: float = 0.06
    hub: float = 0.12
    axle: float = 0.06
    angles: int = 5

    def __post_init__(self) -> None:
        thin = 2 / self.resolution
        if not (thin <= self.axle < self.hub < self.radius - self.rim and thin <= self.rim and self.radius < 0.5):
            raise ValueError(
                f"Wheel: expected axle < hub < radius - rim and radius < 0.5, axle and rim of at least {thin:.3g}, "
                f"got {self}"
            )
        if self.angles < 1:
            raise ValueError(f"Wheel.angles: expected at least 1 force, got {self.angles}")

    @property
    def grid(self) -> Grid:
        """The cells of the square."""
        return self.structure.grid

    @property
    def solid(self) -> np.ndarray:
        """Whether a cell (nx, ny) is part of rim or hub, which are always solid."""
        x = self.grid.points().T
        return (Arc(self.radius - self.rim, self.radius)(x) | Arc(0.0, self.hub)(x)).reshape(self.grid.shape)

    @property
    def void(self) -> np.ndarray:
        """Whether a cell (nx, ny) lies outside of the wheel."""
        return ~Arc(0.0, self.radius)(self.grid.points().T).reshape(self.grid.shape)

    @property
    def structure(self) -> Structure:
        """Support and load cases; they act on cells, so that the same places serve all meshes."""
        rim = self.radius - self.rim, self.radius
        forces = []
        for angle in np.arange(self.angles) * 360.0 / self.angles:
            inwards = -np.cos(np.radians(angle)), -np.sin(np.radians(angle))
            forces.append(Load(Arc(*rim, float(angle), _ARC), inwards, on="cells"))
        torque = Torque(Arc(*rim), sum(rim) / 2, _CENTRE, on="cells")
        axle = Support(Arc(0.0, self.axle))
        return Structure((self.resolution,) * 2, (axle,), (*forces, torque), upper=(1.0, 1.0))

    def spoked(self, spokes: int = 5, width: float = 0.06) -> np.ndarray:
        """Densities (nx, ny) of a wheel with straight spokes, the first along x; grey where a boundary cuts a cell."""
        x, y = self.grid.points().T - 0.5
        radius = np.hypot(x, y)
        turn = (np.arctan2(y, x) + np.pi / spokes) % (2 * np.pi / spokes) - np.pi / spokes
        spoke = np.abs(radius * np.sin(turn)) - width / 2
        ring = self.radius - self.rim - radius
        distance = np.maximum(np.minimum.reduce([spoke, ring, radius - self.hub]), radius - self.radius)
        return np.clip(0.5 - distance * self.resolution, 0, 1).reshape(self.grid.shape)

    def model(self, outputs: Sequence[str] = ("compliance",)) -> ProblemModel:
        """The wheel on its cells, with moduli as input; see `pixel_structure`."""
        return pixel_structure(self.structure, outputs)

    def conforming(self, volume: float | None = None, *, refine: int = 1) -> ConformingStructure:
        """The solid of a density of the wheel on a mesh of its own; see `ConformingStructure`."""
        return ConformingStructure(self.structure, volume, refine)
