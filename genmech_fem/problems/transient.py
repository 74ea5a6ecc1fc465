r"""Problems in time: each state follows from the one before by F(u_n, u_{n-1}, m; v) = 0.

The adjoint goes back through the steps,

.. math:: (\partial F_n/\partial u_n)^T \lambda_n = (\partial J/\partial u_n)^T
          - (\partial F_{n+1}/\partial u_n)^T \lambda_{n+1}.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from dolfinx import fem

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.problems.contracts import check_solved, checked_state
from genmech_fem.problems.problem import Control, Problem, Snapshot, values_of
from genmech_fem.problems.variational import VariationalProblem


class TransientProblem(Problem):
    """A sequence of states from the residual of one time step.

    ``state`` in `observe`, `restore`, `pull_back` and `residual_norm` is the history, shape
    ((steps + 1) * dofs,), from the initial state on; an observable of size k of the step has
    the shape (steps * k,). A step that is linear with the same matrix takes one factorisation.

    Args:
        step: Problem of one step; one of its controls is the state before.
        steps: Number of steps.
        previous: Name of that control.
        series: Controls that have values of their own in every step; here they are constants
            of shape (steps, ...).

    Attributes:
        controls: Those of `step`, with ``initial`` in place of `previous`.
        state: The last state.

    Raises:
        ContractError: A name is not one of the step's controls, or of the wrong kind.
    """

    def __init__(
        self, step: VariationalProblem, steps: int, *, previous: str = "previous", series: Iterable[str] = ()
    ) -> None:
        before = step.controls.get(previous)
        if not isinstance(before, fem.Function) or before.function_space != step.state.function_space:
            raise ContractError(f"previous: expected a control in the space of the state, got '{previous}': {before}")
        if steps < 1:
            raise ValueError(f"steps: expected at least 1, got {steps}")
        self.step, self.steps, self.state = step, steps, step.state
        self._before, self._before_name = before, previous
        self._domain = step.state.function_space.mesh
        self.initial = fem.Function(step.state.function_space, name="initial")
        self._series = {name: self._new_series(name) for name in series}
        others = {name: control for name, control in step.controls.items() if name != previous}
        self.controls: Mapping[str, Control] = {"initial": self.initial} | others | self._series
        self._history = np.zeros((steps + 1, self.state.x.array.size))
        self._solved: Snapshot | None = None

    def _settings(self, free: Collection[str]) -> dict[str, Any]:
        step = self.step.description({*free, self._before_name, *self.step.controls})
        return {"steps": self.steps, "previous": self._before_name, "series": sorted(self._series), "step": step}

    def solve(self) -> fem.Function:
        """Compute all states; returns the last one.

        Raises:
            ValueError: A control is not finite.
            ConvergenceError: A step failed; the message says which one.
        """
        self._solved = None
        history = np.empty_like(self._history)
        history[0] = self.initial.x.array
        for n in range(self.steps):
            self._go_to(n, history)
            self.state.x.array[:] = history[n]
            try:
                history[n + 1] = self.step.solve().x.array
            except ConvergenceError as error:
                raise ConvergenceError(f"time step {n + 1} of {self.steps}: {error}") from error
        self._history = history
        self._solved = self._snapshot()
        return self.state

    def restore(self, state: np.ndarray) -> None:
        """Take a history for the solution of the present controls."""
        self._history = self._checked_history(state)
        self.state.x.array[:] = self._history[-1]
        self._solved = self._snapshot()

    def observe(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The history ``state`` and the observables of every step.

        Raises:
            ContractError: A name is unknown.
        """
        steps = []
        for n in range(self.steps):
            self._go_to(n, self._history)
            self.state.x.array[:] = self._history[n + 1]
            steps.append(self.step.observe(names))
        observed = {name: np.concatenate([step[name] for step in steps]) for name in steps[0]}
        return observed | ({"state": self._history.ravel()} if "state" in observed else {})

    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` by one transposed solve a step."""
        check_solved(self._solved)
        weights = self._by_step(cotangents)
        by_state = self._checked_history(cotangents.get("state", np.zeros(self._history.size)))
        gradients = {name: np.zeros(values_of(control).shape) for name, control in self.controls.items()}
        carried = np.zeros(self._history.shape[1])
        for n in reversed(range(self.steps)):
            self._go_to(n, self._history)
            self.step.restore(self._history[n + 1])
            given = {"state": by_state[n + 1] + carried} | {name: weight[n] for name, weight in weights.items()}
            back = self.step.pull_back(given)
            carried = back.pop(self._before_name)
            for name, gradient in back.items():
                total = gradients[name][n : n + 1] if name in self._series else gradients[name]
                total += gradient.reshape(total.shape)
        gradients["initial"] += by_state[0] + carried
        return {name: gradient.ravel() for name, gradient in gradients.items()}

    def residual_norm(self, state: np.ndarray) -> float:
        """The largest relative residual of the steps of a proposed history."""
        history, last = self._checked_history(state), self.state.x.array.copy()
        norms = []
        for n in range(self.steps):
            self._go_to(n, history)
            norms.append(self.step.residual_norm(history[n + 1]))
        self.state.x.array[:] = last
        return max(norms)

    def _go_to(self, n: int, history: np.ndarray) -> None:
        """Give the step the state before it and its own values of the series."""
        self._before.x.array[:] = history[n]
        for name, values in self._series.items():
            values_of(self.step.controls[name])[...] = values.value[n]

    def _new_series(self, name: str) -> fem.Constant:
        control = self.step.controls.get(name)
        if not isinstance(control, fem.Constant):
            raise ContractError(f"series: expected constants among {sorted(self.step.controls)}, got '{name}'")
        return fem.Constant(self._domain, np.tile(control.value, (self.steps, *[1] * control.value.ndim)))

    def _by_step(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        weights = {}
        for name, cotangent in cotangents.items():
            if name != "state":
                if np.ndim(cotangent) != 1 or np.size(cotangent) % self.steps:
                    raise ContractError(
                        f"cotangent '{name}': expected its observable's values in each of {self.steps} steps in a row, "
                        f"got shape {np.shape(cotangent)}"
                    )
                weights[name] = np.reshape(cotangent, (self.steps, -1))
        return weights

    def _checked_history(self, state: np.ndarray) -> np.ndarray:
        return checked_state(state, self._history.size, "a history").reshape(self._history.shape).copy()

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._domain, self.controls.values())
