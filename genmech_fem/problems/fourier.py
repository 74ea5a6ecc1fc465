"""Conjugate gradients for periodic voxel cells, preconditioned by the solution of a homogeneous cell.

On a regular grid the matrix of a homogeneous medium is diagonal in Fourier space, and its
inverse costs two fast Fourier transforms; the number of iterations then depends on the
contrast of the moduli, not on the grid. Moulinec and Suquet (1998),
doi:10.1016/S0045-7825(97)00218-1; on finite-element grids Leute et al. (2022), doi:10.1016/j.jcp.2021.110931.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, sparse

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.petsc import PETSc
from genmech_fem.problems.voxels import Voxels


@dataclass(frozen=True)
class Fourier:
    """Settings of the conjugate gradients.

    Args:
        tolerance: Residual relative to the loads; beyond a contrast of 1e3 it is lowered in proportion. The
            error of the effective tensor is of its square: 1e-6 leaves 1e-12, and 1e-6 of the local fields.
        iterations: Most iterations.
    """

    tolerance: float = 1e-6
    iterations: int = 2000

    def __post_init__(self) -> None:
        if not (0 < self.tolerance < 1 and self.iterations >= 1):
            raise ValueError(f"Fourier: expected 0 < tolerance < 1 and iterations >= 1, got {self}")


class FourierSolver:
    """Solver of K w = b for several right-hand sides, K singular for constants only.

    K is linear in the coefficients of the cells. On a grid one product of matrices makes it from the
    rows that belong to one node, at a fraction of the cost of an assembly cell by cell.

    Args:
        grid: The voxels.
        stencils: Rows of a node if one of the cells around it has one coefficient 1, all others 0, shape
            (cells around a node, coefficients, components, 3^dimension neighbours, components).
        loads: Number of right-hand sides.
        settings: Tolerance and number of iterations.
    """

    def __init__(self, grid: Voxels, stencils: np.ndarray, loads: int, settings: Fourier) -> None:
        self._grid, self._stencils, self._settings = grid, stencils, settings
        components, dimension = stencils.shape[-1], len(grid.shape)
        self._fields, self._axes = (loads, *grid.shape, components), tuple(range(1, 1 + dimension))
        nodes = np.indices(grid.shape).reshape(dimension, -1, 1) + _offsets(dimension, -1, 1)[:, None]
        neighbours = np.ravel_multi_index(tuple(nodes), grid.shape, mode="wrap").astype(np.int32)
        columns = neighbours[:, None, :, None] * np.int32(components) + np.arange(components, dtype=np.int32)
        columns = np.repeat(columns, components, axis=1)
        self._data = np.empty(columns.size)
        self._product = _Product(columns.reshape(len(columns) * components, -1), self._data, loads)

    def factorise(self, coefficients: np.ndarray) -> None:
        """Take over the coefficients of the mesh's cells (cells, coefficients)."""
        field = coefficients[self._grid.cells].reshape(*self._grid.shape, -1)
        axes = tuple(range(len(self._grid.shape)))
        around = np.stack([np.roll(field, -o, axes) for o in _offsets(len(axes), -1, 0).T], axis=-2)
        rows = self._stencils.reshape(around.shape[-2] * around.shape[-1], -1)
        np.matmul(around.reshape(len(coefficients), -1), rows, out=self._data.reshape(len(coefficients), -1))
        self._product.update()
        sizes = np.linalg.norm(coefficients, axis=1, keepdims=True)
        # stiff cells dominate the loads: beside them the forces in soft cells look small
        self._tolerance = self._settings.tolerance * min(1.0, 1e3 * sizes.min() / sizes.max())
        mean = (coefficients / sizes).mean(axis=0)
        self._green = _inverse_symbol(np.einsum("p,opinj->nij", mean, self._stencils), self._grid.shape)

    def solve(self, rhs: np.ndarray) -> np.ndarray:
        """Solve for right-hand sides (dofs, loads) whose sum over the nodes is zero; the solutions have mean zero.

        Raises:
            ConvergenceError: The residual is too large after all iterations.
        """
        right = np.ascontiguousarray(rhs.T)
        residual, direction, solution = right.copy(), np.zeros_like(right), np.zeros_like(right)
        goals, old = self._tolerance**2 * _dot(right, right), np.ones(len(right))
        for _ in range(self._settings.iterations):
            if (_dot(residual, residual) <= goals).all():
                break
            z = self._precondition(residual)
            new = _dot(residual, z)
            direction *= (new / old)[:, None]
            direction += z
            image = self._product(direction)
            curvature = _dot(direction, image)
            length = np.divide(new, curvature, out=np.zeros_like(new), where=curvature > 0)
            solution += length[:, None] * direction
            residual -= length[:, None] * image
            old = np.where(new > 0, new, 1.0)
        error = self._product(solution) - right
        if not (_dot(error, error) <= 4 * goals).all():
            left = np.sqrt(_dot(error, error).max() / _dot(right, right).max())
            raise ConvergenceError(
                f"conjugate gradients with a Fourier preconditioner left a relative residual of {left:.1e} (tolerance "
                f"{self._tolerance:.0e}) after {self._settings.iterations} iterations: take more iterations, "
                "method=Fourier(iterations=...), a lower contrast, or method='assembled'"
            )
        return solution.T

    def _precondition(self, residual: np.ndarray) -> np.ndarray:
        """Solution of the homogeneous cell (loads, dofs)."""
        hat = fft.rfftn(residual.reshape(self._fields), axes=self._axes)
        out = np.empty_like(hat)
        for i, row in enumerate(self._green):
            out[..., i] = sum(symbol * hat[..., j] for j, symbol in enumerate(row))
        return fft.irfftn(out, s=self._fields[1:-1], axes=self._axes).reshape(residual.shape)


class _Product:
    """Product of a matrix, equally many entries a row, and several vectors; PETSc's is twice as fast as SciPy's.

    Args:
        columns: Column of each entry (rows, entries).
        data: Entries in the same order, which may change before `update`.
        loads: Number of vectors.
    """

    def __init__(self, columns: np.ndarray, data: np.ndarray, loads: int) -> None:
        size, entries = columns.shape
        arrays = data, columns.ravel(), np.arange(0, columns.size + 1, entries, dtype=np.int32)
        if PETSc is None:
            self._scipy = sparse.csr_array(arrays, shape=(size, size))
            return
        pointers, indices = (array.astype(PETSc.IntType, copy=False) for array in arrays[:0:-1])
        self._petsc = PETSc.Mat().createAIJWithArrays((size, size), (pointers, indices, data), comm=PETSc.COMM_SELF)
        self._given, self._found = np.zeros((loads, size)), np.zeros((loads, size))
        self._dense = [
            PETSc.Mat().createDense((size, loads), array=array.ravel(), comm=PETSc.COMM_SELF)
            for array in (self._given, self._found)
        ]

    def update(self) -> None:
        """Take over the present entries."""
        if PETSc is not None:
            self._petsc.stateIncrease()

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Products (loads, rows), to be read before the next call."""
        if PETSc is None:
            return np.ascontiguousarray((self._scipy @ np.ascontiguousarray(vectors.T)).T)
        self._given[:] = vectors
        self._petsc.matMult(*self._dense)
        return self._found


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ki,ki->k", a, b)


def _offsets(dimension: int, first: int, last: int) -> np.ndarray:
    """All (dimension, count) vectors of integers from first to last."""
    return np.indices((last - first + 1,) * dimension).reshape(dimension, -1) + first


def _inverse_symbol(stencil: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Inverse of the homogeneous matrix at each frequency, zero at frequency zero (components, components, *half).

    Args:
        stencil: Rows of one node (3^dimension neighbours, components, components).
        shape: Nodes along each axis.
    """
    components, dimension = stencil.shape[-1], len(shape)
    kernel = np.zeros((*shape, components, components))
    for offset, rows in zip(_offsets(dimension, -1, 1).T, stencil, strict=True):
        kernel[tuple(offset % shape)] += rows
    symbol = np.conj(fft.rfftn(kernel, axes=tuple(range(dimension))))
    zero = (0,) * dimension
    symbol[zero] = np.eye(components)
    inverse = np.linalg.inv(symbol)
    inverse[zero] = 0.0
    return np.ascontiguousarray(np.moveaxis(inverse, (-2, -1), (0, 1)))
