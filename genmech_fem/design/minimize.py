"""The design loop: the same for solver, surrogate and ONNX session."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genmech_fem.design.constraints import Constraint, check_constraints
from genmech_fem.design.evaluator import Answer, Evaluator
from genmech_fem.design.loop import Progress, best, drive, violations
from genmech_fem.design.objectives import Objective
from genmech_fem.design.search import Optimizer
from genmech_fem.design.vectors import Bounds, Vectors
from genmech_fem.design.verification import Candidates, inputs_of, verify
from genmech_fem.errors import GenmechError
from genmech_fem.fields import Arrays, take
from genmech_fem.forward import ForwardModel
from genmech_fem.runtime import Guard


@dataclass(frozen=True, eq=False)
class DesignResult:
    """The best design that a loop saw.

    Attributes:
        design: The model's inputs, a batch of one.
        outputs: The model's answer for it, a batch of one.
        value: Its objective.
        violation: Its largest violation of a constraint, relative to the limit; 0 if it keeps all.
        last: What the optimiser asked for last, from which another loop can go on.
        history: Objective of the best design of each answer.
        evaluations: Number of samples that the model evaluated: solves, where it is a solver.
        failures: What the model said of designs that it could not solve.
        message: Why the loop ended.
        stopped: What ended it early, Ctrl-C or a design that could not be solved; None if nothing did.
        candidates: The design solved again by independent means, after `verified`.
    """

    design: Arrays
    outputs: Arrays
    value: float
    violation: float
    last: Arrays
    history: tuple[float, ...]
    evaluations: int
    failures: tuple[str, ...]
    message: str
    stopped: GenmechError | KeyboardInterrupt | None
    candidates: Candidates | None = None

    def verified(
        self,
        verifier: ForwardModel,
        objective: Objective,
        *,
        finer: ForwardModel | None = None,
        guard: Guard | None = None,
    ) -> "DesignResult":
        """Solve the design again, by independent means.

        Args:
            verifier: Solver that takes what the loop's arrays hold, such as one that meshes the density.
            objective: Of its inputs and outputs.
            finer: The same on a finer mesh.
            guard: Judges the outputs of the loop, as that of a `GuardedModel` does; gives the certificate.

        Returns:
            The result with `candidates`: predicted value, certificate, value on the conforming and on the finer mesh.

        Raises:
            ContractError: The verifier takes something that the loop's arrays lack.
            GenmechError: The verifier cannot solve the design.
        """
        arrays = {**self.outputs, **self.design}
        found = verify(
            verifier,
            inputs_of(verifier, arrays),
            objective,
            self.outputs,
            certificates=None if guard is None else guard.judge(self.design, self.outputs).measure,
            finer=finer,
        )
        return replace(self, candidates=found)


def minimize(
    model: ForwardModel,
    objective: Objective,
    start: Arrays,
    optimizer: Optimizer,
    *,
    constraints: Sequence[Constraint] = (),
    bounds: Bounds | None = None,
    iterations: int = 100,
    journal: Path | str | None = None,
    progress: Progress | None = None,
) -> DesignResult:
    """Look for the inputs of `model` that make `objective` small and keep the constraints.

    Ctrl-C, or a design that cannot be solved, ends the loop after the first iteration; the best design is kept.

    Args:
        model: Any ForwardModel; gradient-based optimisers need one with `vjp`. See `forward.hold` for inputs that do
            not vary.
        objective: Function of the model's inputs and outputs.
        start: First design, a batch of one, or of several for an optimiser that moves several; it is moved into the
            bounds.
        optimizer: The rule that proposes designs.
        constraints: What the design has to keep; met within 0.1 percent of the limit counts as kept.
        bounds: Smallest and largest value by input name, numbers or arrays that fit the input.
        iterations: Most answers of the model, each for all designs that the optimiser asks for at a time.
        journal: Folder in which every answer is written; a loop that is begun again with the same arguments goes on
            from there, at the cost of one evaluation, and another one if no better design is found.
        progress: Called with a `Step` after each answer.

    Raises:
        ContractError: The start does not match the model, a bound names no input, constraints contradict each other,
            or the journal is that of another loop.
        GenmechError: The first design cannot be solved, its objective is not finite, or the folder of the journal
            holds something else.
        ValueError: No iteration is asked for.
    """
    check_constraints(constraints)
    vectors, kept = Vectors(model.inputs), _Best()
    space = vectors.space(start, bounds, constraints=len(constraints))
    evaluator = Evaluator(model, (objective,), constraints, gradients=optimizer.gradients)
    course = drive(optimizer.search(space), evaluator, kept, iterations=iterations, journal=journal, progress=progress)
    design = vectors.split(kept.x[None])
    return DesignResult(
        design,
        kept.outputs or model(design),
        kept.value,
        kept.violation,
        vectors.split(kept.last),
        course.history,
        course.evaluations,
        course.failures,
        course.message,
        course.stopped,
    )


class _Best:
    """Keeps the best design: the one of least violation beyond a tolerance, and of these the one of least value."""

    def __init__(self) -> None:
        self.x = self.last = np.empty(0)
        self.value = self.violation = np.inf
        self.outputs: Arrays = {}

    def __call__(self, answer: Answer) -> None:
        self.last = answer.designs
        values, broken = answer.evaluation.values[answer.solved, 0], violations(answer.evaluation)[answer.solved]
        i = best(values, broken)
        if best(np.array([self.value, values[i]]), np.array([self.violation, broken[i]])) == 1:
            self.x, self.value, self.violation = answer.designs[answer.solved[i]], float(values[i]), float(broken[i])
            self.outputs = take(answer.outputs, slice(i, i + 1))
