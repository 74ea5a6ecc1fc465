r"""A user's own variational problem: find u with F(u, m; v) = 0 for all v.

Observables J(u, m) have the discrete adjoint gradient

.. math:: dJ/dm = \partial J/\partial m - \lambda^T \partial F/\partial m, \quad
          (\partial F/\partial u)^T \lambda = (\partial J/\partial u)^T,

with lambda = 0 in the rows of Dirichlet values; Plessix (2006), doi:10.1111/j.1365-246X.2006.02978.x.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, la
from ufl.algorithms import expand_derivatives

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.adjoint import Adjoint
from genmech_fem.problems.checks import Positive, check_finite, check_mesh, check_real
from genmech_fem.problems.contracts import check_cotangents, check_names, check_solved, checked_state
from genmech_fem.problems.dirichlet import DirichletValues
from genmech_fem.problems.forms import compiled, describe_form, with_degrees
from genmech_fem.problems.law import Law
from genmech_fem.problems.linearization import Linearization
from genmech_fem.problems.loading import raise_loads
from genmech_fem.problems.newton import global_norm
from genmech_fem.problems.observables import Observable
from genmech_fem.problems.problem import Control, Problem, Snapshot, listed, values_of
from genmech_fem.problems.solver_options import SolverOptions


class VariationalProblem(Problem):
    """Problem from a UFL residual.

    A form that is linear in the state takes one linear solve. Others start Newton's
    method from the present state, so set ``state.x.array[:] = 0`` for a cold start;
    the first step carries the change of the Dirichlet values. All derivatives keep the
    quadrature degrees of `residual` and `observables`, given or estimated by UFL.

    Args:
        residual: F(u, m; v), linear in its one test function.
        state: The unknown u in F.
        controls: Functions and constants that may vary: in F, in J or as Dirichlet values.
        bcs: Dirichlet conditions; where two meet, the last one holds.
        observables: By name functionals J(u, m), sequences of them, forms with one test
            function, or expressions to be averaged in each cell; see `Observable`.
        positive: Expressions by name that are positive in every cell of a valid solution, as
            ``{"youngs_modulus": E, "det F": det(F)}``.
        solver: Symmetry, PETSc options, Newton's method.
        law: The linear law that is the whole stiffness, for a `Certificate` of proposed states.

    Raises:
        TypeError: DOLFINx works with complex numbers.
        MeshingError: The mesh has no cells, or bad ones.
        ValueError: A form has the wrong rank, or a control is not used.
    """

    def __init__(
        self,
        residual: ufl.Form,
        state: fem.Function,
        *,
        controls: Mapping[str, Control],
        bcs: Sequence[fem.DirichletBC] = (),
        observables: Mapping[str, Any] | None = None,
        positive: Mapping[str, Any] | None = None,
        solver: SolverOptions | None = None,
        law: Law | None = None,
    ) -> None:
        check_real()
        if len(residual.arguments()) != 1:
            raise ValueError(
                f"residual: expected a form with one test function, got {len(residual.arguments())} arguments"
            )
        self.state, self.controls, self.law = state, dict(controls), law
        self._space = state.function_space
        check_mesh(self._space.mesh)
        self._comm = self._space.mesh.comm
        self.options = solver or SolverOptions()
        self._values = DirichletValues(bcs, state, self.controls)
        self._form = with_degrees(residual)
        degree = max(integral.metadata()["quadrature_degree"] for integral in self._form.integrals())
        self._observables = {n: Observable(n, given, self._space, degree) for n, given in (observables or {}).items()}
        self._positive = Positive(positive or {}, state, degree)
        jacobian = expand_derivatives(ufl.derivative(self._form, state))
        self.linear = not any(c is state for c in jacobian.coefficients())
        kept = self.options.cached if self.linear else 1
        self._system = Linearization(
            self._form, jacobian, self._values, self.options, kept=kept, fault=self._positive.of_state
        )
        loads = _at_zero(self._form, state) if self.linear else ufl.Form([])
        self._loads = None if loads.empty() else compiled(loads)
        self._load_data = (*loads.coefficients(), *loads.constants())
        _check_used(self.controls, self._forms, self._values.drivers)
        check_names("newton.loads", self.options.newton.loads, self.controls)
        self._solved: Snapshot | None = None
        self._unloaded: Snapshot | None = None
        self._load: tuple[Snapshot, np.ndarray] | None = None
        self._last_loads: dict[str, np.ndarray] = {}

    @property
    def _forms(self) -> list[ufl.Form]:
        """The residual and the forms of all observables."""
        return [self._form, *(form for o in self._observables.values() for form in o.forms)]

    def _settings(self, free: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        return {
            "residual": describe_form(self._form),
            "observables": {n: [describe_form(form) for form in o.forms] for n, o in self._observables.items()},
            "data": [listed(values_of(c)) for c in self._other_data()],
            "boundary conditions": self._values.description(),
            "solver": asdict(self.options),
        }

    def _other_data(self) -> list[Control]:
        """Functions and constants in the forms that are neither the state nor controls."""
        known = {id(self.state), *map(id, self.controls.values())}
        found = {id(c): c for form in self._forms for c in (*form.constants(), *form.coefficients())}
        return [c for key, c in found.items() if key not in known]

    def solve(self) -> fem.Function:
        """Compute and return the state; after a failure it is what it was before.

        Raises:
            ValueError: A control is not finite, or an expression of controls is not positive.
            ConvergenceError: The linear solve or Newton's method failed.
        """
        self.check_controls()
        before = self.state.x.array.copy()
        try:
            if self.linear:
                zero = np.zeros(self._system.owned)
                here = self._system.residual_at(zero, form=self._loads)
                self._system.put(zero - self._system.solve(here.vector))
            else:
                self._solve_nonlinear(before)
        except BaseException:
            self.state.x.array[:] = before
            self._system.forget()
            self._solved = None
            raise
        self._mark_solved()
        return self.state

    def check_controls(self) -> None:
        """Raise a ValueError where a control is not finite, or an expression of controls is not positive."""
        check_finite(self.controls, self._comm)
        self._positive.of_controls()

    def restore(self, state: np.ndarray) -> None:
        """Take `state` (dofs,) for the solution of the present controls, without a solve.

        Raises:
            ContractError: It has the wrong shape.
        """
        self.state.x.array[:] = checked_state(state, self.state.x.array.size)
        self._mark_solved()

    def observe(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy of the dofs ``state`` and the observables.

        Raises:
            ContractError: A name is unknown.
        """
        names = ["state", *self._observables] if names is None else list(names)
        check_names("observe", names, ["state", *self._observables])
        return {n: self.state.x.array.copy() if n == "state" else self._observables[n].value() for n in names}

    def pull_back(
        self, cotangents: Mapping[str, np.ndarray], solve: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` by one transposed solve.

        Args:
            cotangents: Arrays under keys of `observe`; those left out count as zero.
            solve: Takes the right-hand side (owned dofs,) of the transposed system, 0 in Dirichlet rows, and returns
                its solution; by default it is factorised.

        Raises:
            ContractError: A cotangent has an unknown name or the wrong shape.
            ConvergenceError: The state does not belong to the present controls.
        """
        check_solved(self._solved)
        sizes = {name: (observable.size,) for name, observable in self._observables.items()}
        check_cotangents(cotangents, {"state": self.state.x.array.shape, **sizes})
        rhs = self._adjoint.state_gradient(cotangents)[: self._system.owned]
        right = np.where(self.held, 0.0, rhs)
        multiplier = self._system.solve(right, transpose=True) if solve is None else solve(right)
        gradients = self._adjoint.control_gradients(multiplier)
        if self._values.drivers:
            self._values.add_reactions(gradients, rhs - self._adjoint.jacobian_product()[: self._system.owned])
        return gradients

    def residual_norm(self, state: np.ndarray) -> float:
        """The larger of the residual relative to that of zero and the relative error of the Dirichlet values.

        Infinite where the residual has no value, as for an inverted element.
        """
        dofs, owned, held = self.state.x.array, self._system.owned, self.held
        state, before = checked_state(state, dofs.size).copy(), dofs.copy()
        try:
            reference = self._system.residual_at(np.zeros(owned)).norm
            here = self._system.residual_at(state[:owned], lift=False)
            error = here.vector[held]
            right = global_norm(self._comm, dofs[:owned][held] - error)
            values = (here.norm / (reference or 1.0), global_norm(self._comm, error) / (right or 1.0))
        finally:
            dofs[:] = before
        return max(values) if np.isfinite(values).all() else float("inf")

    def potential(self, state: np.ndarray) -> tuple[float, np.ndarray]:
        r"""Potential energy :math:`\tfrac{1}{2} a(u, u) - L(u)` of a state, and its gradient.

        The gradient (dofs,) is 0 in Dirichlet rows. Of all states with the right Dirichlet values the solution has the
        lowest energy; another exceeds it by half the square of the energy norm of its error.

        Raises:
            ContractError: The state has the wrong shape.
            ValueError: The problem is not linear and symmetric.
        """
        if not (self.linear and self.options.symmetric):
            raise ValueError("potential: expected a linear problem with SolverOptions(symmetric=True), got another")
        owned = self._system.owned
        gradient = np.zeros(self.state.x.array.size)
        force = self.forces(checked_state(state, gradient.size))
        gradient[:owned] = np.where(self.held, 0.0, force)
        return 0.5 * self._comm.allreduce(float(state[:owned] @ (force - self.loads()))), gradient

    def energy_norm(self, state: np.ndarray) -> float:
        """Energy norm of a state (dofs,) of a linear, symmetric problem."""
        energy = float(state[: self._system.owned] @ (self.forces(state) + self.loads()))
        return float(np.sqrt(max(self._comm.allreduce(energy), 0.0)))

    @property
    def held(self) -> np.ndarray:
        """Whether a Dirichlet condition holds a dof (owned dofs,)."""
        return self._values.held

    def admissible(self, state: np.ndarray) -> np.ndarray:
        """The state (dofs,) with the prescribed Dirichlet values.

        Raises:
            ContractError: It has the wrong shape.
        """
        return self._values.admissible(checked_state(state, self.state.x.array.size))

    def forces(self, state: np.ndarray) -> np.ndarray:
        """Internal forces of a state (owned dofs,) or (dofs,) less the loads: (owned dofs,), reactions where held."""
        before = self.state.x.array.copy()
        try:
            self.state.x.array[: self._system.owned] = state[: self._system.owned]
            self.state.x.scatter_forward()
            return self._system.assembled()
        finally:
            self.state.x.array[:] = before

    def stiffness(self) -> la.MatrixCSR:
        """The Jacobian at the present controls and state; rows and columns of held dofs are those of the identity."""
        return self._system.matrix()

    def loads(self) -> np.ndarray:
        """Loads of a linear problem (owned dofs,); the array is kept until a control of theirs changes."""
        if self._loads is None:
            return np.zeros(self._system.owned)
        if self._load is None or not self._load[0].holds():
            self._load = Snapshot(self._space.mesh, self._load_data), -self._system.assembled(self._loads)
        return self._load[1]

    def approach(self, state: np.ndarray, tolerance: float, steps: int) -> np.ndarray:
        """A few steps of Newton's method from a proposed state (dofs,), with the controls as they are.

        Args:
            state: The proposed state.
            tolerance: Residual relative to that of the zero state, at which to stop.
            steps: Most steps.

        Returns:
            The state reached (dofs,); `state` stays what it was.

        Raises:
            ContractError: It has the wrong shape.
            ConvergenceError: The tolerance was not reached.
        """
        before = self.state.x.array.copy()
        try:
            newton = replace(self.options.newton, tolerance=tolerance, iterations=steps)
            return self._system.newton(checked_state(state, before.size), newton)
        finally:
            self.state.x.array[:] = before

    def _solve_nonlinear(self, before: np.ndarray) -> None:
        newton, loads = self.options.newton, self.options.newton.loads
        going_on = self._unloaded is not None and self._unloaded.holds()  # only the loads have changed
        solve = partial(self._system.newton, settings=newton)
        try:
            solve(before)
        except ConvergenceError:
            if not loads:
                raise
            start, origin = (before, self._last_loads) if going_on else (np.zeros_like(before), None)
            raise_loads(solve, {n: self.controls[n] for n in loads}, origin, start, newton.halvings)

    def _mark_solved(self) -> None:
        self._solved = Snapshot(self._space.mesh, (self.state, *self.controls.values()))
        loads = self.options.newton.loads
        if loads:
            others = (control for name, control in self.controls.items() if name not in loads)
            self._unloaded = Snapshot(self._space.mesh, (self.state, *others))
            self._last_loads = {name: values_of(self.controls[name]).copy() for name in loads}

    @cached_property
    def _adjoint(self) -> Adjoint:
        return Adjoint(self._form, self._observables, self.state, self.controls)


def _at_zero(form: ufl.Form, state: fem.Function) -> ufl.Form:
    """What is left of the residual of the zero state, as loads on the boundary."""
    return expand_derivatives(ufl.replace(form, {state: ufl.zero(*state.ufl_shape)}))


def _check_used(controls: Mapping[str, Control], forms: Iterable[ufl.Form], driven: Iterable[str]) -> None:
    used = [symbol for form in forms for symbol in (*form.coefficients(), *form.constants())]
    for name, control in controls.items():
        if name not in driven and not any(control is symbol for symbol in used):
            raise ValueError(
                f"control '{name}': expected it in the residual, an observable or a Dirichlet condition, found it in "
                "none; pass the very object that the form was built with"
            )
