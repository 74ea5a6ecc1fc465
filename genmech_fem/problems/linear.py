"""Linear systems: their factorisation, and a check of every solution.

The solver is chosen by PETSc options, which the user can override. Where petsc4py is not
installed, systems on one process are factorised by SciPy's SuperLU.
"""

import numpy as np
from dolfinx import fem, la
from mpi4py import MPI

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.engines import REMEDY, Engine, new_engine
from genmech_fem.problems.newton import global_norm
from genmech_fem.problems.solver_options import SolverOptions


class LinearSolver:
    """Solver of one assembled matrix, whose values may change.

    After a failure the next `factorise` starts afresh, so one bad matrix does not spoil
    the good ones that follow.

    Args:
        matrix: Square matrix, one row a dof (`forms.new_matrix`), already assembled.
        space: Function space of the unknown.
        options: Symmetry and PETSc options.
        modes: Motions without energy where no condition holds the body (local dofs, modes); by
            default `rigid_modes`.

    Raises:
        ConvergenceError: The matrix is singular or holds NaN.
        ValueError: PETSc is needed, but not installed.
    """

    def __init__(
        self, matrix: la.MatrixCSR, space: fem.FunctionSpace, options: SolverOptions, *, modes: np.ndarray | None = None
    ) -> None:
        self._matrix, self._space, self._options = matrix, space, options
        self._modes = rigid_modes(space) if modes is None else modes
        self._comm = space.mesh.comm
        self._engine: Engine | None = None
        self.factorise()

    def factorise(self) -> None:
        """Take over the present values of the matrix; what depends on its pattern only is kept.

        Raises:
            ConvergenceError: The matrix is singular or holds NaN.
        """
        engine, self._engine = self._engine, None
        if not self._comm.allreduce(bool(np.isfinite(self._matrix.data).all()), op=MPI.LAND):
            raise ConvergenceError("the stiffness matrix holds NaN or infinity: check the coefficients")
        if engine is not None:
            engine.update()
        else:
            engine = new_engine(self._matrix, self._space, self._options, self._modes)
            self._check_held(engine)
        self._engine = engine

    def solve(self, rhs: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve for right-hand sides ``(local dofs,)`` or ``(local dofs, loads)``; returns that shape.

        Raises:
            ConvergenceError: The solution is not finite or does not satisfy the system.
        """
        engine, self._engine = self._engine, None
        if engine is None:
            raise ConvergenceError("nothing to solve with: the last attempt failed; call factorise() again")
        solution = self._checked(engine, rhs, transpose and not self._options.symmetric, engine.tolerance)
        self._engine = engine
        return solution

    def _checked(self, engine: Engine, rhs: np.ndarray, transpose: bool, tolerance: float) -> np.ndarray:
        columns = rhs.reshape(len(rhs), -1)
        solution = engine.solve(columns, transpose)
        difference = engine.apply(solution, transpose) - columns
        for k in range(columns.shape[1]):
            error, scale = (global_norm(self._comm, part[:, k]) for part in (difference, columns))
            if not error <= tolerance * scale:  # also true for NaN
                raise ConvergenceError(
                    f"{engine.name}: the linear solve left a residual of {error:.1e} of {scale:.1e}"
                    f"{engine.advice}: {REMEDY}"
                )
        return solution.reshape(rhs.shape)

    def _check_held(self, engine: Engine) -> None:
        """Find a singular matrix, also one that the loads would not reveal."""
        forces = engine.apply(self._modes, False)
        gram, mass = (self._comm.allreduce(a.T @ a) for a in (forces, self._modes))
        stiffness = np.linalg.eigvals(np.linalg.solve(mass, gram)).real  # squares of the forces of unit motions
        scale = self._comm.allreduce(float(np.abs(self._matrix.data).max(initial=0.0)), op=MPI.MAX)
        if stiffness.min() <= 1e-13 * max(stiffness.max(), 1e-10 * scale**2):
            raise ConvergenceError(f"the stiffness matrix is singular, the body moves without a force: {REMEDY}")
        if engine.direct:
            self._checked(engine, np.cos(np.arange(len(self._modes))), transpose=False, tolerance=1e-2)


def rigid_modes(space: fem.FunctionSpace) -> np.ndarray:
    """Rigid-body motions of a displacement space, the constants of others, shape (local dofs, modes)."""
    block, dimension = space.dofmap.bs, space.mesh.geometry.dim
    count = space.dofmap.index_map.size_local
    translations = np.tile(np.eye(block), (count, 1))
    if space.value_shape != (dimension,):
        return translations
    x = space.tabulate_dof_coordinates()[:count, :dimension]
    pairs = [(i, j) for i in range(dimension) for j in range(i + 1, dimension)]
    rotations = np.zeros((len(pairs), count, dimension))
    for rotation, (i, j) in zip(rotations, pairs, strict=True):
        rotation[:, i], rotation[:, j] = -x[:, j], x[:, i]
    return np.column_stack([translations, *rotations.reshape(len(pairs), -1)])
