"""The file of a checkpoint: arrays, and a header in JSON that tells elements, functions and tags."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import basix
import basix.ufl
import numpy as np
from dolfinx import fem

from genmech_fem.drafts import write_atomic
from genmech_fem.errors import DatasetError

_FORMAT = "genmech_fem checkpoint 1"


def write_checkpoint(path: Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write the file, whole or not at all."""
    text = json.dumps({"format": _FORMAT, **header}).encode()
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays, header=np.frombuffer(text, np.uint8))
    write_atomic(path, buffer.getvalue())


def element_description(name: str, space: fem.FunctionSpace) -> dict[str, Any]:
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


def coordinate_element(header: Mapping[str, Any], points: np.ndarray) -> Any:
    """The element of the mesh."""
    return basix.ufl.element(
        "P",
        header["cell"],
        header["degree"],
        basix.LagrangeVariant(header["variant"]),
        shape=(points.shape[1],),
        dtype=points.dtype,
    )


def lagrange_element(cell: str, dtype: np.dtype, description: Mapping[str, Any]) -> Any:
    """The element that was described."""
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


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
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
    coordinate = coordinate_element(header, points)
    topology = basix.topology(coordinate.cell_type)
    if not np.isfinite(points).all() or points.shape[1] < len(topology) - 1:
        raise ValueError(f"expected finite points of {len(topology) - 1} dimensions or more")
    _check_indices("cells", cells, (len(cells), coordinate.dim // points.shape[1]), len(points))
    elements = [lagrange_element(header["cell"], points.dtype, description) for description in header["elements"]]
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
