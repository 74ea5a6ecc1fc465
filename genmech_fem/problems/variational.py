r"""A user's own variational problem: find u with F(u, m; v) = 0 for all v.

Observables J(u, m) have the discrete adjoint gradient

.. math:: dJ/dm = \partial J/\partial m - \lambda^T \partial F/\partial m, \quad
          (\partial F/\partial u)^T \lambda = (\partial J/\partial u)^T,

with lambda = 0 in the rows of Dirichlet values; Plessix (2006), doi:10.1111/j.1365-246X.2006.02978.x.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem, la
from dolfinx.fem import petsc
from ufl.algorithms import estimate_total_polynomial_degree, expand_derivatives
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.apply_integral_scaling import compute_integrand_scaling_factor

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.problem import Problem
from genmech_fem.problems.solver import DirectSolver, Newton, Residual, global_norm

type Control = fem.Function | fem.Constant


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
        observables: Scalar functionals J(u, m) by name.
        symmetric: The Jacobian dF/du is symmetric (definite or not), which halves the cost.
        newton: Settings of Newton's method.

    Raises:
        TypeError: DOLFINx works with complex numbers.
        ValueError: A form has the wrong rank, or a control cannot be differentiated.
    """

    def __init__(
        self,
        residual: ufl.Form,
        state: fem.Function,
        *,
        controls: Mapping[str, Control],
        bcs: Sequence[fem.DirichletBC] = (),
        observables: Mapping[str, ufl.Form] | None = None,
        symmetric: bool = False,
        newton: Newton | None = None,
    ) -> None:
        observables = {name: _with_degrees(form) for name, form in (observables or {}).items()}
        residual = _with_degrees(residual)
        _check_forms(residual, observables)
        self.state, self.controls = state, dict(controls)
        self._bcs, self._newton, self._symmetric = list(bcs), newton or Newton(), symmetric
        self._space = state.function_space
        self._comm = self._space.mesh.comm
        self._ufl = (residual, observables)
        jacobian = expand_derivatives(ufl.derivative(residual, state))
        self.linear = not any(c is state for c in jacobian.coefficients())
        self._jacobian_data = (*jacobian.coefficients(), *jacobian.constants())
        self._residual, self._jacobian = fem.form(residual), fem.form(jacobian)
        self._observables = {name: fem.form(form) for name, form in observables.items()}
        self._vector = fem.create_vector(self._space)
        self._owned = self._space.dofmap.index_map.size_local * self._space.dofmap.bs
        self._holder = _holders(self._bcs, self._owned)
        self._driven = {k: _control_of(bc, self.controls, self._space) for k, bc in enumerate(self._bcs)}
        _check_used(self.controls, (residual, *observables.values()), self._driven.values())
        self._solver: DirectSolver | None = None
        self._factorised: list[np.ndarray] = []
        self._solved: list[np.ndarray] = []

    def solve(self) -> fem.Function:
        """Compute and return the state; after a failure it is what it was before.

        Raises:
            ValueError: A control is not finite.
            ConvergenceError: The linear solve or Newton's method failed.
        """
        _check_finite(self.controls)
        before = self.state.x.array.copy()
        start = np.zeros(self._owned) if self.linear else before[: self._owned]
        self._solved = []
        try:
            if self.linear:
                self._set(start - self._solve_jacobian(self._residual_at(start).vector))
            else:
                reference = self._residual_at(np.zeros(self._owned)).norm
                self._newton.solve(self._residual_at, self._solve_jacobian, start, reference, self._comm)
        except BaseException:
            self.state.x.array[:] = before
            self._solver = None
            raise
        self._solved = self._values((self.state, *self.controls.values()))
        return self.state

    def observe(self) -> dict[str, np.ndarray]:
        """Copy of the dofs ``state`` and every observable, shape (1,)."""
        values = {n: self._comm.allreduce(fem.assemble_scalar(form)) for n, form in self._observables.items()}
        return {"state": self.state.x.array.copy(), **{name: np.array([value]) for name, value in values.items()}}

    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` by one transposed solve.

        Raises:
            ValueError: A cotangent has an unknown name or the wrong shape.
            ConvergenceError: The state does not belong to the present controls.
        """
        self._check_cotangents(cotangents)
        rhs = self._adjoint.state_gradient(cotangents)[: self._owned]
        held = self._holder >= 0
        multiplier = self._solve_jacobian(np.where(held, 0.0, rhs), transpose=True)
        gradients = self._adjoint.control_gradients(multiplier)
        if any(self._driven.values()):
            reaction = rhs - self._adjoint.jacobian_product()[: self._owned]
            for k, name in self._driven.items():
                if name:
                    dofs = np.flatnonzero(self._holder == k)
                    constant = isinstance(self.controls[name], fem.Constant)
                    np.add.at(gradients[name], dofs % gradients[name].size if constant else dofs, reaction[dofs])
        return gradients

    def residual_norm(self, state: np.ndarray) -> float:
        """The larger of the residual relative to that of zero and the relative error of the Dirichlet values.

        Infinite where the residual has no value, as for an inverted element.
        """
        dofs = self.state.x.array
        if np.shape(state) != dofs.shape:
            raise ValueError(f"state: expected the dofs, shape {dofs.shape}, got {np.shape(state)}")
        state, before, held = np.array(state), dofs.copy(), self._holder >= 0
        try:
            reference = self._residual_at(np.zeros(self._owned)).norm
            here = self._residual_at(state[: self._owned], lift=False)
            error = here.vector[held]
            right = global_norm(self._comm, dofs[: self._owned][held] - error)
            values = (here.norm / (reference or 1.0), global_norm(self._comm, error) / (right or 1.0))
        finally:
            dofs[:] = before
        return max(values) if np.isfinite(values).all() else float("inf")

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

    def _residual_at(self, owned: np.ndarray, *, lift: bool = True) -> Residual:
        """Residual of a state; in Dirichlet rows the error of the value.

        With `lift` it is that of the state with corrected Dirichlet values, to first order.
        """
        admissible = self._set(owned)
        vector = self._vector.array
        vector[:] = 0.0
        fem.assemble_vector(vector, self._residual)
        if lift and not admissible:
            fem.apply_lifting(vector, [self._jacobian], bcs=[self._bcs], x0=[self.state.x.array], alpha=-1.0)
        self._vector.scatter_reverse(la.InsertMode.add)
        for bc in self._bcs:
            bc.set(vector, self.state.x.array, -1.0)
        owned_part = vector[: self._owned].copy()
        return Residual(owned_part, global_norm(self._comm, owned_part[self._holder < 0]), admissible)

    def _solve_jacobian(self, rhs: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve with the Jacobian at the present state, factorised anew only if its data changed."""
        data = self._values(self._jacobian_data)
        if self._solver is None or not _equal(data, self._factorised):
            if self._solver is None:
                self._matrix = petsc.create_matrix(self._jacobian)
            self._matrix.zeroEntries()
            petsc.assemble_matrix(self._matrix, self._jacobian, bcs=self._bcs)
            self._matrix.assemble()
            if self._solver is None:
                self._solver = DirectSolver(self._matrix, symmetric=self._symmetric)
            else:
                self._solver.factorise()
            self._factorised = data
        return self._solver.solve(rhs, transpose=transpose)

    def _values(self, controls: Iterable[Control]) -> list[np.ndarray]:
        """Copies of the values, and of the coordinates of the mesh, on which all forms depend."""
        return [_array(control).copy() for control in controls] + [self._space.mesh.geometry.x.copy()]

    @cached_property
    def _adjoint(self) -> "_Adjoint":
        return _Adjoint(*self._ufl, self.state, self.controls)

    def _check_cotangents(self, cotangents: Mapping[str, np.ndarray]) -> None:
        if not _equal(self._values((self.state, *self.controls.values())), self._solved):
            raise ConvergenceError("pull_back needs the solution of the present controls: call solve() first")
        shapes = {"state": self.state.x.array.shape, **dict.fromkeys(self._observables, (1,))}
        for name, cotangent in cotangents.items():
            if shapes.get(name) != np.shape(cotangent):
                raise ValueError(f"cotangent '{name}': expected one of {shapes}, got shape {np.shape(cotangent)}")


class _Adjoint:
    """Derivatives of the Lagrangian sum_k c_k J_k(u, m) - F(u, m; lambda); forms are compiled at first use."""

    def __init__(
        self,
        residual: ufl.Form,
        observables: Mapping[str, ufl.Form],
        state: fem.Function,
        controls: Mapping[str, Control],
    ) -> None:
        self._state, self._controls = state, controls
        self._multiplier = fem.Function(state.function_space)
        self._weights = {name: fem.Constant(state.function_space.mesh, 0.0) for name in observables}
        self._work = ufl.replace(residual, {residual.arguments()[0]: self._multiplier})
        self._goal = sum((self._weights[name] * form for name, form in observables.items()), ufl.Form([]))

    def state_gradient(self, cotangents: Mapping[str, np.ndarray]) -> np.ndarray:
        """Derivative of the cotangents' sum with respect to the state (dofs,)."""
        for name, weight in self._weights.items():
            weight.value = float(np.asarray(cotangents.get(name, [0.0]))[0])
        return _assembled(self._goal_by_state, self._state) + cotangents.get("state", 0.0)

    def control_gradients(self, multiplier: np.ndarray) -> dict[str, np.ndarray]:
        """Partial derivatives of the Lagrangian with respect to each control (control dofs,)."""
        self._multiplier.x.array[: len(multiplier)] = multiplier
        self._multiplier.x.scatter_forward()
        return {name: _assembled(self._by_control[name], control) for name, control in self._controls.items()}

    def jacobian_product(self) -> np.ndarray:
        """(dF/du)^T lambda in all rows, also those of Dirichlet values (dofs,)."""
        return _assembled(self._work_by_state, self._state)

    @cached_property
    def _goal_by_state(self) -> list[fem.Form]:
        return _derivative(self._goal, self._state)

    @cached_property
    def _work_by_state(self) -> list[fem.Form]:
        return _derivative(self._work, self._state)

    @cached_property
    def _by_control(self) -> dict[str, list[fem.Form]]:
        lagrangian = self._goal - self._work
        return {name: _derivative(lagrangian, control) for name, control in self._controls.items()}


def _derivative(form: ufl.Form, control: Control) -> list[fem.Form]:
    """Compiled derivative: a vector of a function, one scalar for each component of a constant, or nothing."""
    if isinstance(control, fem.Function):
        gradient = expand_derivatives(ufl.derivative(form, control)) if control in form.coefficients() else ufl.Form([])
        return [] if gradient.empty() else [fem.form(gradient)]
    if control not in form.constants():
        return []
    variable = ufl.variable(control)
    integrals = [(i, ufl.diff(i.integrand(), variable)) for i in ufl.replace(form, {control: variable}).integrals()]
    components = list(np.ndindex(control.ufl_shape))
    parts = [[i.reconstruct(integrand=d[c] if c else d) for i, d in integrals] for c in components]
    return [fem.form(expand_derivatives(ufl.Form(part))) for part in parts]


def _assembled(forms: list[fem.Form], control: Control) -> np.ndarray:
    if not forms:
        return np.zeros(_array(control).size)
    if isinstance(control, fem.Constant):
        comm = forms[0].mesh.comm
        return np.array([comm.allreduce(fem.assemble_scalar(form)) for form in forms])
    vector = fem.assemble_vector(forms[0])
    vector.scatter_reverse(la.InsertMode.add)
    return vector.array.copy()


def _array(control: Control) -> np.ndarray:
    return control.value if isinstance(control, fem.Constant) else control.x.array


def _equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def _with_degrees(form: ufl.Form) -> ufl.Form:
    """Fix the quadrature degree of every integral, so that all derivatives are exact ones of the discrete form."""
    integrals = []
    for integral in expand_derivatives(apply_algebra_lowering(form)).integrals():
        degree = integral.metadata().get("quadrature_degree", -1)
        if degree < 0:
            _, degree_of_scaling = compute_integrand_scaling_factor(integral)
            degree = estimate_total_polynomial_degree(integral.integrand()) + degree_of_scaling
        integrals.append(integral.reconstruct(metadata={**integral.metadata(), "quadrature_degree": degree}))
    return ufl.Form(integrals)


def _check_forms(residual: ufl.Form, observables: Mapping[str, ufl.Form]) -> None:
    if np.issubdtype(default_scalar_type, np.complexfloating):
        raise TypeError(
            f"VariationalProblem: expected a DOLFINx with real numbers, got {default_scalar_type.__name__}; "
            "install the real build (pip install dolfinx-solver-real)"
        )
    if len(residual.arguments()) != 1:
        raise ValueError(f"residual: expected a form with one test function, got {len(residual.arguments())} arguments")
    for name, form in observables.items():
        if form.arguments() or name == "state":
            raise ValueError(
                f"observable '{name}': expected a scalar form (no test function) with a name other than 'state', "
                f"got {len(form.arguments())} arguments"
            )


def _check_finite(controls: Mapping[str, Control]) -> None:
    for name, control in controls.items():
        bad = ~np.isfinite(_array(control)).ravel()
        if bad.any():
            raise ValueError(
                f"control '{name}': expected finite values, got NaN or infinity in {bad.sum()} of {bad.size} dofs, "
                f"the first is dof {bad.argmax()}"
            )


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
