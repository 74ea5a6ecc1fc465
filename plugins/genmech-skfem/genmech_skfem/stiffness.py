"""Stiffness matrices that are linear in one coefficient a cell, factorised by SciPy's SuperLU."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse import linalg
from skfem import Basis, BilinearForm, Element, ElementQuad1, MeshQuad

from genmech_fem.errors import ConvergenceError
from genmech_fem.fields import Grid

_TOLERANCE = 1e-4  # of the residual: a direct solver stays far below, unless the matrix is singular
_REMEDY = "check that the body is held, and that the coefficients are positive and not too far apart"

type Solve = Callable[[np.ndarray], np.ndarray]
"""From forces (dofs, loads) to displacements of the same shape."""


def pixel_basis(grid: Grid, element: Element | None = None) -> Basis:
    """A basis on the cells of a plane grid, which are in the order of ``array.ravel()``.

    Args:
        grid: The cells.
        element: ``ElementQuad1()``, which is the default, or ``ElementVector(ElementQuad1())``.

    Raises:
        ValueError: The grid is not one of cells in 2D.
    """
    if grid.at != "cells" or grid.dimension != 2:
        raise ValueError(f"pixel_basis: expected a grid of cells in 2D, got {grid}")
    axes = [np.linspace(a, b, n + 1) for a, b, n in zip(grid.lower, grid.upper, grid.shape, strict=True)]
    return Basis(MeshQuad.init_tensor(*axes), element or ElementQuad1(), intorder=2)


class Stiffness:
    r"""The sum :math:`K(c) = \sum_{a, e} c_{a e} K_{a e}` over forms a and cells e.

    Args:
        basis: Basis of the unknown.
        forms: Symmetric bilinear forms of a unit coefficient.
        dofs: Dofs of each cell (cells, local dofs): those of the basis, of which some may stand for others too.
        fixed: Dofs that are zero.
    """

    def __init__(self, basis: Basis, forms: Sequence[BilinearForm], *, dofs: np.ndarray, fixed: np.ndarray) -> None:
        self.units = np.stack([form.elemental(basis).tolocal() for form in forms])
        self._size, self._dofs, self._free = basis.N, dofs, np.setdiff1d(dofs, fixed)
        n, number = len(self._free), np.full(basis.N, -1)
        number[self._free] = np.arange(n)
        rows, columns = np.broadcast_arrays(number[dofs][:, :, None], number[dofs][:, None, :])
        self._kept = (rows >= 0) & (columns >= 0)
        places, self._slots = np.unique(columns[self._kept] * n + rows[self._kept], return_inverse=True)
        self._rows, self._starts = places % n, np.searchsorted(places // n, np.arange(n + 1))

    def local(self, fields: np.ndarray) -> np.ndarray:
        """Values (cells, local dofs, loads) of fields (dofs, loads)."""
        return fields[self._dofs]

    def energies(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Products (forms, cells, left loads, right loads) of local fields with the matrices of unit coefficients."""
        return left.swapaxes(1, 2) @ (self.units @ right)

    def forces(self, coefficients: np.ndarray, local: np.ndarray) -> np.ndarray:
        """Nodal forces (dofs, loads) of local fields (cells, local dofs, loads) and coefficients (forms, cells)."""
        parts = np.einsum("ae,aeil->lei", coefficients, self.units @ local)
        return np.stack([np.bincount(self._dofs.ravel(), part.ravel(), self._size) for part in parts], axis=1)

    def factorise(self, coefficients: np.ndarray) -> Solve:
        """Factorise K of coefficients (forms, cells); what returns solves with it as often as wanted.

        Raises:
            ConvergenceError: K is singular; `Solve` raises it where a solution does not satisfy the system.
        """
        entries = np.einsum("ae,aeij->eij", coefficients, self.units)[self._kept]
        matrix = sparse.csc_array((np.bincount(self._slots, entries), self._rows, self._starts))
        try:
            factor = linalg.splu(
                matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
            )
        except RuntimeError as error:
            raise ConvergenceError(f"SuperLU: the stiffness cannot be factorised ({error}): {_REMEDY}") from error

        def solve(forces: np.ndarray) -> np.ndarray:
            solution, right = np.zeros(forces.shape), forces[self._free]
            solution[self._free] = factor.solve(right)
            error = np.linalg.norm(matrix @ solution[self._free] - right, axis=0)
            if not (error <= _TOLERANCE * np.linalg.norm(right, axis=0)).all():  # also true for NaN
                raise ConvergenceError(f"SuperLU: the linear solve left a residual of {error.max():.1e}: {_REMEDY}")
            return solution

        return solve
