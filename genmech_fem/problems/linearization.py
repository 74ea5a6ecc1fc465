"""The residual of a state and its linearisation, as Newton's method asks for them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem, la

from genmech_fem.problems.dirichlet import DirichletValues
from genmech_fem.problems.forms import assemble, compiled, new_matrix
from genmech_fem.problems.linear import LinearSolver
from genmech_fem.problems.newton import Newton, Residual, global_norm
from genmech_fem.problems.problem import Snapshot
from genmech_fem.problems.solver_options import SolverOptions


@dataclass(frozen=True)
class _Factorised:
    """A factorised Jacobian, and the values that it was made of."""

    data: Snapshot
    matrix: la.MatrixCSR
    solver: LinearSolver


class Linearization:
    """Residual F and Jacobian dF/du at states u.

    Args:
        residual: F, a UFL form with one test function.
        jacobian: Its derivative by the state.
        values: Dirichlet values, and the state.
        options: How systems are solved.
        kept: How many factorisations are kept at once.
        fault: Called at every new state, before its residual is assembled: why it is not allowed, empty if it is.
    """

    def __init__(
        self,
        residual: ufl.Form,
        jacobian: ufl.Form,
        values: DirichletValues,
        options: SolverOptions,
        *,
        kept: int = 1,
        fault: Callable[[], str],
    ) -> None:
        self.residual, self._jacobian = compiled(residual), compiled(jacobian)
        self._data = (*jacobian.coefficients(), *jacobian.constants())
        self._values, self._options, self._kept, self._fault = values, options, kept, fault
        self.state, self._space = values.state, values.state.function_space
        self.owned = len(values.held)
        self._comm = self._space.mesh.comm
        self._vector = fem.create_vector(self._space)
        self._factorised: list[_Factorised] = []

    def put(self, owned: np.ndarray) -> bool:
        """Write the dofs of this process into the state; tell whether it has the Dirichlet values."""
        self.state.x.array[: self.owned] = owned
        self.state.x.scatter_forward()
        return self._values.hold()

    def residual_at(self, owned: np.ndarray, *, lift: bool = True, form: fem.Form | None = None) -> Residual:
        """Residual of a state (owned dofs,), which it is then; in Dirichlet rows the error of the value.

        With `lift` it is that of the state with corrected Dirichlet values, to first order. A
        `form` may replace the residual where it has the same value.
        """
        admissible = self.put(owned)
        fault = self._fault()
        vector = self._vector.array
        vector[:] = 0.0
        fem.assemble_vector(vector, form or self.residual)
        if lift and not admissible:
            bcs = [self._values.bcs]
            fem.apply_lifting(vector, [self._jacobian], bcs=bcs, x0=[self.state.x.array], alpha=-1.0)
        self._vector.scatter_reverse(la.InsertMode.add)
        self._values.put_errors(vector)
        owned_part = vector[: self.owned].copy()
        norm = float("inf") if fault else global_norm(self._comm, owned_part[~self._values.held])
        return Residual(owned_part, norm, admissible, fault)

    def assembled(self, form: fem.Form | None = None) -> np.ndarray:
        """The residual of the present state, or another vector, without Dirichlet conditions (owned dofs,)."""
        self._vector.array[:] = 0.0
        fem.assemble_vector(self._vector.array, form or self.residual)
        self._vector.scatter_reverse(la.InsertMode.add)
        return self._vector.array[: self.owned].copy()

    def newton(self, start: np.ndarray, settings: Newton) -> np.ndarray:
        """Run Newton's method from a state (dofs,); returns the solution, which is then the state.

        Raises:
            ConvergenceError: No solution was found.
        """
        reference = self.residual_at(np.zeros(self.owned)).norm
        settings.solve(self.residual_at, self.solve, start[: self.owned], reference, self._comm)
        return self.state.x.array.copy()

    def matrix(self) -> la.MatrixCSR:
        """The Jacobian at the present state; rows and columns of held dofs are those of the identity."""
        matrix = new_matrix(self._jacobian)
        assemble(matrix, self._jacobian, self._values.bcs)
        return matrix

    def solve(self, rhs: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve with the Jacobian at the present state, factorised anew only if its data is not among the last.

        Raises:
            ConvergenceError: The matrix is singular, or the solution does not satisfy the system.
        """
        k = next((k for k, one in enumerate(self._factorised) if one.data.holds()), None)
        self._factorised.append(self._factorise() if k is None else self._factorised.pop(k))
        return self._factorised[-1].solver.solve(rhs, transpose=transpose)

    def forget(self) -> None:
        """Drop all factorisations."""
        self._factorised.clear()

    def _factorise(self) -> _Factorised:
        """Factorise the present Jacobian, in the place of the least recently used one where there is no other."""
        if len(self._factorised) < self._kept:
            matrix = self.matrix()
            solver = LinearSolver(matrix, self._space, self._options)
        else:
            oldest = self._factorised.pop(0)
            matrix, solver = oldest.matrix, oldest.solver
            assemble(matrix, self._jacobian, self._values.bcs)
            solver.factorise()
        return _Factorised(Snapshot(self._space.mesh, self._data), matrix, solver)
