"""The 88-line code of Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7, with NumPy and SciPy's direct solver.

The half MBB beam at volume 0.5 and penalty 3. Prints as JSON the compliance of each iteration and its CPU time [ms]:
python simp_88_lines.py NX NY RADIUS density|sensitivity ITERATIONS
"""

import json
import sys
import time

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

VOID, PENALTY, FRACTION, MOVE, NU = 1e-9, 3, 0.5, 0.2, 0.3


def element_matrix():
    """Stiffness (8, 8) of a unit square of modulus 1 in plane stress."""
    a = np.array([[12, 3, -6, -3], [3, 12, 3, 0], [-6, 3, 12, -3], [-3, 0, -3, 12]])
    b = np.array([[-6, -3, 0, 3], [-3, -6, -3, -6], [0, -3, -6, 3], [3, -6, 3, -6]])
    c = np.array([[-4, 3, -2, 9], [3, -4, -9, 4], [-2, -9, -4, -3], [9, 4, -3, -4]])
    d = np.array([[2, -3, 4, -9], [-3, 2, 9, -2], [4, 9, 2, 3], [-9, -2, 3, 2]])
    return (np.block([[a, b], [b.T, a]]) + NU * np.block([[c, d], [d.T, c]])) / (1 - NU**2) / 24


def hat(nx, ny, radius):
    """Weights (cells, cells) of the filter, and their sums (cells,)."""
    i, j = (index.ravel() for index in np.indices((nx, ny)))
    reach = int(np.ceil(radius)) - 1
    rows, columns, weights = [], [], []
    for dx, dy in np.ndindex(2 * reach + 1, 2 * reach + 1):
        k, m = i + dx - reach, j + dy - reach
        inside = (k >= 0) & (k < nx) & (m >= 0) & (m < ny)
        rows.append((i * ny + j)[inside])
        columns.append((k * ny + m)[inside])
        weights.append(np.full(inside.sum(), max(0.0, radius - np.hypot(dx - reach, dy - reach))))
    matrix = sparse.csr_array((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))))
    return matrix, matrix.sum(axis=1)


def optimize(nx, ny, radius, kind, iterations):
    """Yield the compliance and the CPU time [ms] of each iteration."""
    element, size = element_matrix(), 2 * (nx + 1) * (ny + 1)
    i, j = (index.ravel() for index in np.indices((nx, ny)))
    offsets = np.array([2, 3, 2 * ny + 4, 2 * ny + 5, 2 * ny + 2, 2 * ny + 3, 0, 1])
    dofs = 2 * ((ny + 1) * i + j)[:, None] + offsets
    rows, columns = dofs.repeat(8, axis=1).ravel(), np.tile(dofs, 8).ravel()
    free = np.setdiff1d(np.arange(size), [*range(0, 2 * (ny + 1), 2), size - 1])
    load, u = np.zeros(size), np.zeros(size)
    load[1] = -1
    H, sums = hat(nx, ny, radius)
    x = density = np.full(nx * ny, FRACTION)
    for _ in range(iterations):
        began = time.process_time()
        E = VOID + density**PENALTY * (1 - VOID)
        entries = (element.ravel() * E[:, None]).ravel()
        K = sparse.coo_array((entries, (rows, columns)), shape=(size, size)).tocsc()
        u[free] = spsolve(K[free][:, free], load[free])
        energy = (u[dofs] @ element * u[dofs]).sum(axis=1)
        dc, dv = -PENALTY * density ** (PENALTY - 1) * (1 - VOID) * energy, np.ones(nx * ny)
        if kind == "sensitivity":
            dc = H @ (x * dc) / sums / np.maximum(1e-3, x)
        else:
            dc, dv = H @ (dc / sums), H @ (dv / sums)
        low, high = 0.0, 1e9
        while (high - low) / (low + high) > 1e-3:
            middle = (low + high) / 2
            new = np.clip(x * np.sqrt(-dc / dv / middle), np.maximum(0, x - MOVE), np.minimum(1, x + MOVE))
            density = new if kind == "sensitivity" else H @ new / sums
            low, high = (middle, high) if density.sum() > FRACTION * nx * ny else (low, middle)
        change, x = np.abs(new - x).max(), new
        yield float(E @ energy), 1e3 * (time.process_time() - began)
        if change <= 0.01:
            return


if __name__ == "__main__":
    nx, ny, radius, kind, iterations = sys.argv[1:]
    compliance, milliseconds = zip(*optimize(int(nx), int(ny), float(radius), kind, int(iterations)), strict=True)
    json.dump({"compliance": compliance, "cpu_ms": milliseconds}, sys.stdout)
