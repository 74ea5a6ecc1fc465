"""A mesh as arrays of a sample, so that data sets hold the mesh of each sample beside its fields."""

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Points
from genmech_fem.geometry.mesh import DIMENSIONS, NODES, Mesh


def mesh_specs(cell_type: str, unit: str = "m") -> tuple[FieldSpec, FieldSpec, FieldSpec]:
    """Specs of the arrays of a mesh of plane or solid cells; each is padded, with a mask.

    Args:
        cell_type: ``"triangle"``, ``"quad"``, ``"tetra"`` or ``"hexahedron"``.
        unit: Unit of the coordinates.

    Returns:
        ``mesh.points`` (batch, dimension, nodes), ``mesh.cells`` (batch, nodes of a cell, cells), the node
        numbers, and ``mesh.tags`` (batch, cells), the phases.

    Raises:
        ValueError: There is no such type.
    """
    if cell_type not in DIMENSIONS:
        raise ValueError(f"mesh_specs: expected one of {sorted(DIMENSIONS)}, got {cell_type!r}")
    dimension = DIMENSIONS[cell_type]
    return (
        FieldSpec("mesh.points", Points(dimension), (dimension,), unit),
        FieldSpec("mesh.cells", Points(dimension), (NODES[cell_type],)),
        FieldSpec("mesh.tags", Points(dimension)),
    )


def mesh_arrays(mesh: Mesh) -> dict[str, np.ndarray]:
    """Arrays of one plane or solid mesh as `mesh_specs` describes them, a batch of one.

    Raises:
        ContractError: It is a surface in space.
    """
    if mesh.dimension != DIMENSIONS[mesh.cell_type]:
        raise ContractError(f"mesh_arrays: expected a plane or solid mesh, got a surface of {mesh.cell_type}s in space")
    arrays = {"mesh.points": mesh.points.T[None], "mesh.cells": mesh.cells.T[None], "mesh.tags": mesh.tags[None]}
    return arrays | {f"{name}.mask": np.ones((1, a.shape[-1]), dtype=bool) for name, a in arrays.items()}


def mesh_of(arrays: Arrays, sample: int = 0) -> Mesh:
    """The mesh of a sample, from what `mesh_arrays` made, padding left out.

    Raises:
        ContractError: The arrays hold no mesh.
        MeshingError: They hold a bad one.
    """
    try:
        points, cells, tags = (
            arrays[name][sample][..., arrays[f"{name}.mask"][sample]]
            for name in ("mesh.points", "mesh.cells", "mesh.tags")
        )
    except KeyError as error:
        raise ContractError(f"mesh_of: expected the arrays of mesh_specs, got {sorted(arrays)}") from error
    types = {(DIMENSIONS[name], NODES[name]): name for name in DIMENSIONS}
    shape = len(points), len(cells)
    if shape not in types:
        raise ContractError(f"mesh_of: expected (dimension, nodes of a cell) in {sorted(types)}, got {shape}")
    return Mesh(points.T, cells.T.astype(np.int64), types[shape], tags.astype(np.int32))
