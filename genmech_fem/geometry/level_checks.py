"""Checks of what is meshed: fields on pixels, and the settings of the background grid."""

from collections.abc import Sequence

import numpy as np

_LEAST = 4  # pixels along each side
_AXES = {2: "(nx, ny)", 3: "(nx, ny, nz)"}


def checked_field(name: str, values: np.ndarray, dimensions: Sequence[int] = (2, 3)) -> np.ndarray:
    """Finite real numbers on pixels or voxels, as float64.

    Raises:
        ValueError: They are no such numbers, or too few along an axis.
    """
    field = np.asarray(values)
    if field.dtype.kind not in "fiub" or field.ndim not in dimensions or min(field.shape) < _LEAST:
        axes = " or ".join(_AXES[n] for n in dimensions)
        raise ValueError(
            f"{name}: expected real numbers {axes} on at least {_LEAST} pixels a side, "
            f"got {field.dtype} of shape {field.shape}"
        )
    if not np.isfinite(field).all():
        raise ValueError(f"{name}: expected finite values, got NaN or infinity")
    return field.astype(np.float64)


def checked_refine(caller: str, refine: int, snap: float) -> int:
    """The number of background cells along each side of a pixel; `snap` is checked with it.

    Raises:
        ValueError: One of them is out of its range.
    """
    if refine != int(refine) or refine < 1:
        raise ValueError(f"{caller}.refine: expected a whole number of at least 1, got {refine}")
    if not 0 <= snap < 0.5:
        raise ValueError(f"{caller}.snap: expected 0 <= snap < 0.5, got {snap}")
    return int(refine)
