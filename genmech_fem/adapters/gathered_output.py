"""Files of the whole grid, which process 0 collects and writes: VTU, PVD and VTKHDF."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import meshio
import numpy as np

from genmech_fem.adapters.processes import at_root
from genmech_fem.adapters.pyvista import as_pyvista
from genmech_fem.adapters.vtk_grid import Functions, VtkGrid, common_space, mesh_of, vtk_grid
from genmech_fem.drafts import draft, write_atomic
from genmech_fem.geometry.pyvista import import_pyvista


class _Gathered:
    """The whole grid on process 0."""

    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        self.path, self._functions, self._units = path, functions, units
        self._space = common_space(mesh_of(functions), functions)
        self.comm = self._space.mesh.comm

    def grid(self) -> VtkGrid:
        return vtk_grid(self._space, self._functions, self._units).gather(self.comm)


class Vtu(_Gathered):
    """One file of VTK, at one time."""

    _written = False

    def write(self, time: float) -> None:
        """Write the present values."""
        if self._written:
            raise ValueError(f"{self.path}: .vtu holds one time: use .pvd, .bp, .xdmf or .vtkhdf for time {time:g}")
        grid = self.grid()
        at_root(self.comm, lambda: _write_vtu(self.path, grid))
        self._written = True

    def close(self) -> None:
        """Nothing is left to do."""


class Pvd(_Gathered):
    """A series of VTK's files, with a file that lists them."""

    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        super().__init__(path, functions, units)
        self._root = ET.Element("VTKFile", type="Collection", version="0.1")
        self._collection = ET.SubElement(self._root, "Collection")

    def write(self, time: float) -> None:
        """Write the present values."""
        part = self.path.with_name(f"{self.path.stem}_{len(self._collection):05d}.vtu")
        ET.SubElement(self._collection, "DataSet", timestep=repr(time), part="0", file=part.name)
        grid = self.grid()

        def write() -> None:
            _write_vtu(part, grid)
            write_atomic(self.path, ET.tostring(self._root, encoding="utf-8", xml_declaration=True))

        at_root(self.comm, write)

    def close(self) -> None:
        """Nothing is left to do."""


_PLAIN = str.maketrans("/.", "__")


class VtkHdf(_Gathered):
    """VTK's HDF5 file; the series is written at the end."""

    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        import_pyvista()
        super().__init__(path, functions, units)
        self._steps: dict[float, VtkGrid] = {}

    def write(self, time: float) -> None:
        """Write the present values."""
        grid = self.grid()
        # VTK warns of these two characters in names
        for data in (grid.point_data, grid.cell_data):
            for name in list(data):
                data[name.translate(_PLAIN)] = data.pop(name)
        self._steps[time] = grid

    def close(self) -> None:
        """Finish the file."""
        if self._steps:
            at_root(self.comm, lambda: _write_vtkhdf(self.path, self._steps))


def _write_vtu(path: Path, grid: VtkGrid) -> None:
    order = np.arange(grid.cells.shape[1])
    if grid.meshio_type == "VTK_LAGRANGE_HEXAHEDRON":
        # in files of the version that meshio writes, the last two of the 12 edges are swapped
        inner = round(len(order) ** (1 / 3)) - 2
        last = slice(8 + 10 * inner, 8 + 12 * inner)
        order[last] = np.roll(order[last], inner)
    cell_data = {name: [data] for name, data in grid.cell_data.items()}
    cells = [(grid.meshio_type, grid.cells[:, order])]
    with draft(path) as part:
        meshio.vtu.write(part, meshio.Mesh(grid.points, cells, point_data=grid.point_data, cell_data=cell_data))


def _write_vtkhdf(path: Path, steps: Mapping[float, VtkGrid]) -> None:
    from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
    from vtkmodules.vtkCommonDataModel import vtkDataObject
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline
    from vtkmodules.vtkIOHDF import vtkHDFWriter

    times = list(steps)

    class Series(VTKPythonAlgorithmBase):  # type: ignore[misc]  # VTK's class has no types
        """The steps as a source that VTK asks for one time after the other."""

        def RequestInformation(self, _request: Any, _inputs: Any, outputs: Any) -> int:  # noqa: N802
            information = outputs.GetInformationObject(0)
            information.Set(Pipeline.TIME_STEPS(), times, len(times))
            information.Set(Pipeline.TIME_RANGE(), [times[0], times[-1]], 2)
            return 1

        def RequestData(self, _request: Any, _inputs: Any, outputs: Any) -> int:  # noqa: N802
            information = outputs.GetInformationObject(0)
            time = information.Get(Pipeline.UPDATE_TIME_STEP())
            information.Get(vtkDataObject.DATA_OBJECT()).ShallowCopy(as_pyvista(steps[time]))
            return 1

    series = Series(nInputPorts=0, nOutputPorts=1, outputType="vtkUnstructuredGrid")
    writer = vtkHDFWriter()
    writer.SetInputConnection(series.GetOutputPort())
    writer.SetWriteAllTimeSteps(True)
    writer.SetChunkSize(min(25_000, max(len(grid.cells) for grid in steps.values())))
    with draft(path) as part:
        writer.SetFileName(str(part))
        if not writer.Write():
            raise OSError(f"{path}: VTK could not write the file")
