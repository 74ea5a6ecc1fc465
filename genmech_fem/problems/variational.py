r"""A user's own variational problem: find u with F(u, m; v) = 0 for all v.

Observables J(u, m) have the discrete adjoint gradient

.. math:: dJ/dm = \partial J/\partial m - \lambda^T \partial F/\partial m, \quad
          (\partial F/\partial u)^T \lambda = (\partial J/\partial u)^T,

with lambda = 0 in the rows of Dirichlet values; Plessix (2006), doi:10.1111/j.1365-246X.2006.02978.x.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, la
from ufl.algorithms import expand_derivatives

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.problems.adjoint import Adjoint
from genmech_fem.problems.checks import Positive, check_finite, check_mesh, check_real
from genmech_fem.problems.forms import assemble, compiled, describe_form, new_matrix, with_degrees
from genmech_fem.problems.linear import LinearSolver, SolverOptions
from genmech_fem.problems.loading import raise_loads
from genmech_fem.problems.newton import Newton, Residual, global_norm
from genmech_fem.problems.observables import Observable
from genmech_fem.problems.problem import Control, Problem, Snapshot, digest, listed, values_of


@dataclass(frozen=True)
class Law:
    """A linear law between the gradient of the state and its flux, such as strain and stress.

    Args:
        flux: UFL expression of the state and the controls, which does positive work on the gradient.
        inverse: From a flux to the gradient, by the controls.
        dx: The measure of the residual's integral of flux and gradient.
    """

    flux: Any
    inverse: Callable[[Any], Any]
    dx: ufl.Measure


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
        self._bcs, self.options = list(bcs), solver or SolverOptions()
        self._form = with_degrees(residual)
        degree = max(integral.metadata()["quadrature_degree"] for integral in self._form.integrals())
        self._observables = {n: Observable(n, given, self._space, degree) for n, given in (observables or {}).items()}
        self._positive = Positive(positive or {}, state, degree)
        jacobian = expand_derivatives(ufl.derivative(self._form, state))
        self.linear = not any(c is state for c in jacobian.coefficients())
        self._jacobian_data = (*jacobian.coefficients(), *jacobian.constants())
        self._residual, self._jacobian = compiled(self._form), compiled(jacobian)
        loads = _at_zero(self._form, state) if self.linear else ufl.Form([])
        self._loads = None if loads.empty() else compiled(loads)
        self._load_data = (*loads.coefficients(), *loads.constants())
        self._vector = fem.create_vector(self._space)
        self._owned = self._space.dofmap.index_map.size_local * self._space.dofmap.bs
        self._holder = _holders(self._bcs, self._owned)
        self._driven = {k: _control_of(bc, self.controls, self._space) for k, bc in enumerate(self._bcs)}
        forms = [self._form, *(form for o in self._observables.values() for form in o.forms)]
        _check_used(self.controls, forms, self._driven.values())
        _check_names("newton.loads", self.options.newton.loads, self.controls)
        self._solvers: list[tuple[Snapshot, la.MatrixCSR, LinearSolver]] = []
        self._solved: Snapshot | None = None
        self._unloaded: Snapshot | None = None
        self._load: tuple[Snapshot, np.ndarray] | None = None
        self._last_loads: dict[str, np.ndarray] = {}

    def _settings(self, free: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        return {
            "residual": describe_form(self._form),
            "observables": {n: [describe_form(form) for form in o.forms] for n, o in self._observables.items()},
            "data": [listed(values_of(c)) for c in self._other_data()],
            "boundary conditions": [self._describe_bc(k, bc) for k, bc in enumerate(self._bcs)],
            "solver": asdict(self.options),
        }

    def _other_data(self) -> list[Control]:
        """Functions and constants in the forms that are neither the state nor controls."""
        forms = [self._form, *(form for o in self._observables.values() for form in o.forms)]
        known = {id(self.state), *map(id, self.controls.values())}
        found = {id(c): c for form in forms for c in (*form.constants(), *form.coefficients())}
        return [c for key, c in found.items() if key not in known]

    def _describe_bc(self, k: int, bc: fem.DirichletBC) -> dict[str, Any]:
        values = bc.g.x.array if hasattr(bc.g, "x") else bc.g.value
        return {"dofs": digest(bc.dof_indices()[0]), "value": self._driven[k] or listed(values)}

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
                zero = np.zeros(self._owned)
                self._set(zero - self._solve_jacobian(self._residual_at(zero, form=self._loads).vector))
            else:
                self._solve_nonlinear(before)
        except BaseException:
            self.state.x.array[:] = before
            self._solvers.clear()
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
        self.state.x.array[:] = self._checked_state(state)
        self._mark_solved()

    def observe(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy of the dofs ``state`` and the observables.

        Raises:
            ContractError: A name is unknown.
        """
        names = ["state", *self._observables] if names is None else list(names)
        _check_names("observe", names, ["state", *self._observables])
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
        self._check_cotangents(cotangents)
        rhs = self._adjoint.state_gradient(cotangents)[: self._owned]
        right = np.where(self.held, 0.0, rhs)
        multiplier = self._solve_jacobian(right, transpose=True) if solve is None else solve(right)
        gradients = self._adjoint.control_gradients(multiplier)
        if any(self._driven.values()):
            reaction = rhs - self._adjoint.jacobian_product()[: self._owned]
            for k, name in self._driven.items():
                if name:
                    self._add_reaction(gradients[name], name, np.flatnonzero(self._holder == k), reaction)
        return gradients

    def residual_norm(self, state: np.ndarray) -> float:
        """The larger of the residual relative to that of zero and the relative error of the Dirichlet values.

        Infinite where the residual has no value, as for an inverted element.
        """
        dofs = self.state.x.array
        state, before, held = self._checked_state(state).copy(), dofs.copy(), self.held
        try:
            reference = self._residual_at(np.zeros(self._owned)).norm
            here = self._residual_at(state[: self._owned], lift=False)
            error = here.vector[held]
            right = global_norm(self._comm, dofs[: self._owned][held] - error)
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
        gradient, force = np.zeros(self.state.x.array.size), self.forces(self._checked_state(state))
        gradient[: self._owned] = np.where(self.held, 0.0, force)
        return 0.5 * self._comm.allreduce(float(state[: self._owned] @ (force - self.loads()))), gradient

    def energy_norm(self, state: np.ndarray) -> float:
        """Energy norm of a state (dofs,) of a linear, symmetric problem."""
        energy = float(state[: self._owned] @ (self.forces(state) + self.loads()))
        return float(np.sqrt(max(self._comm.allreduce(energy), 0.0)))

    @property
    def held(self) -> np.ndarray:
        """Whether a Dirichlet condition holds a dof (owned dofs,)."""
        return self._holder >= 0

    def admissible(self, state: np.ndarray) -> np.ndarray:
        """The state (dofs,) with the prescribed Dirichlet values.

        Raises:
            ContractError: It has the wrong shape.
        """
        right = self._checked_state(state).copy()
        for bc in self._bcs:
            bc.set(right)
        return right

    def forces(self, state: np.ndarray) -> np.ndarray:
        """Internal forces of a state (owned dofs,) or (dofs,) less the loads: (owned dofs,), reactions where held."""
        before = self.state.x.array.copy()
        try:
            self.state.x.array[: self._owned] = state[: self._owned]
            self.state.x.scatter_forward()
            return self._assembled(self._residual)
        finally:
            self.state.x.array[:] = before

    def stiffness(self) -> la.MatrixCSR:
        """The Jacobian at the present controls and state; rows and columns of held dofs are those of the identity."""
        matrix = new_matrix(self._jacobian)
        assemble(matrix, self._jacobian, self._bcs)
        return matrix

    def loads(self) -> np.ndarray:
        """Loads of a linear problem (owned dofs,); the array is kept until a control of theirs changes."""
        if self._loads is None:
            return np.zeros(self._owned)
        if self._load is None or not self._load[0].holds():
            self._load = Snapshot(self._space.mesh, self._load_data), -self._assembled(self._loads)
        return self._load[1]

    def _assembled(self, form: fem.Form) -> np.ndarray:
        """A vector without Dirichlet conditions (owned dofs,)."""
        self._vector.array[:] = 0.0
        fem.assemble_vector(self._vector.array, form)
        self._vector.scatter_reverse(la.InsertMode.add)
        return self._vector.array[: self._owned].copy()

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
            return self._newton(self._checked_state(state), newton)
        finally:
            self.state.x.array[:] = before

    def _newton(self, start: np.ndarray, newton: Newton) -> np.ndarray:
        """Run Newton's method from a state (dofs,); returns the solution, which is then the state."""
        reference = self._residual_at(np.zeros(self._owned)).norm
        newton.solve(self._residual_at, self._solve_jacobian, start[: self._owned], reference, self._comm)
        return self.state.x.array.copy()

    def _solve_nonlinear(self, before: np.ndarray) -> None:
        newton, loads = self.options.newton, self.options.newton.loads
        going_on = self._unloaded is not None and self._unloaded.holds()  # only the loads have changed
        solve = partial(self._newton, newton=newton)
        try:
            solve(before)
        except ConvergenceError:
            if not loads:
                raise
            start, origin = (before, self._last_loads) if going_on else (np.zeros_like(before), None)
            raise_loads(solve, {n: self.controls[n] for n in loads}, origin, start, newton.halvings)

    def _set(self, owned: np.ndarray) -> bool:
        """Write the dofs of this process; rounding in Dirichlet values is removed. Tell whether they hold."""
        dofs = self.state.x.array
        dofs[: self._owned] = owned
        self.state.x.scatter_forward()
        right = dofs.copy()
        for bc in self._bcs:
            bc.set(right)
        error = global_norm(self._comm, (right - dofs)[: self._owned])
        if error <= 1e-13 * global_norm(self._comm, right[: self._owned]):
            dofs[:] = right
            return True
        return False

    def _residual_at(self, owned: np.ndarray, *, lift: bool = True, form: fem.Form | None = None) -> Residual:
        """Residual of a state; in Dirichlet rows the error of the value.

        With `lift` it is that of the state with corrected Dirichlet values, to first order. A
        `form` may replace the residual where it has the same value.
        """
        admissible = self._set(owned)
        vector = self._vector.array
        vector[:] = 0.0
        fem.assemble_vector(vector, form or self._residual)
        if lift and not admissible:
            fem.apply_lifting(vector, [self._jacobian], bcs=[self._bcs], x0=[self.state.x.array], alpha=-1.0)
        self._vector.scatter_reverse(la.InsertMode.add)
        for bc in self._bcs:
            bc.set(vector, self.state.x.array, -1.0)
        owned_part = vector[: self._owned].copy()
        fault = self._positive.of_state()
        norm = float("inf") if fault else global_norm(self._comm, owned_part[self._holder < 0])
        return Residual(owned_part, norm, admissible, fault)

    def _solve_jacobian(self, rhs: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve with the Jacobian at the present state, factorised anew only if its data is not among the last."""
        k = next((k for k, (snapshot, *_) in enumerate(self._solvers) if snapshot.holds()), None)
        self._solvers.append(self._factorised() if k is None else self._solvers.pop(k))
        return self._solvers[-1][-1].solve(rhs, transpose=transpose)

    def _factorised(self) -> tuple[Snapshot, la.MatrixCSR, LinearSolver]:
        """Factorise the present Jacobian, in the place of the least recently used one where there is no other."""
        full = len(self._solvers) >= (self.options.cached if self.linear else 1)
        _, matrix, solver = self._solvers.pop(0) if full else (None, new_matrix(self._jacobian), None)
        assemble(matrix, self._jacobian, self._bcs)
        if solver is None:
            solver = LinearSolver(matrix, self._space, self.options)
        else:
            solver.factorise()
        return Snapshot(self._space.mesh, self._jacobian_data), matrix, solver

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

    def _add_reaction(self, gradient: np.ndarray, name: str, dofs: np.ndarray, reaction: np.ndarray) -> None:
        if isinstance(self.controls[name], fem.Constant):
            own = np.zeros_like(gradient)
            np.add.at(own, dofs % gradient.size, reaction[dofs])
            gradient += self._comm.allreduce(own)
        else:
            gradient[dofs] += reaction[dofs]

    def _checked_state(self, state: np.ndarray) -> np.ndarray:
        if np.shape(state) != self.state.x.array.shape:
            raise ContractError(f"state: expected the dofs, shape {self.state.x.array.shape}, got {np.shape(state)}")
        return np.asarray(state)

    def _check_cotangents(self, cotangents: Mapping[str, np.ndarray]) -> None:
        if self._solved is None or not self._solved.holds():
            raise ConvergenceError("pull_back needs the solution of the present controls: call solve() first")
        shapes = {"state": self.state.x.array.shape, **{n: (o.size,) for n, o in self._observables.items()}}
        for name, cotangent in cotangents.items():
            if shapes.get(name) != np.shape(cotangent):
                raise ContractError(f"cotangent '{name}': expected one of {shapes}, got shape {np.shape(cotangent)}")


def _at_zero(form: ufl.Form, state: fem.Function) -> ufl.Form:
    """What is left of the residual of the zero state, as loads on the boundary."""
    return expand_derivatives(ufl.replace(form, {state: ufl.zero(*state.ufl_shape)}))


def _check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ContractError(f"{what}: expected names among {sorted(known)}, got {unknown}")


def _check_used(controls: Mapping[str, Control], forms: Iterable[ufl.Form], driven: Iterable[str]) -> None:
    used = [symbol for form in forms for symbol in (*form.coefficients(), *form.constants())]
    for name, control in controls.items():
        if name not in driven and not any(control is symbol for symbol in used):
            raise ValueError(
                f"control '{name}': expected it in the residual, an observable or a Dirichlet condition, found it in "
                "none; pass the very object that the form was built with"
            )


def _holders(bcs: Sequence[fem.DirichletBC], owned: int) -> np.ndarray:
    """Index of the condition that sets each dof of this process, -1 where it is free."""
    holders = np.full(owned, -1)
    for k, bc in enumerate(bcs):
        dofs, count = bc.dof_indices()
        holders[dofs[:count]] = k
    return holders


def _control_of(bc: fem.DirichletBC, controls: Mapping[str, Control], space: fem.FunctionSpace) -> str:
    """Name of the control that gives the values of a Dirichlet condition, empty if there is none."""
    name = next((n for n, control in controls.items() if bc.g is control._cpp_object), "")
    control = controls.get(name)
    if isinstance(control, fem.Function) and control.function_space != space:
        raise ValueError(f"control '{name}': expected Dirichlet values in the function space of the state")
    if isinstance(control, fem.Constant) and control.value.size not in (1, space.dofmap.bs):
        raise ValueError(
            f"control '{name}': expected a Dirichlet constant of size 1 or {space.dofmap.bs}, got {control.value.size}"
        )
    return name
