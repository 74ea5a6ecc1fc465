"""Basic shapes: circles, triangles, squares and crosses of any size, place and rotation."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from genmech_fem.fields import FieldSpec
from genmech_fem.microstructure.packing import add_sequentially
from genmech_fem.microstructure.phase import phase_from_distance, phase_grid, phase_spec, torus_offsets
from genmech_fem.microstructure.ranges import check_range, check_resolution

SHAPES = ("circle", "triangle", "square", "cross")


@dataclass(frozen=True)
class Shape:
    """One inclusion.

    Args:
        kind: One of `SHAPES`. The triangle is equilateral; the cross has four arms, each a
            square of the middle square's edge.
        centre: Centre of area [cell length].
        radius: Radius of the circumscribed circle [cell length].
        angle: Rotation [rad].
    """

    kind: str
    centre: tuple[float, float]
    radius: float
    angle: float

    @property
    def area(self) -> float:
        """Area [cell area]."""
        return float(_unit_area(self.kind)) * self.radius**2

    def distance(self, offsets: np.ndarray) -> np.ndarray:
        """Signed distance, negative inside, at `offsets` (points, 2) from the centre [cell length]."""
        if self.kind == "circle":
            return np.linalg.norm(offsets, axis=1) - self.radius
        turn = np.array([[np.cos(self.angle), np.sin(self.angle)], [-np.sin(self.angle), np.cos(self.angle)]])
        return polygon_distance(offsets, self.radius * _unit_corners(self.kind) @ turn)


def polygon_distance(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Signed distance, negative inside, from `points` (points, 2) to the polygon `corners` (corners, 2)."""
    smallest = np.full(len(points), np.inf)
    inside = np.zeros(len(points), dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge, offset = end - start, points - start
        along = np.clip(offset @ edge / (edge @ edge), 0.0, 1.0)
        smallest = np.minimum(smallest, np.linalg.norm(offset - along[:, None] * edge, axis=1))
        crossed = (start[1] > points[:, 1]) != (end[1] > points[:, 1])
        left = offset[:, 0] * edge[1] < offset[:, 1] * edge[0]
        inside ^= crossed & (left == (edge[1] > 0))
    return np.where(inside, -smallest, smallest)


@cache
def _unit_corners(kind: str) -> np.ndarray:
    """Corners, counter-clockwise, of the shape of circumscribed radius 1."""
    if kind == "cross":
        quarter = np.array([[3.0, -1.0], [3.0, 1.0], [1.0, 1.0]]) / np.sqrt(10)
        turns = [np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), k) for k in range(4)]
        return np.vstack([quarter @ turn for turn in turns])
    sides = {"triangle": 3, "square": 4}[kind]
    angles = 2 * np.pi * np.arange(sides) / sides
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@cache
def _unit_area(kind: str) -> float:
    if kind == "circle":
        return np.pi
    x, y = _unit_corners(kind).T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


@dataclass(frozen=True)
class BasicShapes:
    """Sampler of cells with a few shapes that do not overlap.

    Args:
        resolution: Pixels along each side of the cell.
        kinds: What each shape is drawn from: any of `SHAPES`.
        count: Range of the number of shapes; a cell that jams before holds fewer.
        size: Range of the size of each shape [cell length]: its circumscribed radius, or,
            with `equal_area`, the radius of the disc of its area.
        equal_area: Whether shapes of one `size` have one area, so that area alone does not
            tell the kinds apart.
        gap: Least distance between two circumscribed circles, and from the border where not
            periodic [cell length].
        periodic: Whether shapes may cross the border and come back on the other side.

    Raises:
        ValueError: A kind is unknown, or a range is empty or does not fit into the cell.
    """

    resolution: int = 32
    kinds: tuple[str, ...] = SHAPES
    count: tuple[int, int] = (1, 4)
    size: tuple[float, float] = (0.08, 0.16)
    equal_area: bool = True
    gap: float = 0.03
    periodic: bool = True

    def __post_init__(self) -> None:
        check_resolution("BasicShapes", self.resolution)
        if not self.kinds or not set(self.kinds) <= set(SHAPES):
            raise ValueError(f"BasicShapes.kinds: expected some of {SHAPES}, got {self.kinds}")
        check_range("BasicShapes.count", self.count, 0, 1000)
        if self.gap < 0:
            raise ValueError(f"BasicShapes.gap: expected at least 0, got {self.gap}")
        widest = max(self._radius(kind, 1.0) for kind in self.kinds)
        clearance = self.gap / 2 if self.periodic else self.gap
        check_range("BasicShapes.size", self.size, 0, (0.5 - clearance) / widest)

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled phase field."""
        return (phase_spec(self.resolution),)

    def _radius(self, kind: str, size: float) -> float:
        """Circumscribed radius of a shape."""
        return size * float(np.sqrt(np.pi / _unit_area(kind))) if self.equal_area else size

    def shapes(self, generator: np.random.Generator) -> list[Shape]:
        """Draw the shapes of one cell."""
        count = int(generator.integers(*self.count, endpoint=True))
        kinds = [str(kind) for kind in generator.choice(self.kinds, count)]
        sizes = generator.uniform(*self.size, count)
        radii = np.array([self._radius(kind, size) for kind, size in zip(kinds, sizes, strict=True)])
        angles = generator.uniform(0, 2 * np.pi, count)
        centres = add_sequentially(generator, radii, self.gap, self.periodic)
        return [
            Shape(kind, (float(x), float(y)), float(radius), float(angle))
            for kind, (x, y), radius, angle in zip(kinds, centres, radii, angles, strict=False)
        ]

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one cell: ``{"phase": (1, resolution, resolution)}``."""
        grid = phase_grid(self.resolution)
        points = grid.points()
        distance = np.full(len(points), np.inf)
        for shape in self.shapes(generator):
            centre = np.array(shape.centre)
            offsets = torus_offsets(points, centre, 1.0) if self.periodic else points - centre
            distance = np.minimum(distance, shape.distance(offsets))
        return {"phase": phase_from_distance(distance, grid.spacing[0]).reshape(1, *grid.shape)}
