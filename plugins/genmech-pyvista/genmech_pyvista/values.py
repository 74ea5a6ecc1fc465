"""Vectors and tensors as VTK has them: three components along each axis, those out of the plane zero."""

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec
from genmech_pyvista.arrays import MeshArray


def as_values(array: MeshArray, spec: FieldSpec) -> np.ndarray:
    """Values (points or cells, *value_shape), of vectors and tensors in the plane too, which VTK pads with zeros.

    Raises:
        ContractError: The array has other components, or some out of the plane that are not zero.
    """
    count, size = array.values.shape
    padded = tuple(3 if n == 2 else n for n in spec.value_shape)
    if size == np.prod(spec.value_shape, dtype=int):
        return array.values.reshape(count, *spec.value_shape)
    if size != np.prod(padded, dtype=int):
        raise ContractError(
            f"'{array.label}': expected the value shape {spec.value_shape}, got {size} components: give as many"
        )
    whole, plane = array.values.reshape(count, *padded), (slice(None), *(slice(n) for n in spec.value_shape))
    rest = whole.copy()
    rest[plane] = 0.0
    if rest.any():
        raise ContractError(
            f"'{array.label}': expected the value shape {spec.value_shape}, got components out of the plane that are "
            "not zero: drop them yourself"
        )
    return whole[plane]
