"""Arrays of a mesh by the name and unit of a spec."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyvista

from genmech_fem.errors import ContractError
from genmech_fem.fields import ScalarSpec, Spec

type Association = Literal["points", "cells"]

ORDER: Mapping[Association, tuple[Association, ...]] = {"points": ("points", "cells"), "cells": ("cells", "points")}
"""Where to look for an array first, and where then."""


NUMBERS = "fiub"
"""Kinds of numpy's real numbers."""


@dataclass(frozen=True, eq=False)
class MeshArray:
    """Values of a field on a mesh.

    Args:
        label: Name of the array, with its unit if it says one.
        at: What has the values.
        values: Values (points or cells, components).
    """

    label: str
    at: Association
    values: np.ndarray


def label(spec: Spec, what: str = "") -> str:
    """Name of an array with its unit, as ``u [mm]``, or ``u error [mm]`` of something about it."""
    name = f"{spec.name} {what}" if what else spec.name
    return name if spec.unit in ("", "1") else f"{name} [{spec.unit}]"


def data_of(mesh: pyvista.DataSet, at: Association) -> pyvista.DataSetAttributes:
    """Point or cell data of a mesh."""
    return mesh.point_data if at == "points" else mesh.cell_data


def mesh_array(mesh: pyvista.DataSet, name: str, at: Association) -> MeshArray:
    """An array of a mesh as floating-point numbers.

    Raises:
        ContractError: It holds no real numbers.
    """
    values = np.asarray(data_of(mesh, at)[name])
    if values.dtype.kind not in NUMBERS:
        raise ContractError(f"'{name}': expected real numbers, got dtype {values.dtype}")
    return MeshArray(name, at, values.reshape(len(values), -1).astype(np.float64))


def find(mesh: pyvista.DataSet, spec: Spec, prefer: Association) -> MeshArray | None:
    """The array of a field, named with or without its unit; None if the mesh has none.

    Args:
        mesh: The mesh.
        spec: Spec of the field.
        prefer: Which of two arrays of one name to take.
    """
    for at in ORDER[prefer]:
        for name in (label(spec), spec.name):
            if name in data_of(mesh, at):
                return mesh_array(mesh, name, at)
    return None


def find_field(mesh: pyvista.DataSet, spec: Spec, prefer: Association) -> MeshArray:
    """The array of a field.

    Raises:
        ContractError: The mesh has none, or in another unit.
    """
    found = find(mesh, spec, prefer)
    if found is None:
        raise missing("point or cell data", spec, [*mesh.point_data, *mesh.cell_data])
    return found


def find_vector(mesh: pyvista.DataSet, spec: ScalarSpec) -> np.ndarray:
    """Numbers (size,) of a vector in the field data.

    Raises:
        ContractError: The mesh has none, or of another size.
    """
    names = [name for name in (label(spec), spec.name) if name in mesh.field_data]
    if not names:
        raise missing("field data", spec, list(mesh.field_data))
    values = np.asarray(mesh.field_data[names[0]])
    if values.dtype.kind not in NUMBERS or values.size != spec.size:
        raise ContractError(f"'{names[0]}': expected {spec.size} real numbers, got {values.size} of {values.dtype}")
    return values.ravel().astype(np.float64)


def missing(kind: str, spec: Spec, there: list[str]) -> ContractError:
    """The error that names what the mesh has instead."""
    units = [name for name in there if name.startswith(f"{spec.name} [")]
    if units:
        return ContractError(f"expected '{label(spec)}', got {units}: convert it to [{spec.unit}]")
    return ContractError(f"expected the {kind} '{label(spec)}', there are {sorted(there) or 'none'}: rename or add it")
