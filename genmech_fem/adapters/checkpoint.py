"""A mesh, its tags and functions in one file, exactly, to go on with later on any number of processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from genmech_fem.adapters.checkpoint_file import (
    coordinate_element,
    element_description,
    lagrange_element,
    read_checkpoint,
    write_checkpoint,
)
from genmech_fem.adapters.processes import at_root, gathered
from genmech_fem.adapters.vtk_grid import mesh_of


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
    domain = mesh_of(functions)
    header, arrays = _of_mesh(domain)
    for part in (_of_functions(domain, functions), _of_tags(domain, tags or {})):
        header, arrays = header | part[0], arrays | part[1]
    at_root(domain.comm, lambda: write_checkpoint(path, header, arrays))


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
    header, arrays = read_checkpoint(path)
    points, cells = arrays["points"], arrays["cells"]
    part = slice(None) if comm.rank == 0 else slice(0)
    domain = dmesh.create_mesh(comm, cells[part], coordinate_element(header, points), points[part])
    rows = domain.topology.original_cell_index
    elements = [lagrange_element(header["cell"], points.dtype, description) for description in header["elements"]]
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


type _Part = tuple[dict[str, Any], dict[str, np.ndarray]]
"""Entries of the header, and arrays; those of the whole mesh are on process 0 only."""


def _of_mesh(domain: dmesh.Mesh) -> _Part:
    geometry = domain.geometry
    (coordinate,) = geometry.cmaps
    header = {
        "cell": domain.topology.cell_name(),
        "degree": int(coordinate.degree),
        "variant": int(coordinate.variant),
    }
    own = geometry.x[: geometry.index_map().size_local, : geometry.dim]
    cells = _numbers(geometry.index_map(), geometry.dofmaps[0][: _count(domain)])
    return header, {"points": gathered(domain.comm, own), "cells": gathered(domain.comm, cells)}


def _of_functions(domain: dmesh.Mesh, functions: Mapping[str, fem.Function]) -> _Part:
    elements: list[dict[str, Any]] = []
    numbers, arrays = {}, {}
    for i, (name, function) in enumerate(functions.items()):
        space = function.function_space
        if space.mesh.topology is not domain.topology:
            raise ValueError(f"'{name}': expected functions on one mesh, got one on another mesh")
        element, index = element_description(name, space), space.dofmap.index_map
        if element not in elements:
            nodes = _numbers(index, space.dofmap.list[: _count(domain)])
            arrays[f"dofs_{len(elements)}"] = gathered(domain.comm, nodes)
            elements.append(element)
        numbers[name] = elements.index(element)
        values = function.x.array.reshape(-1, space.dofmap.index_map_bs)[: index.size_local]
        arrays[f"values_{i}"] = gathered(domain.comm, values)
    return {"elements": elements, "functions": numbers}, arrays


def _of_tags(domain: dmesh.Mesh, tags: Mapping[str, dmesh.MeshTags]) -> _Part:
    arrays = {}
    for i, (name, tag) in enumerate(tags.items()):
        if tag.topology is not domain.topology._cpp_object and tag.topology is not domain.topology:
            raise ValueError(f"'{name}': expected tags of the functions' mesh, got those of another mesh")
        places, values = _tagged(domain, tag)
        arrays[f"tags_{i}"], arrays[f"marks_{i}"] = gathered(domain.comm, places), gathered(domain.comm, values)
    return {"tags": {name: int(tag.dim) for name, tag in tags.items()}}, arrays


def _count(domain: dmesh.Mesh) -> int:
    """Number of cells that this process owns."""
    return int(domain.topology.index_map(domain.topology.dim).size_local)


def _numbers(index: Any, nodes: np.ndarray) -> np.ndarray:
    """Numbers of nodes in the whole mesh."""
    return index.local_to_global(np.ascontiguousarray(nodes.ravel())).reshape(nodes.shape)


def _tagged(domain: dmesh.Mesh, tags: dmesh.MeshTags) -> tuple[np.ndarray, np.ndarray]:
    """Cell and number in the cell (entities, 2), and tag (entities,), of the tagged entities of the owned cells."""
    entities = _entities(domain, tags.dim)[: _count(domain)]
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
