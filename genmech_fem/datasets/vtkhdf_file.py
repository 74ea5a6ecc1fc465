"""The groups of a VTKHDF file: images and meshes of one sample.

The format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Spec

MESH = ("mesh.points", "mesh.cells")
CELL_TYPES = {(2, 3): 5, (2, 4): 9, (3, 4): 10, (3, 8): 12}
"""VTK's types of cells by dimension and number of vertices."""

type Sample = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Image:
    """Fields in the cells and at the nodes of one grid.

    Args:
        cells: The grid of cells.
        fields: The fields, each at the cells or the nodes.
    """

    cells: Grid
    fields: Sequence[FieldSpec]

    def write(self, root: Any, sample: Sample) -> None:
        """Write a sample, arrays (*value_shape, *grid), to the group `root` of an HDF5 file."""
        n = self.cells.dimension
        root.attrs["Type"] = np.bytes_("ImageData")
        root.attrs["WholeExtent"] = [end for size in (*self.cells.shape, 0, 0)[:3] for end in (0, size)]
        root.attrs["Origin"] = (*self.cells.lower, 0.0, 0.0)[:3]
        root.attrs["Spacing"] = (*self.cells.spacing, 1.0, 1.0)[:3]
        root.attrs["Direction"] = np.eye(3).ravel()
        for spec in self.fields:
            values = np.moveaxis(sample[spec.name], range(-n, 0), range(n - 1, -1, -1))  # VTK's x runs fastest
            group = "CellData" if values.shape[:n] == self.cells.shape[::-1] else "PointData"
            root[f"{group}/{label(spec)}"] = _components(values, spec)


@dataclass(frozen=True)
class MeshPiece:
    """Fields at the nodes and in the cells of a mesh."""

    fields: Sequence[FieldSpec]

    def write(self, root: Any, sample: Sample) -> None:
        """Write a sample, arrays (*value_shape, points), to the group `root` of an HDF5 file.

        Raises:
            DatasetError: A field has another number of values than there are nodes or cells.
        """
        points, cells = (sample[name].T for name in MESH)
        (nodes, n), vertices = points.shape, cells.shape[1]
        root.attrs["Type"] = np.bytes_("UnstructuredGrid")
        sizes = {"NumberOfPoints": nodes, "NumberOfCells": len(cells), "NumberOfConnectivityIds": cells.size}
        for name, size in sizes.items():
            root[name] = np.array([size])
        root["Points"] = np.pad(points, [(0, 0), (0, 3 - n)])
        root["Connectivity"] = cells.ravel().astype(np.int64)
        root["Offsets"] = np.arange(len(cells) + 1) * vertices
        root["Types"] = np.full(len(cells), CELL_TYPES[n, vertices], dtype=np.uint8)
        for spec in self.fields:
            values = np.moveaxis(sample[spec.name], -1, 0)
            if len(values) not in (nodes, len(cells)):
                raise DatasetError(
                    f"'{spec.name}': expected values at {nodes} nodes or in {len(cells)} cells, got {len(values)}"
                )
            group = "PointData" if len(values) == nodes else "CellData"
            root[f"{group}/{label(spec)}"] = _components(values, spec)


def label(spec: Spec) -> str:
    """Name with unit, as ``u [mm]``, without the characters that VTK does not take."""
    text = spec.name if spec.unit == "1" else f"{spec.name} [{spec.unit}]"
    return text.replace("/", "_").replace(".", "_")


def _components(values: np.ndarray, spec: FieldSpec) -> np.ndarray:
    """Values (*places, *value_shape) as VTK has them, (*places) or (*places, components)."""
    order = len(spec.value_shape)
    places = values.shape[: values.ndim - order]
    if spec.place.dimension == 2 and order <= 2 and set(spec.value_shape) == {2}:
        values = np.pad(values, [(0, 0)] * len(places) + [(0, 1)] * order)
    if values.dtype.char in "?e":  # bool and half precision, which VTK does not have
        values = values.astype(np.uint8 if values.dtype.char == "?" else np.float32)
    return values.reshape(places if spec.channel_shape[0] == 1 else (*places, -1))
