"""The threshold of a density at which the mesh of its solid has a wanted volume."""

import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.splines_on_grids import on_lattice
from genmech_fem.geometry.stuffing import two_phase_triangles
from genmech_fem.geometry.stuffing3d import tetrahedra

_SAMPLES = 2  # of the level along each side of a pixel
_EXACT = 0.001  # error of the volume at which the search for the threshold ends
_WRONG = 0.005  # error that is refused
_MESHES = 8  # most meshes of that search


def at_volume(level: np.ndarray, wanted: float, box: Grid, refine: int, snap: float) -> tuple[Mesh, float]:
    """The mesh of solid and void whose solid has the wanted share of the box, and the threshold.

    Args:
        level: Density (nx, ny[, nz]) at the centres of the pixels.
        wanted: Share of the box.
        box: The pixels.
        refine: Background cells along each side of a pixel.
        snap: As of `conforming_mesh`.

    Raises:
        MeshingError: There is no such threshold.
    """
    positions = [(np.arange(n * _SAMPLES) + 0.5) / _SAMPLES for n in level.shape]
    values = np.sort(on_lattice(level, positions, periodic=False), axis=None)
    mesh_of = two_phase_triangles if level.ndim == 2 else tetrahedra
    guess = float(np.quantile(values, 1 - wanted))
    tries: list[tuple[float, float, Mesh]] = []
    while len(tries) < _MESHES:
        threshold = guess
        mesh = mesh_of(level - threshold, box.lower, box.upper, False, refine, snap)
        error = wanted - float(mesh.tags @ mesh.measures()) / float(np.prod(np.subtract(box.upper, box.lower)))
        tries.append((error, threshold, mesh))
        if abs(error) <= _EXACT * wanted:
            break
        guess = _next_threshold(values, wanted, [(e, t) for e, t, _ in tries])
    error, threshold, mesh = min(tries, key=lambda found: abs(found[0]))
    if abs(error) > _WRONG * wanted:
        raise MeshingError(
            f"design_mesh: expected a threshold where the solid fills {wanted:.3g} of the box, the nearest is off by "
            f"{abs(error):.2g}: many pixels have the same density, take another volume or smooth it"
        )
    return mesh, threshold


def _next_threshold(values: np.ndarray, wanted: float, tries: list[tuple[float, float]]) -> float:
    """Threshold to try after those with known errors of the volume, which grow with it."""
    low_error, low = max(((e, t) for e, t in tries if e < 0), default=(wanted - 1, values[0]), key=lambda x: x[1])
    high_error, high = min(((e, t) for e, t in tries if e > 0), default=(wanted, values[-1]), key=lambda x: x[1])
    if len(tries) % 3 == 0 or not low < high:
        return float(low + high) / 2
    if len({e > 0 for e, _ in tries}) == 2:
        return float(low - low_error * (high - low) / (high_error - low_error))
    error, threshold = tries[-1]
    guess = float(np.quantile(values, np.clip(np.searchsorted(values, threshold) / len(values) - error, 0, 1)))
    return guess if low < guess < high else float(low + high) / 2
