"""Files that all processes write together: VTX and XDMF."""

import copy
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from dolfinx import fem
from dolfinx.io.utils import VTXWriter, XDMFFile

from genmech_fem.adapters.processes import at_root
from genmech_fem.adapters.vtk_grid import Functions, common_space, in_cells, lagrange_space, mesh_of, values_at_nodes
from genmech_fem.drafts import write_atomic
from genmech_fem.geometry.pyvista import labels


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


class Vtx:
    """VTX of ADIOS2; the arguments of the formats are those of `FieldWriter`."""

    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        domain = mesh_of(functions)
        space = common_space(domain, functions)
        self._copies = _Copies(functions, space, labels(functions, units))
        # VTX takes the mesh of the file from the first function
        ordered = sorted(self._copies.functions, key=in_cells)
        self._file = VTXWriter(domain.comm, path, ordered, engine="BP4")

    def write(self, time: float) -> None:
        """Write the present values."""
        self._copies.update()
        self._file.write(time)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class Xdmf:
    """XDMF 3 with HDF5; the arguments of the formats are those of `FieldWriter`."""

    def __init__(self, path: Path, functions: Functions, units: Mapping[str, str] | None) -> None:
        domain = mesh_of(functions)
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
        """Write the present values."""
        self._copies.update()
        for function in self._copies.functions:
            self._file.write_function(function, time)

    def close(self) -> None:
        """Finish the file."""
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
