"""Conjugate gradients for periodic voxel cells, preconditioned by the solution of a homogeneous cell.

On a regular grid the matrix of a homogeneous medium is diagonal in Fourier space, and its
inverse costs two fast Fourier transforms; the number of iterations then depends on the
contrast of the moduli, not on the grid. Moulinec and Suquet (1998),
doi:10.1016/S0045-7825(97)00218-1; on finite-element grids Leute et al. (2022), doi:10.1016/j.jcp.2021.110931.
"""

from dataclasses import dataclass

import numpy as np
from dolfinx import fem, la
from scipy import fft

from genmech_fem.errors import ConvergenceError


@dataclass(frozen=True)
class Fourier:
    """Settings of the conjugate gradients.

    Args:
        tolerance: Residual relative to the loads. The error of the effective tensor is of its
            square: 1e-6 leaves 1e-12, and 1e-6 of the local fields.
        iterations: Most iterations.
    """

    tolerance: float = 1e-6
    iterations: int = 2000

    def __post_init__(self) -> None:
        if not (0 < self.tolerance < 1 and self.iterations >= 1):
            raise ValueError(f"Fourier: expected 0 < tolerance < 1 and iterations >= 1, got {self}")


def voxel_shape(space: fem.FunctionSpace) -> tuple[int, ...] | None:
    """Cells along each axis where the nodes of a periodic space are those of a regular grid in its order, else None."""
    domain = space.mesh
    if domain.basix_cell().name not in ("quadrilateral", "hexahedron") or space.element.basix_element.degree != 1:
        return None
    x = domain.geometry.x[:, : domain.geometry.dim]
    lower, upper = x.min(axis=0), x.max(axis=0)
    cells = domain.geometry.x[domain.geometry.dofmaps[0]][:, :, : domain.geometry.dim]
    size = np.ptp(cells[0], axis=0)
    shape = tuple(int(n) for n in np.round((upper - lower) / size))
    if np.prod(shape) != len(cells):
        return None
    corner = (cells - lower) / ((upper - lower) / shape)
    node = np.ravel_multi_index(tuple(np.moveaxis(np.round(corner).astype(int), -1, 0)), shape, mode="wrap")
    on_grid = np.allclose(corner, np.round(corner), atol=1e-6) and np.array_equal(node, space.dofmap.list)
    return shape if on_grid else None


class FourierSolver:
    """Solver of K w = b for several right-hand sides, K singular for constants only.

    Args:
        matrix: K, one row a dof, of nodes in the order of the grid.
        stencil: Rows of the homogeneous matrix that belong to one node, shape
            (*[3] * dimension, components, components): entry [offset + 1] couples the node with its neighbour.
        shape: Nodes along each axis.
        settings: Tolerance and number of iterations.
    """

    def __init__(self, matrix: la.MatrixCSR, stencil: np.ndarray, shape: tuple[int, ...], settings: Fourier) -> None:
        self._matrix, self._shape, self._axes = matrix, shape, tuple(range(len(shape)))
        self._settings = settings
        self._components = stencil.shape[-1]
        self._green = _inverse_symbol(stencil, shape)

    def factorise(self) -> None:
        """Nothing to do: the matrix is used as it is."""

    def solve(self, rhs: np.ndarray) -> np.ndarray:
        """Solve for right-hand sides (dofs, loads) whose sum over the nodes is zero; the solutions have mean zero.

        Raises:
            ConvergenceError: The residual is too large after all iterations.
        """
        K = self._matrix.to_scipy()
        solution, residual = np.zeros_like(rhs), rhs.copy()
        norms = np.linalg.norm(rhs, axis=0)
        active = norms > 0
        direction, old = np.zeros_like(rhs), np.ones(rhs.shape[1])
        for _ in range(self._settings.iterations):
            if (np.linalg.norm(residual, axis=0) <= self._settings.tolerance * norms).all():
                break
            z = self._precondition(residual)
            new = np.einsum("ij,ij->j", residual, z)
            direction *= np.where(active, new / old, 0.0)
            direction += z
            image = K @ direction
            curvature = np.einsum("ij,ij->j", direction, image)
            length = np.divide(new, curvature, out=np.zeros_like(new), where=active & (curvature > 0))
            solution += length * direction
            residual -= length * image
            old = np.where(new > 0, new, 1.0)
        return self._checked(K, solution, rhs, norms)

    def _checked(self, K: object, solution: np.ndarray, rhs: np.ndarray, norms: np.ndarray) -> np.ndarray:
        error = np.linalg.norm(K @ solution - rhs, axis=0)
        if not (error <= 2 * self._settings.tolerance * norms).all():
            raise ConvergenceError(
                f"conjugate gradients with a Fourier preconditioner left a residual of {error.max():.1e} of "
                f"{norms.max():.1e} after {self._settings.iterations} iterations: "
                "take more iterations, method=Fourier(iterations=...), a lower contrast, or method='assembled'"
            )
        return solution

    def _precondition(self, residual: np.ndarray) -> np.ndarray:
        """Solution of the homogeneous cell (dofs, loads)."""
        field = residual.reshape(*self._shape, self._components, -1)
        hat = fft.rfftn(field, axes=self._axes)
        out = np.empty_like(hat)
        for i in range(self._components):
            out[..., i, :] = self._green[i, 0][..., None] * hat[..., 0, :]
            for j in range(1, self._components):
                out[..., i, :] += self._green[i, j][..., None] * hat[..., j, :]
        return fft.irfftn(out, s=self._shape, axes=self._axes).reshape(residual.shape)


def _inverse_symbol(stencil: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Inverse of the homogeneous matrix at each frequency, zero at frequency zero (components, components, *half)."""
    components, dimension = stencil.shape[-1], len(shape)
    kernel = np.zeros((*shape, components, components))
    for offset in np.ndindex((3,) * dimension):
        kernel[tuple((np.array(offset) - 1) % shape)] += stencil[offset]
    symbol = np.conj(fft.rfftn(kernel, axes=tuple(range(dimension))))
    zero = (0,) * dimension
    symbol[zero] = np.eye(components)
    inverse = np.linalg.inv(symbol)
    inverse[zero] = 0.0
    return np.ascontiguousarray(np.moveaxis(inverse, (-2, -1), (0, 1)))
