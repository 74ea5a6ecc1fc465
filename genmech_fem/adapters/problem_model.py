"""A DOLFINx `Problem` as a differentiable ForwardModel."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from genmech_fem.adapters.linear_maps import LinearMap
from genmech_fem.adapters.sample_errors import naming_sample
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec, check
from genmech_fem.problems.problem import Problem
from genmech_fem.problems.variational import VariationalProblem


class ProblemModel:
    """A Problem as a differentiable ForwardModel; samples of a batch are solved one by one.

    Args:
        problem: The problem; its controls are overwritten by every call.
        inputs: Maps from arrays to controls (`source` is the control).
        outputs: Maps from observables to arrays (`source` is the observable).

    Raises:
        ContractError: A map names a control that the problem does not have.
    """

    def __init__(self, problem: Problem, inputs: tuple[LinearMap, ...], outputs: tuple[LinearMap, ...]) -> None:
        unknown = {m.source for m in inputs} - set(problem.controls)
        if unknown:
            raise ContractError(f"unknown controls {sorted(unknown)}: the problem has {sorted(problem.controls)}")
        self.problem, self._inputs, self._outputs = problem, inputs, outputs
        self.inputs: tuple[Spec, ...] = tuple(m.spec for m in inputs)
        self.outputs: tuple[Spec, ...] = tuple(m.spec for m in outputs)

    def description(self) -> dict[str, Any]:
        """What the outputs depend on besides the inputs, as JSON data: the problem and the sampling."""
        maps = {"inputs": self._inputs, "outputs": self._outputs}
        return {
            "problem": type(self.problem).__name__,
            **self.problem.description({m.source for m in self._inputs}),
            **{role: {m.spec.name: m.description() for m in some} for role, some in maps.items()},
        }

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Solve every sample.

        Raises:
            ContractError: The inputs do not match the specs.
            ConvergenceError: A solve failed; the message names the sample.
        """
        arrays = check(inputs, self.inputs)
        return self._gather([self._solve(arrays, i, {m.source for m in self._outputs}) for i in range(_batch(arrays))])

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` by one solve and one adjoint solve a sample."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Solve every sample and keep its state.

        Returns:
            The outputs, and a function from cotangents to gradients that needs one adjoint
            solve a sample; other calls of the model in between do not disturb it.
        """
        arrays = {name: array.copy() for name, array in check(inputs, self.inputs).items()}
        samples = [self._solve(arrays, i, {"state", *(m.source for m in self._outputs)}) for i in range(_batch(arrays))]
        states = [sample["state"] for sample in samples]
        return self._gather(samples), lambda cotangents: self.pull_back(arrays, states, cotangents)

    def dofs(self, outputs: Arrays) -> np.ndarray:
        """States (batch, dofs) from the output that has one value for each dof.

        Raises:
            ContractError: There is no such output, or it has another shape.
        """
        spec, order = self.whole_state
        given = {name: outputs[name] for name in outputs if name == spec.name}
        values = check(given, (spec,), "output")[spec.name]
        states = np.empty((len(values), len(order)))
        states[:, order] = values.reshape(len(values), -1)
        return states

    def complete(self, inputs: Arrays, states: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs of given states (dofs,), one a sample, without a solve."""
        samples = []
        for i, state in enumerate(states):
            self.set_controls(inputs, i)
            self.problem.restore(state)
            samples.append(self.problem.observe({m.source for m in self._outputs}))
        return self._gather(samples)

    def potential(self, inputs: Arrays, states: Arrays) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Potential energies of proposed states, and their gradients, without a solve.

        Args:
            inputs: The inputs.
            states: The output that is the state, on a grid whose points are its dofs.

        Returns:
            Energies (batch,), and the gradient with respect to `states`, 0 where a Dirichlet condition holds.

        Raises:
            ContractError: Arrays do not match the specs, or no output has the dofs of the state one by one.
            ValueError: The problem is not linear and symmetric.
        """
        if not isinstance(self.problem, VariationalProblem):
            raise ValueError(f"potential: expected a VariationalProblem, got {type(self.problem).__name__}")
        spec, dofs = self.whole_state
        arrays, given = check(inputs, self.inputs), check(states, (spec,), "state")[spec.name]
        if len(given) != _batch(arrays):
            raise ContractError(f"potential: expected states of {_batch(arrays)} samples, got {len(given)}")
        energies, gradients = np.empty(len(given)), np.empty(given.shape)
        for i, state in enumerate(self.dofs(states)):
            self.set_controls(arrays, i)
            energies[i], gradient = self.problem.potential(state)
            gradients[i] = gradient[dofs].reshape(spec.shape)
        return energies, {spec.name: gradients}

    @cached_property
    def whole_state(self) -> tuple[Spec, np.ndarray]:
        """The output that holds the dofs of the state one by one, and the dof of each of its numbers.

        Raises:
            ContractError: There is none.
        """
        for m in self._outputs:
            dofs = m.permutation() if m.source == "state" else None
            if dofs is not None:
                return m.spec, dofs
        raise ContractError(
            "expected an output with one value for each dof of the state, such as a field of degree 1 "
            f"at the nodes of its mesh, got {[spec.name for spec in self.outputs]}"
        )

    def pull_back(
        self,
        arrays: Arrays,
        states: Iterable[np.ndarray],
        cotangents: Arrays,
        *,
        solve: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` at given states (dofs,), one a sample.

        Args:
            arrays: The inputs.
            states: States that count as solutions.
            cotangents: Arrays by name of output.
            solve: Solves the adjoint equation of a `VariationalProblem`; by default it is factorised.
        """
        options = {} if solve is None else {"solve": solve}
        given = check(cotangents, tuple(s for s in self.outputs if s.name in cotangents), "cotangent")
        gradients = {name: np.zeros(array.shape) for name, array in arrays.items()}
        for i, state in enumerate(states):
            inner: dict[str, np.ndarray] = {}
            for m in self._outputs:
                if m.spec.name in given:
                    pulled = m.matrix.T @ given[m.spec.name][i].ravel()
                    inner[m.source] = inner.get(m.source, 0.0) + pulled
            self.set_controls(arrays, i)
            self.problem.restore(state)
            back = self.problem.pull_back(inner, **options)
            for m in self._inputs:
                gradients[m.spec.name][i] += (m.matrix.T @ back[m.source].ravel()).reshape(m.spec.shape)
        return gradients

    def _gather(self, samples: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {
            m.spec.name: np.stack([(m.matrix @ sample[m.source]).reshape(m.spec.shape) for sample in samples])
            for m in self._outputs
        }

    def set_controls(self, arrays: Arrays, i: int) -> None:
        """Set the controls of the problem to the inputs of sample `i`."""
        self.problem.set_controls({m.source: m.matrix @ arrays[m.spec.name][i].ravel() for m in self._inputs})

    def _solve(self, arrays: Arrays, i: int, names: set[str]) -> dict[str, np.ndarray]:
        self.set_controls(arrays, i)
        self.problem.state.x.array[:] = 0.0  # a cold start: a sample does not depend on the one before
        with naming_sample(i):
            self.problem.solve()
        return self.problem.observe(names)


def _batch(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))
