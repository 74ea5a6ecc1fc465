"""What all terms of a density share: the checked field, how dense a solid cell is, the mean over the cells."""

from collections.abc import Callable

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Grid, check

type Pull = Callable[[np.ndarray], np.ndarray]
"""From the derivative by a result to that by its argument."""

SOLID = 0.5
"""Density above which a cell counts as solid in hard figures."""


def density_spec(name: str, shape: tuple[int, ...]) -> FieldSpec:
    """Spec of a density on a 2D or 3D grid of cells of edge 1."""
    if len(shape) not in (2, 3):
        raise ContractError(f"'{name}': expected a field (batch, nx, ny) or (batch, nx, ny, nz), got a grid {shape}")
    return FieldSpec(name, Grid(shape, (0.0,) * len(shape), tuple(map(float, shape))))


def density(arrays: Arrays, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Take the field `name` (batch, *grid) out of `arrays` after a check.

    Args:
        arrays: Inputs and outputs of a model.
        name: Which one.
        shape: The grid it has to have; None takes any in 2D or 3D.

    Raises:
        ContractError: It is missing or has another shape.
        NotFiniteError: It holds NaN or infinity.
    """
    if name not in arrays:
        raise ContractError(f"expected the field '{name}', got {sorted(arrays)}: name the field that the term is for")
    spec = density_spec(name, np.shape(arrays[name])[1:] if shape is None else shape)
    return check({name: arrays[name]}, (spec,), "array")[name].astype(float)


def cell_mean(field: np.ndarray) -> np.ndarray:
    """Mean (batch,) over the cells of a field (batch, *grid)."""
    return field.reshape(len(field), -1).mean(axis=1)
