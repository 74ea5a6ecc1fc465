"""The phase field: a smoothed indicator from which the interface is recovered between pixels.

It is 1 in the inclusions, 0 in the matrix, 0.5 on the interface, and linear in the
signed distance over `RAMP` pixels, so that linear interpolation finds a straight
interface exactly.
"""

import numpy as np

from genmech_fem.fields import FieldSpec, Grid

RAMP = 2.0


def phase_grid(resolution: int, size: float = 1.0, dimension: int = 2) -> Grid:
    """Grid of a square or cubic cell of edge `size` [length] with `resolution` pixels a side."""
    return Grid((resolution,) * dimension, (0.0,) * dimension, (size,) * dimension)


def phase_spec(resolution: int, size: float = 1.0, dimension: int = 2) -> FieldSpec:
    """Spec of the phase field on `phase_grid`."""
    return FieldSpec("phase", phase_grid(resolution, size, dimension))


def phase_from_distance(distance: np.ndarray, pixel: float) -> np.ndarray:
    """Turn a signed distance [length], negative inside the inclusions, into the phase field."""
    return np.clip(0.5 - distance / (RAMP * pixel), 0.0, 1.0)


def phase_from_level(level: np.ndarray) -> np.ndarray:
    """Turn a periodic level set (*grid), positive inside the inclusions, into the phase field.

    The distance to the interface is taken as level / |gradient|, which is exact to first
    order; the 0.5 contour is the zero contour of `level`.
    """
    slopes = [(np.roll(level, -1, axis) - np.roll(level, 1, axis)) / 2 for axis in range(level.ndim)]
    steepness = np.sqrt(sum(slope**2 for slope in slopes))
    return phase_from_distance(-level / np.maximum(steepness, np.finfo(float).tiny ** 0.5), 1.0)


def phase_at_fraction(field: np.ndarray, volume_fraction: float) -> np.ndarray:
    """Phase field whose inclusions are the pixels with the highest `field` (*grid), periodic.

    The threshold is the quantile of this field, so the share of the pixels above 0.5 is
    `volume_fraction` to within one pixel (where values do not coincide).
    """
    return phase_from_level(field - np.quantile(field, 1 - volume_fraction))


def torus_offsets(points: np.ndarray, centre: np.ndarray, size: float) -> np.ndarray:
    """Shortest vectors from `centre` to `points` (points, dimension) on the torus of edge `size` [length]."""
    offset = points - centre
    return offset - size * np.round(offset / size)


def sharpen(phase: np.ndarray, gain: float = 1.2) -> np.ndarray:
    """Stretch the phase field about 0.5, so that faint grey of a generator becomes pure phase.

    The interface stays where it is.
    """
    return np.clip(0.5 + gain * (phase - 0.5), 0.0, 1.0)
