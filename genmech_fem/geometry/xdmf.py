"""XDMF 3 with the numbers inside the XML file.

meshio's own XDMF module needs h5py even where no HDF5 file takes part, and h5py
beside the HDF5 of DOLFINx is a trap.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

import meshio
import numpy as np

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


def read_xdmf(path: Path) -> meshio.Mesh:
    """Read the first uniform grid of a file.

    Raises:
        ValueError: The numbers are not in the file, or the cells are of another type.
    """
    root = ET.parse(path).getroot()  # noqa: S314 (expat limits entity expansion; nothing external is loaded)
    grid = _find(root, "Domain/Grid")
    topology = _find(grid, "Topology")
    kind = topology.get("TopologyType") or topology.get("Type")
    names = {xdmf: name for name, xdmf in _TOPOLOGIES.items()}
    if kind not in names:
        raise ValueError(f"expected a topology of {sorted(names)}, got {kind!r}")
    fields = {
        (attribute.get("Center"), attribute.get("Name", "")): _numbers(attribute)
        for attribute in grid.findall("Attribute")
    }
    return meshio.Mesh(
        _numbers(_find(grid, "Geometry")),
        [(names[kind], _numbers(topology))],
        point_data={name: data for (center, name), data in fields.items() if center == "Node"},
        cell_data={name: [data] for (center, name), data in fields.items() if center == "Cell"},
    )


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


def _numbers(parent: ET.Element) -> np.ndarray:
    item = _find(parent, "DataItem")
    if item.get("Format") != "XML":
        raise ValueError(f"expected the numbers inside the file (Format 'XML'), got Format {item.get('Format')!r}")
    dtype = _DTYPES[item.get("DataType") or item.get("NumberType") or "Float"]
    dimensions = [int(n) for n in item.get("Dimensions", "").split()]
    return np.array((item.text or "").split(), dtype=dtype).reshape(dimensions)
