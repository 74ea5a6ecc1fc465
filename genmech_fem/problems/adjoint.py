"""Derivatives of the Lagrangian for the discrete adjoint; every form is compiled at first use."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import ufl
from dolfinx import fem
from ufl.algorithms import expand_derivatives

from genmech_fem.problems.forms import assembled_vector, compiled
from genmech_fem.problems.observables import Observable
from genmech_fem.problems.problem import Control, values_of


class Adjoint:
    """Derivatives of the Lagrangian sum_k c_k . J_k(u, m) - F(u, m; lambda).

    Args:
        residual: F(u, m; v).
        observables: J_k by name.
        state: u.
        controls: m by name.
    """

    def __init__(
        self,
        residual: ufl.Form,
        observables: Mapping[str, Observable],
        state: fem.Function,
        controls: Mapping[str, Control],
    ) -> None:
        self._state, self._controls, self._observables = state, controls, observables
        self._multiplier = fem.Function(state.function_space)
        self._work = ufl.replace(residual, {residual.arguments()[0]: self._multiplier})
        self._compiled: dict[tuple[str, str], list[fem.Form]] = {}
        self._given: list[str] = []

    def state_gradient(self, cotangents: Mapping[str, np.ndarray]) -> np.ndarray:
        """Derivative of the cotangents' sum with respect to the state (dofs,)."""
        self._given = [name for name in cotangents if name != "state"]
        for name in self._given:
            self._observables[name].weigh(cotangents[name])
        return self._goal_gradient("state", self._state) + cotangents.get("state", 0.0)

    def control_gradients(self, multiplier: np.ndarray) -> dict[str, np.ndarray]:
        """Partial derivatives of the Lagrangian of the last `state_gradient` by each control (control dofs,)."""
        self._multiplier.x.array[: len(multiplier)] = multiplier
        self._multiplier.x.scatter_forward()
        return {
            name: self._goal_gradient(name, control) - _assembled(self._work_by_control[name], control)
            for name, control in self._controls.items()
        }

    def jacobian_product(self) -> np.ndarray:
        """(dF/du)^T lambda in all rows, also those of Dirichlet values (dofs,)."""
        return _assembled(self._work_by_state, self._state)

    def _goal_gradient(self, by: str, control: Control) -> np.ndarray:
        total = np.zeros(values_of(control).size)
        for name in self._given:
            if (name, by) not in self._compiled:
                self._compiled[name, by] = _derivative(self._observables[name].functional, control)
            total += _assembled(self._compiled[name, by], control)
        return total

    @cached_property
    def _work_by_state(self) -> list[fem.Form]:
        return _derivative(self._work, self._state)

    @cached_property
    def _work_by_control(self) -> dict[str, list[fem.Form]]:
        return {name: _derivative(self._work, control) for name, control in self._controls.items()}


def _derivative(form: ufl.Form, control: Control) -> list[fem.Form]:
    """Compiled derivative: a vector of a function, one scalar for each component of a constant, or nothing."""
    if isinstance(control, fem.Function):
        gradient = expand_derivatives(ufl.derivative(form, control)) if control in form.coefficients() else ufl.Form([])
        return [] if gradient.empty() else [compiled(gradient)]
    if control not in form.constants():
        return []
    variable = ufl.variable(control)
    integrals = [(i, ufl.diff(i.integrand(), variable)) for i in ufl.replace(form, {control: variable}).integrals()]
    components = list(np.ndindex(control.ufl_shape))
    parts = [[i.reconstruct(integrand=d[c] if c else d) for i, d in integrals] for c in components]
    return [compiled(expand_derivatives(ufl.Form(part))) for part in parts]


def _assembled(forms: list[fem.Form], control: Control) -> np.ndarray:
    if not forms:
        return np.zeros(values_of(control).size)
    if isinstance(control, fem.Constant):
        comm = forms[0].mesh.comm
        return np.array([comm.allreduce(fem.assemble_scalar(form)) for form in forms])
    return assembled_vector(forms[0]).array.copy()
