"""The phase field: a smoothed indicator from which the interface is recovered between pixels.

It is 1 in the inclusions, 0 in the matrix, 0.5 on the interface, and linear in the
signed distance over `RAMP` pixels, so that linear interpolation finds a straight
interface exactly.
"""

import numpy as np

from genmech_fem.fields import FieldSpec, Grid

RAMP = 2.0


def phase_grid(resolution: int, size: float = 1.0) -> Grid:
    """Grid of a square cell of edge `size` [length] with `resolution` pixels a side."""
    return Grid((resolution, resolution), (0.0, 0.0), (size, size))


def phase_spec(resolution: int, size: float = 1.0) -> FieldSpec:
    """Spec of the phase field on `phase_grid`."""
    return FieldSpec("phase", phase_grid(resolution, size))


def phase_from_distance(distance: np.ndarray, pixel: float) -> np.ndarray:
    """Turn a signed distance [length], negative inside the inclusions, into the phase field."""
    return np.clip(0.5 - distance / (RAMP * pixel), 0.0, 1.0)


def torus_offsets(points: np.ndarray, centre: np.ndarray, size: float) -> np.ndarray:
    """Shortest vectors from `centre` to `points` (points, 2) on the torus of edge `size` [length]."""
    offset = points - centre
    return offset - size * np.round(offset / size)


def sharpen(phase: np.ndarray, gain: float = 1.2) -> np.ndarray:
    """Stretch the phase field about 0.5, so that faint grey of a generator becomes pure phase.

    The interface stays where it is.
    """
    return np.clip(0.5 + gain * (phase - 0.5), 0.0, 1.0)
