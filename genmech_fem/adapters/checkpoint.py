"""A mesh, its tags and functions in one file, exactly, to go on with later on any number of processes."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import basix
import basix.ufl
import numpy as np
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from genmech_fem.adapters.output import at_root
from genmech_fem.datasets import write_atomic
from genmech_fem.errors import DatasetError

_FORMAT = "genmech_fem checkpoint 1"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Args:
        domain: The mesh.
        functions: Functions by name; those of one element share their space.
        tags: Tags of entities of any dimension by name.
    """

    domain: dmesh.Mesh
    functions: dict[str, fem.Function]
    tags: dict[str, dmesh.MeshTags]


def save_checkpoint(
    path: str | Path,
    functions: Mapping[str, fem.Function],
    tags: Mapping[str, dmesh.MeshTags] | None = None,
) -> None:
    """Save functions on one mesh, the mesh and its tags; the file appears whole or not at all.

    The file is collected and written by process 0.

    Args:
        path: File with the suffix ``.npz``.
        functions: Lagrange or DG functions of any degree and value shape by name; at least one.
        tags: Tags of cells, facets or other entities by name.

    Raises:
        OSError: The file cannot be written.
        ValueError: The suffix differs, the functions are none, lie on different meshes or are of another element.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected the suffix '.npz', got {path.suffix!r}")
    if not functions:
        raise ValueError("save_checkpoint: expected at least one function, got none")
    domain = next(iter(functions.values())).function_space.mesh
    geometry = domain.geometry
    (coordinate,) = geometry.cmaps
    header: dict[str, Any] = {
        "format": _FORMAT,
        "cell": domain.topology.cell_name(),
        "degree": int(coordinate.degree),
        "variant": int(coordinate.variant),
        "elements": [],
        "functions": {},
        "tags": {},
    }
    count = domain.topology.index_map(domain.topology.dim).size_local
    arrays = {
        "points": _gather(domain.comm, geometry.x[: geometry.index_map().size_local, : geometry.dim]),
        "cells": _gather(domain.comm, _numbers(geometry.index_map(), geometry.dofmaps[0][:count])),
    }
    for i, (name, function) in enumerate(functions.items()):
        space = function.function_space
        if space.mesh.topology is not domain.topology:
            raise ValueError(f"'{name}': expected functions on one mesh, got one on another mesh")
        element, owned = _description(name, space), space.dofmap.index_map.size_local
        if element not in header["elements"]:
            header["elements"].append(element)
            nodes = _numbers(space.dofmap.index_map, space.dofmap.list[:count])
            arrays[f"dofs_{len(header['elements']) - 1}"] = _gather(domain.comm, nodes)
        header["functions"][name] = header["elements"].index(element)
        values = function.x.array.reshape(-1, space.dofmap.index_map_bs)[:owned]
        arrays[f"values_{i}"] = _gather(domain.comm, values)
    for i, (name, tag) in enumerate((tags or {}).items()):
        if tag.topology is not domain.topology._cpp_object and tag.topology is not domain.topology:
            raise ValueError(f"'{name}': expected tags of the functions' mesh, got those of another mesh")
        header["tags"][name] = int(tag.dim)
        places, values = _tagged(domain, tag, count)
        arrays[f"tags_{i}"] = _gather(domain.comm, places)
        arrays[f"marks_{i}"] = _gather(domain.comm, values)

    def write() -> None:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays, header=np.frombuffer(json.dumps(header).encode(), np.uint8))
        write_atomic(path, buffer.getvalue())

    at_root(domain.comm, write)


def load_checkpoint(path: str | Path, comm: MPI.Comm = MPI.COMM_SELF) -> Checkpoint:
    """Load what `save_checkpoint` wrote; the values at the nodes of every cell are the same bit for bit.

    DOLFINx numbers cells and nodes anew.

    Args:
        path: The file; every process reads it.
        comm: Communicator of the mesh, of any size.

    Raises:
        DatasetError: The file is damaged or is no checkpoint.
        FileNotFoundError: There is no such file.
    """
    path = Path(path)
    header, arrays = _read(path)
    points, cells = arrays["points"], arrays["cells"]
    part = slice(None) if comm.rank == 0 else slice(0)
    domain = dmesh.create_mesh(comm, cells[part], _coordinate_element(header, points), points[part])
    rows = domain.topology.original_cell_index
    elements = [_element(header["cell"], points.dtype, description) for description in header["elements"]]
    spaces = [fem.functionspace(domain, element) for element in elements]
    functions = {}
    for i, (name, number) in enumerate(header["functions"].items()):
        space, values = spaces[number], arrays[f"values_{i}"]
        function = fem.Function(space, name=name, dtype=values.dtype)
        function.x.array.reshape(-1, values.shape[1])[space.dofmap.list] = values[arrays[f"dofs_{number}"][rows]]
        functions[name] = function
    tags = {
        name: _tags(domain, rows, dimension, arrays[f"tags_{i}"], arrays[f"marks_{i}"])
        for i, (name, dimension) in enumerate(header["tags"].items())
    }
    for name, tag in tags.items():
        tag.name = name
    return Checkpoint(domain, functions, tags)


def _numbers(index: Any, nodes: np.ndarray) -> np.ndarray:
    """Numbers of nodes in the whole mesh."""
    return index.local_to_global(np.ascontiguousarray(nodes.ravel())).reshape(nodes.shape)


def _gather(comm: MPI.Comm, array: np.ndarray) -> np.ndarray:
    parts = comm.gather(array)
    return array[:0] if parts is None else np.concatenate(parts)


def _description(name: str, space: fem.FunctionSpace) -> dict[str, Any]:
    """The element of a space as JSON data."""
    element = space.ufl_element()
    if element.family_name != "P" or len(space.component()):
        raise ValueError(f"'{name}': expected a Lagrange or DG function (.collapse() of a part), got one of {element}")
    shape = [int(n) for n in space.value_shape]
    return {
        "degree": int(element.degree),
        "variant": int(element.lagrange_variant),
        "dpc_variant": int(element.dpc_variant),
        "discontinuous": bool(element.discontinuous),
        "shape": shape,
        "symmetry": space.dofmap.index_map_bs != int(np.prod(shape)),
    }


def _coordinate_element(header: Mapping[str, Any], points: np.ndarray) -> Any:
    return basix.ufl.element(
        "P",
        header["cell"],
        header["degree"],
        basix.LagrangeVariant(header["variant"]),
        shape=(points.shape[1],),
        dtype=points.dtype,
    )


def _element(cell: str, dtype: np.dtype, description: Mapping[str, Any]) -> Any:
    return basix.ufl.element(
        "P",
        cell,
        description["degree"],
        basix.LagrangeVariant(description["variant"]),
        shape=tuple(description["shape"]),
        symmetry=description["symmetry"] or None,
        dpc_variant=basix.DPCVariant(description["dpc_variant"]),
        discontinuous=description["discontinuous"],
        dtype=dtype,
    )


def _tagged(domain: dmesh.Mesh, tags: dmesh.MeshTags, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cell and number in the cell (entities, 2), and tag (entities,), of the tagged entities of the owned cells."""
    entities = _entities(domain, tags.dim)[:count]
    rows = np.full(max(entities.max(initial=-1), tags.indices.max(initial=-1)) + 1, -1)
    rows[tags.indices] = np.arange(len(tags.indices))
    cells, places = np.nonzero(rows[entities] >= 0)
    first = domain.topology.index_map(domain.topology.dim).local_range[0]
    return np.column_stack([cells + first, places]), tags.values[rows[entities[cells, places]]]


def _tags(
    domain: dmesh.Mesh, rows: np.ndarray, dimension: int, tagged: np.ndarray, marks: np.ndarray
) -> dmesh.MeshTags:
    """Tags of the entities of this process, where `rows` are the numbers of its cells in the file."""
    entities = _entities(domain, dimension)
    local = np.full(max(rows.max(initial=-1), tagged[:, 0].max(initial=-1)) + 1, -1)
    local[rows] = np.arange(len(rows))
    mine = local[tagged[:, 0]] >= 0
    cells, places = local[tagged[mine, 0]], tagged[mine, 1]
    indices, first = np.unique(entities[cells, places], return_index=True)
    return dmesh.meshtags(domain, dimension, indices, marks[mine][first])


def _entities(domain: dmesh.Mesh, dimension: int) -> np.ndarray:
    """Entities (cells, entities of a cell) of all cells of this process."""
    topology = domain.topology
    if dimension == topology.dim:
        index = topology.index_map(dimension)
        return np.arange(index.size_local + index.num_ghosts, dtype=np.int32)[:, None]
    topology.create_entities(dimension)
    topology.create_connectivity(topology.dim, dimension)
    links = topology.connectivity(topology.dim, dimension)
    return links.array.reshape(links.num_nodes, -1)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the file and check it: an index out of range would abort the whole process in DOLFINx."""
    if not path.is_file():
        raise FileNotFoundError(f"load_checkpoint: expected a file, found none at {path}")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays["header"].tobytes())
        if header["format"] != _FORMAT:
            raise ValueError(f"expected the format {_FORMAT!r}, got {header['format']!r}")
        _check(header, arrays)
    except Exception as error:
        raise DatasetError(f"{path}: expected a whole checkpoint file, cannot read it: {error}") from error
    return header, arrays


def _check(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    points, cells = arrays["points"], arrays["cells"]
    coordinate = _coordinate_element(header, points)
    topology = basix.topology(coordinate.cell_type)
    if not np.isfinite(points).all() or points.shape[1] < len(topology) - 1:
        raise ValueError(f"expected finite points of {len(topology) - 1} dimensions or more")
    _check_indices("cells", cells, (len(cells), coordinate.dim // points.shape[1]), len(points))
    elements = [_element(header["cell"], points.dtype, description) for description in header["elements"]]
    for i, number in enumerate(header["functions"].values()):
        element, values = elements[number], arrays[f"values_{i}"]
        nodes = (len(cells), element.dim // element.block_size)
        _check_indices(f"dofs_{number}", arrays[f"dofs_{number}"], nodes, len(values))
        if values.ndim != 2 or values.shape[1] != element.block_size or values.dtype.kind not in "fc":
            raise ValueError(f"values_{i}: expected (nodes, {element.block_size}) numbers, got {values.shape}")
    for i, dimension in enumerate(header["tags"].values()):
        tagged, marks = arrays[f"tags_{i}"], arrays[f"marks_{i}"]
        _check_indices(f"tags_{i}", tagged[:, :1], (len(tagged), 1), len(cells))
        _check_indices(f"tags_{i}", tagged[:, 1:], (len(tagged), 1), len(topology[dimension]))
        if marks.shape != (len(tagged),) or marks.dtype.kind not in "if":
            raise ValueError(f"marks_{i}: expected ({len(tagged)},) numbers, got {marks.shape}")


def _check_indices(name: str, array: np.ndarray, shape: tuple[int, int], count: int) -> None:
    if array.dtype.kind != "i" or array.shape != shape or (array.size and not 0 <= array.min() <= array.max() < count):
        raise ValueError(f"{name}: expected {shape} indices from 0 to {count - 1}, got {array.shape} or others")
