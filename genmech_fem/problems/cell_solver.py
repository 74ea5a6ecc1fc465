"""The correctors of a periodic cell, by a factorisation or by conjugate gradients in Fourier space."""

from typing import Literal

import numpy as np
from dolfinx import fem, la

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.cell_forms import CellForms
from genmech_fem.problems.forms import assemble, new_matrix
from genmech_fem.problems.fourier import Fourier, FourierSolver
from genmech_fem.problems.linear import LinearSolver
from genmech_fem.problems.problem import Snapshot
from genmech_fem.problems.solver_options import SolverOptions
from genmech_fem.problems.voxels import Voxels, stencils, voxels

type Method = Literal["auto", "assembled"] | Fourier

VOXELS = 512
"""Cells from which the Fourier solver is taken for 3D voxels."""


class CellSolver:
    """Solver of one cell, which follows its moduli and its mesh.

    Args:
        forms: Forms of the cell.
        method: ``assembled``, or `Fourier` on voxels or pixels, in place of the choice.
        options: PETSc options of the assembled method.

    Raises:
        ValueError: The method is unknown, or does not fit the mesh.
    """

    def __init__(self, forms: CellForms, method: Method, options: SolverOptions) -> None:
        self.method, self.options, self._forms = method, options, forms
        self._loads = len(forms.kind.physics.basis(forms.kind.dimension))
        self._components = forms.kind.physics.components(forms.kind.dimension)
        nothing = np.zeros(forms.kind.physics.value_shape(forms.kind.dimension))
        self._pinned = fem.dirichletbc(nothing, np.array([0], dtype=np.int32), forms.spaces["field"])
        self._grid = self._chosen_grid()
        self._mesh = Snapshot(forms.domain, ())
        self._matrix: la.MatrixCSR | None = None
        self._system: LinearSolver | FourierSolver | None = None
        self._factorised: Snapshot | None = None

    def solve(self, rhs: np.ndarray) -> np.ndarray:
        """Correctors (dofs of all loads,), zero at the pinned node, of right-hand sides of this shape.

        Raises:
            ConvergenceError: The linear solve failed.
        """
        columns, solver = self._columns(rhs), self.current()
        if isinstance(solver, FourierSolver):  # the force at the pinned node balances the others
            columns[: self._components] = -columns.reshape(-1, self._components, self._loads).sum(axis=0)
        try:
            solution = solver.solve(columns).reshape(-1, self._components, self._loads)
        except ConvergenceError:
            self._factorised = None
            raise
        return (solution - solution[0]).transpose(0, 2, 1).ravel()

    def unit_loads(self) -> np.ndarray:
        """Right-hand sides (dofs of all loads,); zero where they only hold rounding errors (a homogeneous cell)."""
        rhs, coefficients = self._forms.vector("loads"), self._coefficients()
        volume = float(np.prod(self._forms.size))
        face = (volume / len(coefficients)) ** (1 - 1 / self._forms.kind.dimension)
        by_load = rhs.reshape(-1, self._loads, self._components)
        by_load[:, np.abs(by_load).max(axis=(0, 2)) < 1e-13 * face * np.abs(coefficients).max()] = 0.0
        return rhs

    def residual_norm(self, correctors: np.ndarray) -> float:
        """Norm of the residual of proposed correctors (dofs of all loads,) over that of the loads."""
        rhs = self._columns(self._forms.vector("loads"))
        matrix = self._assembled(new_matrix(self._forms["stiffness"]))
        return float(np.linalg.norm(matrix.to_scipy() @ self._columns(correctors) - rhs) / np.linalg.norm(rhs))

    def current(self) -> LinearSolver | FourierSolver:
        """The solver, factorised for the present moduli."""
        if self._system is not None and self._factorised is not None and self._factorised.holds():
            return self._system
        self._factorised = None
        if not self._mesh.holds():
            self._mesh, self._grid, self._system = Snapshot(self._forms.domain, ()), self._chosen_grid(), None
        self._system = self._by_factorisation() if self._grid is None else self._by_fourier(self._grid)
        self._factorised = Snapshot(self._forms.domain, self._forms.moduli.values())
        return self._system

    def _chosen_grid(self) -> Voxels | None:
        """The grid, where the Fourier method is to be taken."""
        grid = None if self.method == "assembled" else voxels(self._forms.spaces["field"])
        if isinstance(self.method, Fourier):
            if grid is None:
                raise ValueError(f"method={self.method}: expected a regular grid of Q1 cells; take method='assembled'")
            return grid
        if self.method not in ("auto", "assembled"):
            raise ValueError(f"method: expected 'auto', 'assembled' or Fourier(...), got {self.method!r}")
        small = self._forms.kind.dimension < 3 or grid is None or len(grid.cells) < VOXELS
        return None if small or self.options.petsc_options else grid

    def _by_fourier(self, grid: Voxels) -> FourierSolver:
        solver = self._system
        if not isinstance(solver, FourierSolver):
            settings = self.method if isinstance(self.method, Fourier) else Fourier()
            rows = stencils(self._forms.kind, self._forms.size / grid.shape)
            solver = FourierSolver(grid, rows, self._loads, settings)
        solver.factorise(self._coefficients())
        return solver

    def _by_factorisation(self) -> LinearSolver:
        if self._matrix is None:
            self._matrix = new_matrix(self._forms["stiffness"])
        self._assembled(self._matrix)
        if isinstance(self._system, LinearSolver):
            self._system.factorise()
            return self._system
        space = self._forms.spaces["field"]
        translations = np.tile(np.eye(self._components), (space.dofmap.index_map.size_local, 1))
        return LinearSolver(self._matrix, space, self.options, modes=translations)

    def _assembled(self, matrix: la.MatrixCSR) -> la.MatrixCSR:
        assemble(matrix, self._forms["stiffness"], [self._pinned])
        return matrix

    def _columns(self, array: np.ndarray) -> np.ndarray:
        """One column of dofs a load (dofs, loads), zero at the pinned node."""
        columns = np.array(array).reshape(-1, self._loads, self._components)
        columns[0] = 0.0
        return columns.transpose(0, 2, 1).reshape(-1, self._loads)

    def _coefficients(self) -> np.ndarray:
        """Coefficients of the law in each cell (cells, coefficients)."""
        moduli = [control.x.array for control in self._forms.moduli.values()]
        cells = len(self._forms.domain.geometry.dofmaps[0])
        arrays = self._forms.kind.physics.coefficients(*moduli)
        return np.column_stack([array.reshape(cells, -1) for array in arrays])
