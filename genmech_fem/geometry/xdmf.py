"""XDMF 3 with the numbers inside the XML file; read also with the numbers in HDF5, by pyfive (pure Python).

meshio's own XDMF module needs h5py even where no HDF5 file takes part, and h5py
beside the HDF5 of DOLFINx is a trap.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

import meshio
import numpy as np

from genmech_fem.errors import MissingExtraError

_TOPOLOGIES = {"triangle": "Triangle", "quad": "Quadrilateral", "tetra": "Tetrahedron", "hexahedron": "Hexahedron"}
_DTYPES = {"Int": np.int64, "UInt": np.int64, "Float": np.float64}
_ATTRIBUTES = {1: "Scalar", 3: "Vector", 9: "Tensor"}


def write_xdmf(path: Path, mesh: meshio.Mesh) -> None:
    """Write a mesh of one cell type with its data."""
    root = ET.Element("Xdmf", Version="3.0")
    grid = ET.SubElement(ET.SubElement(root, "Domain"), "Grid", Name="Grid", GridType="Uniform")
    (block,) = mesh.cells
    topology = ET.SubElement(
        grid, "Topology", TopologyType=_TOPOLOGIES[block.type], NumberOfElements=str(len(block.data))
    )
    _add(topology, block.data)
    _add(ET.SubElement(grid, "Geometry", GeometryType="XYZ"[: mesh.points.shape[1]]), mesh.points)
    cell_data = {name: data for name, (data,) in mesh.cell_data.items()}
    for center, fields in (("Node", mesh.point_data), ("Cell", cell_data)):
        for name, data in fields.items():
            kind = _ATTRIBUTES.get(data[0].size, "Matrix")
            _add(ET.SubElement(grid, "Attribute", Name=name, AttributeType=kind, Center=center), data)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def read_xdmf(path: Path, step: int = -1) -> tuple[meshio.Mesh, float | None]:
    """Read the first mesh of a file, with the fields on it and, of collections in time, one step.

    Raises:
        ValueError: The numbers are in another format, the cells are of another type, or there is no such step.
        MissingExtraError: The numbers are in HDF5 and pyfive is not installed.
    """
    root = ET.parse(path).getroot()  # noqa: S314 (expat limits entity expansion; nothing external is loaded)
    domain = _find(root, "Domain")
    series = [grid.findall("Grid") for grid in domain.findall("Grid") if grid.get("CollectionType") == "Temporal"]
    steps = max(map(len, series), default=1)
    if not -steps <= step < steps:
        raise ValueError(f"step={step}: expected one of {steps} steps")
    current = [grids[step % steps] for grids in series if len(grids) > step % steps]
    grids = [*(grid for grid in domain.findall("Grid") if grid.get("GridType") != "Collection"), *current]
    first = next(grid for grid in [*grids, *domain.iter("Grid")] if grid.find("Topology") is not None)
    topology = _find(first, "Topology")
    kind = topology.get("TopologyType") or topology.get("Type")
    names = {xdmf.lower(): name for name, xdmf in _TOPOLOGIES.items()}
    if (kind or "").lower() not in names:
        raise ValueError(f"expected a topology of {sorted(_TOPOLOGIES.values())}, got {kind!r}")
    points, cells = _numbers(_find(first, "Geometry"), path), _numbers(topology, path)
    sizes = {"Node": len(points), "Cell": len(cells)}
    fields: dict[str, dict[str, np.ndarray]] = {"Node": {}, "Cell": {}}
    for grid in grids:
        if grid is not first and grid.find("Topology") is not None and grid not in current:
            continue  # another mesh
        for attribute in grid.findall("Attribute"):
            center, data = attribute.get("Center", "Node"), _numbers(attribute, path)
            if sizes.get(center) == len(data):
                fields[center][attribute.get("Name", "")] = data
    times = [time.get("Value") for grid in current for time in grid.findall("Time")]
    mesh = meshio.Mesh(
        points,
        [(names[(kind or "").lower()], cells)],
        point_data=fields["Node"],
        cell_data={name: [data] for name, data in fields["Cell"].items()},
    )
    return mesh, float(times[0]) if times and times[0] else None


def _add(parent: ET.Element, data: np.ndarray) -> None:
    item = ET.SubElement(parent, "DataItem", Format="XML")
    item.set("NumberType", "Float" if data.dtype.kind == "f" else "Int")
    item.set("Precision", str(data.dtype.itemsize))
    item.set("Dimensions", " ".join(map(str, data.shape)))
    rows = data.reshape(len(data), -1).tolist()
    item.text = "\n".join(" ".join(map(repr, row)) for row in rows)


def _find(element: ET.Element, path: str) -> ET.Element:
    found = element.find(path)
    if found is None:
        raise ValueError(f"expected an element {path}, got none in <{element.tag}>")
    return found


def _numbers(parent: ET.Element, path: Path) -> np.ndarray:
    item = _find(parent, "DataItem")
    if item.get("Format", "XML").upper() == "HDF":
        return _heavy(item, path)
    if item.get("Format", "XML").upper() != "XML":
        raise ValueError(f"expected the numbers inside the file or in HDF5, got Format {item.get('Format')!r}")
    dtype = _DTYPES[item.get("DataType") or item.get("NumberType") or "Float"]
    dimensions = [int(n) for n in item.get("Dimensions", "").split()]
    return np.array((item.text or "").split(), dtype=dtype).reshape(dimensions)


def _heavy(item: ET.Element, path: Path) -> np.ndarray:
    """Numbers in a data set of an HDF5 file, as ``mesh.h5:/Mesh/mesh/topology``."""
    try:
        import pyfive
    except ImportError as error:
        raise MissingExtraError("pyfive", "hdf5") from error
    name, _, place = (item.text or "").strip().rpartition(":")
    with pyfive.File(str(path.parent / name)) as file:
        return np.asarray(file[place][...])
