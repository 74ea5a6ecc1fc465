"""Several load cases of one linear problem, which share the factorisation of its stiffness."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from dolfinx import fem

from genmech_fem.problems.contracts import check_solved, checked_state
from genmech_fem.problems.problem import Problem, Snapshot, listed, values_of
from genmech_fem.problems.variational import VariationalProblem


class LoadCases(Problem):
    """A linear problem under one load after the other; its state and observables hold those of all cases in a row.

    Args:
        problem: The problem; a factorisation of its stiffness serves until the controls change.
        loads: Constants of its residual, with their values; in case k all but the k-th of them are zero.
    """

    def __init__(self, problem: VariationalProblem, loads: Sequence[fem.Constant]) -> None:
        self.problem, self.controls, self.state = problem, problem.controls, problem.state
        self._loads = [(load, load.value.copy()) for load in loads]
        self._states = np.zeros((len(loads), problem.state.x.array.size))
        self._solved: Snapshot | None = None

    def _settings(self, free: Collection[str]) -> dict[str, Any]:
        for load, value in self._loads:
            load.value = value
        return {"problem": self.problem.description(free), "cases": [listed(value) for _, value in self._loads]}

    def solve(self) -> fem.Function:
        """Solve all cases; the state is then that of the last one.

        Raises:
            ValueError: As of the problem.
            ConvergenceError: A linear solve failed.
        """
        self._solved = None
        for k in self._cases():
            self._states[k] = self.problem.solve().x.array
        self._mark_solved()
        return self.state

    def restore(self, state: np.ndarray) -> None:
        """Take the states of all cases (cases * dofs,) for the solutions of the present controls."""
        given = checked_state(state, self._states.size, f"the dofs of {len(self._states)} cases")
        self._states = given.astype(float).reshape(self._states.shape)
        self._mark_solved()

    def observe(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """States (cases * dofs,) and observables (cases * size,), case by case."""
        names = None if names is None else list(names)
        found = []
        for k in self._cases():
            self.problem.restore(self._states[k])
            found.append(self.problem.observe(names))
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` by one transposed solve a case.

        Raises:
            ContractError: A cotangent has an unknown name or the wrong shape.
            ConvergenceError: There is no solution of the present controls.
        """
        check_solved(self._solved)
        gradients = {name: np.zeros(values_of(control).size) for name, control in self.controls.items()}
        for k in self._cases():
            self.problem.restore(self._states[k])
            own = {name: np.split(cotangent, len(self._loads))[k] for name, cotangent in cotangents.items()}
            for name, gradient in self.problem.pull_back(own).items():
                gradients[name] += gradient
        return gradients

    def residual_norm(self, state: np.ndarray) -> float:
        """The largest relative residual of all cases."""
        parts = np.split(state, len(self._loads))
        return max(self.problem.residual_norm(parts[k]) for k in self._cases())

    def _cases(self) -> Iterator[int]:
        """The number of each case, while the problem carries its load."""
        for k in range(len(self._loads)):
            for i, (load, value) in enumerate(self._loads):
                load.value = value if i == k else np.zeros_like(value)
            yield k

    def _mark_solved(self) -> None:
        self._solved = Snapshot(self.state.function_space.mesh, self.controls.values())
