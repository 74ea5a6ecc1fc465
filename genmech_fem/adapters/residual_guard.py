"""Answers that the solver's own residual vouches for."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, check, take
from genmech_fem.forward import Chain, ForwardModel, LazyModel
from genmech_fem.problems import Certificate
from genmech_fem.problems.judges import Certified, Judge
from genmech_fem.problems.problem import values_of
from genmech_fem.problems.variational import VariationalProblem
from genmech_fem.runtime import Verdict


class ResidualGuard:
    """Judge states by the residual of the solver, polish them, and complete the answer from the state.

    Where the problem is linear (`Certificate`), an accepted state is closer to the finite-element solution on the
    solver's mesh than `tolerance`, relative to it in the energy norm, whatever the surrogate has answered. Where it is
    not (`ResidualCheck`), its relative residual is below `tolerance`.

    All outputs of an accepted answer are those of the accepted state. Gradients are those of the solver there; the
    adjoint equation is solved by conjugate gradients with the reference stiffness, to the same tolerance.

    Args:
        model: The solver: a `ProblemModel`, or a chain of models that ends in one, with an output that has one value
            for each dof of the state.
        judge: `Certificate(problem)` or `ResidualCheck(problem)` of its problem.
        tolerance: Relative error, or residual, that is accepted.
        steps: Most steps of polish, of conjugate gradients or Newton's method.

    Raises:
        ContractError: The model is none of these, or the judge that of another problem.
        ValueError: The tolerance is not positive, or steps are below 0.
    """

    def __init__(self, model: ForwardModel, judge: Judge, tolerance: float, *, steps: int = 2) -> None:
        self._model, self._chains = _unchained(model)
        if not (tolerance > 0 and steps >= 0):
            raise ValueError(f"ResidualGuard: expected tolerance > 0 and steps >= 0, got {tolerance} and {steps}")
        if judge.problem is not self._model.problem:
            raise ContractError("ResidualGuard: expected a judge of the problem of the model, got that of another one")
        self.name, self.tolerance, self.steps, self._judge = "residual", tolerance, steps, judge
        self.state = self._model.whole_state[0]

    @classmethod
    def around(cls, model: ForwardModel, inputs: Arrays, tolerance: float, *, steps: int = 2) -> "ResidualGuard":
        """Guard of a linear problem with the geometric mean of positive controls over these inputs as reference."""
        last, chains = _unchained(model)
        problem = last.problem
        if not isinstance(problem, VariationalProblem):
            raise ContractError(f"ResidualGuard.around: expected a VariationalProblem, got {type(problem).__name__}")
        arrays, samples = _through(chains, check(inputs, model.inputs)), []
        for i in range(len(next(iter(arrays.values())))):
            last.set_controls(arrays, i)
            samples.append({name: values_of(control).copy() for name, control in problem.controls.items()})
        problem.set_controls({name: _mean(np.array([sample[name] for sample in samples])) for name in problem.controls})
        return cls(model, Certificate(problem), tolerance, steps=steps)

    def judge(self, inputs: Arrays, outputs: Arrays) -> Verdict:
        """Judge the states in the outputs; the measure is the bound of the relative error, or the relative residual."""
        arrays = _through(self._chains, inputs)
        found = [self._certified(arrays, i, state) for i, state in enumerate(self._model.dofs(outputs))]
        measure = np.array([one.relative for one in found])
        accepted = measure <= self.tolerance
        states = [one.state for one, good in zip(found, accepted, strict=True) if good]
        answers = self._model.complete(take(arrays, accepted), states) if states else {}
        return Verdict(accepted, measure, answers, np.array([one.steps > 0 for one in found]))

    def error(self, inputs: Arrays, outputs: Arrays, truth: Arrays) -> np.ndarray:
        """Errors (batch,) relative to the solution in the energy norm, or relative residuals."""
        arrays, problem = _through(self._chains, inputs), self._model.problem
        errors = []
        for i, (found, right) in enumerate(zip(self._model.dofs(outputs), self._model.dofs(truth), strict=True)):
            self._model.set_controls(arrays, i)
            if isinstance(problem, VariationalProblem) and problem.linear:
                errors.append(problem.energy_norm(found - right) / problem.energy_norm(right))
            else:
                errors.append(problem.residual_norm(found))
        return np.array(errors)

    def vjp(self, inputs: Arrays, outputs: Arrays, cotangents: Arrays) -> Arrays:
        """Gradient of ``sum(cotangents * outputs)`` with respect to the inputs, at the accepted outputs."""
        starts, arrays = [], inputs
        for chain in self._chains:
            start, arrays = chain.between(arrays)
            starts.append(start)
        gradients = self._model.pull_back(arrays, self._model.dofs(outputs), cotangents, solve=self._adjoint)
        for chain, start in zip(reversed(self._chains), reversed(starts), strict=True):
            gradients = chain.through(start, gradients)
        return gradients

    @property
    def _adjoint(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Solver of the adjoint equation; None for the problem's own."""
        judge = self._judge
        return partial(judge.solve, tolerance=self.tolerance) if isinstance(judge, Certificate) else None

    def _certified(self, arrays: Arrays, i: int, state: np.ndarray) -> Certified:
        self._model.set_controls(arrays, i)
        try:
            return self._judge.certify(state, self.tolerance, self.steps)
        except ValueError:  # controls without a solution, of which the solver will say more
            return Certified(state, 0.0, np.inf, (0.0, np.inf), 0)


def _unchained(model: ForwardModel) -> tuple[ProblemModel, list[Any]]:
    """The `ProblemModel` at the end, and the chains that lead to it."""
    chains: list[Any] = []
    while not isinstance(model, ProblemModel):
        if isinstance(model, LazyModel):
            model = model.model
        elif isinstance(model, Chain):
            chains.append(model)
            model = model.second
        else:
            raise ContractError(
                f"ResidualGuard: expected a ProblemModel, or a chain that ends in one, got {type(model).__name__}"
            )
    return model, chains


def _through(chains: Iterable[Chain], arrays: Arrays) -> Arrays:
    """What the end of the chains takes."""
    for chain in chains:
        arrays = chain.between(arrays)[1]
    return arrays


def _mean(samples: np.ndarray) -> np.ndarray:
    """Geometric mean over the first axis where all are positive, else the arithmetic one."""
    positive = (samples > 0).all(axis=0)
    return np.where(positive, np.exp(np.log(np.where(positive, samples, 1.0)).mean(axis=0)), samples.mean(axis=0))
