"""Solutions of other programs: a mesh with its fields and sets, as plain arrays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from genmech_fem.fields import Grid
from genmech_fem.geometry.location import locate_in_mesh
from genmech_fem.geometry.mesh import Mesh


@dataclass(frozen=True, eq=False)
class Solution:
    """A mesh file with its fields.

    Args:
        mesh: The mesh, of linear cells.
        point_data: Fields (points, ...) by name, in the order of `mesh.points`, components as the file has them.
        cell_data: Fields (cells, ...) by name, in the order of `mesh.cells`.
        point_sets: Indices of points by name of the set.
        cell_sets: Indices of cells by name of the set. Other than tags, sets may overlap.
        time: Time of the step, where the file tells it.
        source: The file.
        notes: What of the file was left out, one sentence each.
    """

    mesh: Mesh
    point_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    point_sets: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell_sets: Mapping[str, np.ndarray] = field(default_factory=dict)
    time: float | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    def sample(self, grid: Grid, names: Iterable[str] | None = None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Fields on a regular grid, without DOLFINx.

        Point data are interpolated linearly (in quadrilaterals and hexahedra multilinearly) in
        each cell, cell data are constant in each cell.

        Args:
            grid: Grid of the dimension of the mesh.
            names: Fields wanted; default all.

        Returns:
            Fields (*value_shape, *grid.shape) by name, NaN outside the mesh, and the mask
            (grid.shape), true inside.

        Raises:
            ValueError: There is no such field, a name is that of a point and of a cell field, or the grid has
                another dimension.
        """
        if grid.dimension != self.mesh.dimension:
            raise ValueError(f"sample: expected a grid of dimension {self.mesh.dimension}, got {grid.dimension}")
        names = list(names if names is not None else {**self.point_data, **self.cell_data})
        for name in names:
            self._check_name(name)
        cells, weights = locate_in_mesh(self.mesh, grid)
        inside = cells >= 0
        hit = cells[inside]
        fields = {}
        for name in names:
            if name in self.point_data:
                corners = self.point_data[name][self.mesh.cells[hit]]
                values = np.einsum("nk,nk...->n...", weights[inside], corners)
            else:
                values = self.cell_data[name][hit].astype(np.float64)
            array = np.full((len(cells), *values.shape[1:]), np.nan)
            array[inside] = values
            fields[name] = np.moveaxis(array, 0, -1).reshape(*values.shape[1:], *grid.shape)
        return fields, inside.reshape(grid.shape)

    def _check_name(self, name: str) -> None:
        found = (name in self.point_data) + (name in self.cell_data)
        if found != 1:
            known = f"point fields {sorted(self.point_data)} and cell fields {sorted(self.cell_data)}"
            reason = "both have" if found else "none has"
            raise ValueError(f"sample: expected the name of one field, got '{name}', which {reason}: {known}")
