"""Meshes whose phases fill the share that the level set itself gives them."""

from collections.abc import Callable

import numpy as np

from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.splines_on_grids import on_lattice

_CLOSE = 0.003  # of the image
_CLOSE_OF_PHASE = 0.03
_ROUNDS = 8
_POINTS = 2_000_000  # samples of the level set, about


def positive_share(field: np.ndarray, *, periodic: bool) -> float:
    """Share of the image in which the cubic spline through the pixels is positive.

    The spline is sampled, and each sample stands for a small box that a plane cuts.

    Args:
        field: Values (nx, ny[, nz]) at the pixel centres.
        periodic: Whether the image repeats.
    """
    samples = int(np.clip(round((_POINTS / field.size) ** (1 / field.ndim)), 1, 3))
    positions = [np.arange(-0.5, n * samples + 1) / samples for n in field.shape]
    level = on_lattice(field, positions, periodic=periodic)
    inner = (slice(1, -1),) * field.ndim
    middle = level[inner]
    curvature, steepness = np.zeros_like(middle), np.zeros_like(middle)
    for axis in range(field.ndim):
        falls, rises = (level[*inner[:axis], end, *inner[axis + 1 :]] for end in (slice(None, -2), slice(2, None)))
        curvature += rises + falls - 2 * middle
        steepness += (rises - falls) ** 2 / 4
    flat = steepness <= np.finfo(float).tiny
    shares = 0.5 + (middle + curvature / 24) / np.sqrt(np.where(flat, 1.0, steepness))
    return float(np.where(flat, middle > 0, np.clip(shares, 0.0, 1.0)).mean())


def with_own_fraction(field: np.ndarray, build: Callable[[np.ndarray], Mesh], *, periodic: bool, refine: int) -> Mesh:
    """Mesh a level set so that phase 1 fills the share in which the level set is positive.

    Straight cell sides cut the corners of a curved interface. Where that matters, a small offset
    of the level restores the share; its linear interpolant tells how large it has to be.

    Args:
        field: Level set (nx, ny[, nz]) at the pixel centres, positive in phase 1.
        build: Makes the mesh of a level set.
        periodic: Whether the image repeats.
        refine: Background cells along each side of a pixel.
    """
    target = positive_share(field, periodic=periodic)
    if target in (0.0, 1.0):
        return build(field)
    close = min(_CLOSE, _CLOSE_OF_PHASE * min(target, 1 - target))
    linear = _linear(field, periodic=periodic, refine=refine)
    wanted, low, high = float((linear > 0).mean()), 0.0, 1.0
    offset = 0.0
    if abs(wanted - target) > close:
        wanted, offset = target, float(np.quantile(linear, 1 - target))
    made: list[tuple[float, int, Mesh]] = []
    while len(made) < _ROUNDS:
        mesh = build(field - offset)
        missing = target - float(mesh.phase_fractions()[1:].sum())
        made.append((abs(missing), len(made), mesh))
        if abs(missing) <= close:
            break
        low, high = (wanted, high) if missing > 0 else (low, wanted)
        wanted = wanted + missing if low < wanted + missing < high else (low + high) / 2
        offset = float(np.quantile(linear, 1 - wanted))
    return min(made)[2]


def _linear(field: np.ndarray, *, periodic: bool, refine: int, samples: int = 3) -> np.ndarray:
    """Samples of the multilinear interpolant of the spline on the background grid."""
    values = on_lattice(field, [np.arange(n * refine + 1) / refine for n in field.shape], periodic=periodic)
    shares = (np.arange(samples) + 0.5) / samples
    for axis in range(field.ndim):
        low, high = np.moveaxis(values, axis, 0)[:-1], np.moveaxis(values, axis, 0)[1:]
        values = np.moveaxis(np.concatenate([low + share * (high - low) for share in shares]), 0, axis)
    return values.ravel()
