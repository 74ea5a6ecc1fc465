"""Periodic Voronoi cells: grains of a polycrystal, and the walls between them.

Okabe, Boots, Sugihara and Chiu, Spatial Tessellations (2000), doi:10.1002/9780470317013.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from genmech_fem.fields import FieldSpec
from genmech_fem.microstructure.phase import RAMP, phase_from_distance, phase_grid, phase_spec
from genmech_fem.microstructure.ranges import check_range, check_resolution


@dataclass(frozen=True)
class Voronoi:
    """Sampler of the walls between the Voronoi cells of random seeds on the torus.

    Args:
        resolution: Pixels along each side of the unit cell.
        seeds: Range of the number of seeds.
        wall: Range of the thickness of the walls [cell length].
        dimension: 2 or 3.

    Raises:
        ValueError: A range is empty or outside its limits.
    """

    resolution: int = 32
    seeds: tuple[int, int] = (5, 20)
    wall: tuple[float, float] = (0.04, 0.08)
    dimension: int = 2

    def __post_init__(self) -> None:
        check_resolution("Voronoi", self.resolution, self.dimension)
        check_range("Voronoi.seeds", self.seeds, 0, 10_000)
        check_range("Voronoi.wall", self.wall, 0, 0.5)

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled phase field."""
        return (phase_spec(self.resolution, dimension=self.dimension),)

    def places(self, generator: np.random.Generator) -> np.ndarray:
        """Draw the seeds (seeds, dimension) [cell length]."""
        return generator.random((int(generator.integers(*self.seeds, endpoint=True)), self.dimension))

    def labels(self, places: np.ndarray) -> np.ndarray:
        """Grains (*grid) of the seeds `places` (seeds, dimension): the index of the nearest seed."""
        grid = phase_grid(self.resolution, dimension=self.dimension)
        return KDTree(places, boxsize=np.ones(self.dimension)).query(grid.points())[1].reshape(grid.shape)

    def wall_distance(self, places: np.ndarray, reach: float) -> np.ndarray:
        """Distance (*grid) to the nearest border between the cells of the seeds `places` [cell length].

        A seed and its own periodic images have separate cells.

        Args:
            places: Seeds (seeds, dimension) [cell length].
            reach: Up to where the distance must be exact [cell length]; it is too large at most beyond.
        """
        grid = phase_grid(self.resolution, dimension=self.dimension)
        points = grid.points()
        tiles = np.indices((5,) * self.dimension).reshape(self.dimension, -1).T - 2
        seeds = (places[None] + tiles[:, None]).reshape(-1, self.dimension)
        tree = KDTree(seeds)
        distance = np.empty(len(points))
        rest, neighbours = np.arange(len(points)), 8
        while rest.size:
            # a border at distance t belongs to a seed at most 2 t farther than the nearest one
            far, index = tree.query(points[rest], min(neighbours, len(seeds)))
            between = np.linalg.norm(seeds[index[:, 1:]] - seeds[index[:, :1]], axis=2)
            to_border = (far[:, 1:] ** 2 - far[:, :1] ** 2) / (2 * np.maximum(between, np.finfo(float).tiny))
            distance[rest] = to_border.min(axis=1)
            enough = far[:, -1] - far[:, 0] >= 2 * np.minimum(reach, distance[rest])
            rest = rest[~enough] if neighbours < len(seeds) else rest[:0]
            neighbours *= 2
        return distance.reshape(grid.shape)

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one cell: ``{"phase": (1, *grid)}``, 1 in the walls."""
        pixel, half = 1 / self.resolution, generator.uniform(*self.wall) / 2
        distance = self.wall_distance(self.places(generator), half + RAMP / 2 * pixel)
        return {"phase": phase_from_distance(distance - half, pixel)[None]}
