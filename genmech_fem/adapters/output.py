"""Functions to files that ParaView and other programs read, with names and units."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from xml.etree import ElementTree as ET

import meshio
import numpy as np
from dolfinx import fem
from dolfinx.io.utils import VTXWriter, XDMFFile
from mpi4py import MPI

from genmech_fem.adapters.pyvista import as_pyvista, import_pyvista
from genmech_fem.adapters.vtk_grid import (
    VtkGrid,
    common_space,
    in_cells,
    labels,
    lagrange_space,
    values_at_nodes,
    vtk_grid,
)
from genmech_fem.datasets import write_atomic

type Functions = Mapping[str, fem.Function]


def write_fields(
    path: str | Path, functions: Functions, *, units: Mapping[str, str] | None = None, time: float = 0.0
) -> None:
    """Write functions on one mesh to one file; see `FieldWriter` for the formats, the arguments and the errors."""
    with FieldWriter(path, functions, units=units) as writer:
        writer.write(time)


class FieldWriter:
    """Writes functions on one mesh, at one time or at several; use it in a ``with`` statement.

    The suffix chooses the format:

    - ``.bp``: VTX of ADIOS2. Any degree; a series in time; written in parallel.
    - ``.xdmf``: XDMF 3 with HDF5. Functions are interpolated to the degree of the mesh, so a higher degree loses
      its nodes between the vertices; a series in time on the mesh of the beginning; written in parallel.
    - ``.vtu``: one file of VTK, one time. Any degree.
    - ``.pvd``: a series of ``.vtu`` files ``NAME_00000.vtu`` beside it.
    - ``.vtkhdf``: VTK's HDF5 file. Any degree; a series in time, which is kept in memory and written
      at the end, the times in single precision. In the names, ``/`` and ``.`` become ``_``. Needs PyVista.

    Functions with one value a cell are cell data, others point data. All but XDMF hold every
    function exactly, on cells with the highest degree among the functions and the mesh (see
    `to_pyvista`). The last three collect the grid on process 0.

    Args:
        path: Where to write; the folder must exist.
        functions: Lagrange or DG functions by name; each `write` takes their values of that moment.
        units: Units by name; they become part of the arrays' names, as ``u [mm]``.

    Raises:
        ContractError: The dofs of a function are not values at points.
        FileNotFoundError: The folder does not exist.
        MissingExtraError: PyVista is needed and not installed.
        ValueError: The suffix, a name or a unit is wrong, the functions are none or lie on different meshes, or
            the format cannot hold them.
    """

    def __init__(self, path: str | Path, functions: Functions, *, units: Mapping[str, str] | None = None) -> None:
        path = Path(path)
        if path.suffix not in _FORMATS:
            raise ValueError(f"{path}: expected a suffix among {sorted(_FORMATS)}, got {path.suffix!r}")
        if not functions:
            raise ValueError("expected at least one function, got none")
        for name, label in labels(functions, units).items():
            if not name or set(name) & set("/[]") or set(label) & set("\"'<>&"):
                raise ValueError(f"expected names without /[] and units without \"'<>&, got {label!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: expected an existing folder, got {path.parent}")
        self._time, self._open = -np.inf, True
        self._format: _Format = _FORMATS[path.suffix](path, dict(functions), units)

    def write(self, time: float) -> None:
        """Write the values that the functions have now.

        Args:
            time: Time or load factor; larger than the last one.

        Raises:
            OSError: The file cannot be written.
            ValueError: The time does not grow, the format holds one time only, or the file is closed.
        """
        if not self._open:
            raise ValueError("write: expected an open file, this one is closed")
        if not self._time < time < np.inf:
            raise ValueError(f"write: expected a finite time after {self._time:g}, got {time:g}")
        self._format.write(float(time))
        self._time = time

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: The file cannot be written.
        """
        if self._open:
            self._open = False
            self._format.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Format(Protocol):
    def write(self, time: float) -> None: ...

    def close(self) -> None: ...


class _Copies:
    """Functions in the spaces that a file can hold, with values that follow the originals."""

    def __init__(self, functions: Functions, space: fem.FunctionSpace, names: Mapping[str, str]) -> None:
        self._pairs = []
        for name, function in functions.items():
            shape = tuple(int(n) for n in function.function_space.value_shape)
            degree = 0 if in_cells(function) else int(space.ufl_element().degree)
            discontinuous = bool(space.ufl_element().discontinuous)
            blocked = lagrange_space(space.mesh, degree, discontinuous, shape)
            target = fem.Function(blocked, name=names[name], dtype=function.x.array.dtype)
            self._pairs.append((function, lagrange_space(space.mesh, degree, discontinuous), target))
        self.update()

    @property
    def functions(self) -> list[fem.Function]:
        return [target for _, _, target in self._pairs]

    def update(self) -> None:
        for function, scalar, target in self._pairs:
            target.x.array[:] = values_at_nodes(function, scalar).ravel()


class _Vtx:
    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        domain = _domain(functions)
        space = common_space(domain, functions)
        self._copies = _Copies(functions, space, labels(functions, units))
        # VTX takes the mesh of the file from the first function
        ordered = sorted(self._copies.functions, key=in_cells)
        self._file = VTXWriter(domain.comm, path, ordered, engine="BP4")

    def write(self, time: float) -> None:
        self._copies.update()
        self._file.write(time)

    def close(self) -> None:
        self._file.close()


class _Xdmf:
    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        domain = _domain(functions)
        if domain.geometry.cmaps[0].degree > 2:
            raise ValueError(f"{path}: XDMF holds meshes of degree 1 and 2: use .bp, .vtu, .pvd or .vtkhdf")
        common = common_space(domain, functions)
        if common.ufl_element().discontinuous:
            raise ValueError(
                f"{path}: XDMF holds no functions of DG of degree 1 or more: use .bp, .vtu, .pvd or .vtkhdf"
            )
        self._path, self._comm = path, domain.comm
        self._labels = labels(functions, units)
        space = lagrange_space(domain, domain.geometry.cmaps[0].degree)
        self._copies = _Copies(functions, space, {name: name for name in functions})
        self._file = XDMFFile(domain.comm, path, "w")
        self._file.write_mesh(domain)

    def write(self, time: float) -> None:
        self._copies.update()
        for function in self._copies.functions:
            self._file.write_function(function, time)

    def close(self) -> None:
        self._file.close()
        at_root(self._comm, lambda: _one_series(self._path, self._labels))


def _one_series(path: Path, named: Mapping[str, str]) -> None:
    """Turn the one series a function that DOLFINx writes into one of all functions, without references.

    VTK's reader crashes at references between grids, takes fields that lie apart for fields on separate
    meshes, and numbers of unknown precision for 4 bytes.
    """
    root = ET.parse(path).getroot()  # noqa: S314 (DOLFINx wrote it a moment ago)
    (domain,) = root
    mesh, *series = domain
    domain[:] = []
    joined = ET.SubElement(domain, "Grid", Name="fields", GridType="Collection", CollectionType="Temporal")
    for steps in zip(*series, strict=True):
        grid = ET.SubElement(joined, "Grid", mesh.attrib)
        grid.extend(copy.deepcopy(list(mesh)))
        grid.extend(steps[0].findall("Time"))
        for step in steps:
            for attribute in step.findall("Attribute"):
                attribute.set("Name", named[attribute.get("Name", "")])
                grid.append(attribute)
        for item in grid.iter("DataItem"):
            item.attrib |= {"NumberType": item.get("NumberType", "Float"), "Precision": "8"}
    if not series:
        domain.append(mesh)
        domain.remove(joined)
    ET.indent(root)
    write_atomic(path, ET.tostring(root, encoding="utf-8", xml_declaration=True))


class _Gathered:
    """The whole grid on process 0."""

    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        self.path, self._functions, self._units = path, functions, units
        self._space = common_space(_domain(functions), functions)
        self.comm = self._space.mesh.comm

    def grid(self) -> VtkGrid:
        return vtk_grid(self._space, self._functions, self._units).gather(self.comm)


class _Vtu(_Gathered):
    _written = False

    def write(self, time: float) -> None:
        if self._written:
            raise ValueError(f"{self.path}: .vtu holds one time: use .pvd, .bp, .xdmf or .vtkhdf for time {time:g}")
        grid = self.grid()
        at_root(self.comm, lambda: _write_vtu(self.path, grid))
        self._written = True

    def close(self) -> None:
        pass


class _Pvd(_Gathered):
    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        super().__init__(path, functions, units)
        self._root = ET.Element("VTKFile", type="Collection", version="0.1")
        self._collection = ET.SubElement(self._root, "Collection")

    def write(self, time: float) -> None:
        part = self.path.with_name(f"{self.path.stem}_{len(self._collection):05d}.vtu")
        ET.SubElement(self._collection, "DataSet", timestep=repr(time), part="0", file=part.name)
        grid = self.grid()

        def write() -> None:
            _write_vtu(part, grid)
            write_atomic(self.path, ET.tostring(self._root, encoding="utf-8", xml_declaration=True))

        at_root(self.comm, write)

    def close(self) -> None:
        pass


_PLAIN = str.maketrans("/.", "__")


class _VtkHdf(_Gathered):
    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        import_pyvista()
        super().__init__(path, functions, units)
        self._steps: dict[float, VtkGrid] = {}

    def write(self, time: float) -> None:
        grid = self.grid()
        # VTK warns of these two characters in names
        for data in (grid.point_data, grid.cell_data):
            for name in list(data):
                data[name.translate(_PLAIN)] = data.pop(name)
        self._steps[time] = grid

    def close(self) -> None:
        if self._steps:
            at_root(self.comm, lambda: _write_vtkhdf(self.path, self._steps))


_FORMATS: dict[str, Callable[[Path, Functions, Mapping[str, str] | None], _Format]] = {
    ".bp": _Vtx,
    ".pvd": _Pvd,
    ".vtkhdf": _VtkHdf,
    ".vtu": _Vtu,
    ".xdmf": _Xdmf,
}


def _domain(functions: Functions) -> Any:
    return next(iter(functions.values())).function_space.mesh


def at_root(comm: MPI.Comm, action: Callable[[], None]) -> None:
    """Do something on process 0.

    Raises:
        OSError: It failed there; process 0 itself raises the error as it came.
    """
    reason = None
    try:
        if comm.rank == 0:
            action()
    except Exception as error:
        reason = str(error)
        raise
    finally:
        reason = comm.bcast(reason)
    if reason is not None:
        raise OSError(f"process 0 failed: {reason}")


def _write_vtu(path: Path, grid: VtkGrid) -> None:
    order = np.arange(grid.cells.shape[1])
    if grid.meshio_type == "VTK_LAGRANGE_HEXAHEDRON":
        # in files of the version that meshio writes, the last two of the 12 edges are swapped
        inner = round(len(order) ** (1 / 3)) - 2
        last = slice(8 + 10 * inner, 8 + 12 * inner)
        order[last] = np.roll(order[last], inner)
    cell_data = {name: [data] for name, data in grid.cell_data.items()}
    cells = [(grid.meshio_type, grid.cells[:, order])]
    meshio.vtu.write(path, meshio.Mesh(grid.points, cells, point_data=grid.point_data, cell_data=cell_data))


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
    writer.SetFileName(str(path))
    writer.SetWriteAllTimeSteps(True)
    writer.SetChunkSize(min(25_000, max(len(grid.cells) for grid in steps.values())))
    if not writer.Write():
        raise OSError(f"{path}: VTK could not write the file")
