"""Verification: every design that comes out is solved again."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genmech_fem.design.objectives import Objective
from genmech_fem.errors import ContractError, GenmechError
from genmech_fem.fields import Arrays, concatenate, take
from genmech_fem.forward import ForwardModel, one_by_one


@dataclass(frozen=True, eq=False)
class Candidates:
    """Verified designs, the best first; failed ones are left out.

    Attributes:
        designs: Inputs of the verifier.
        verified: The verifier's answers.
        values: Objective of the verified answers (batch,).
        predicted: The answers of the model that proposed them, empty where it was not asked.
        predicted_values: Objective of the predicted answers (batch,), NaN where there are none.
        certificates: Bound of the relative error of each predicted answer against the solver (batch,), infinite where
            it was refused, NaN where it was not judged.
        finer_values: Objective of the answers of a finer verifier (batch,), NaN where it failed or was not asked.
        failures: Reason of each design that the verifier refused, by its place in the ranking.
        solves: Number of solves spent, failed ones included.
    """

    designs: Arrays
    verified: Arrays
    values: np.ndarray
    predicted: Arrays
    predicted_values: np.ndarray
    certificates: np.ndarray
    finer_values: np.ndarray
    failures: Mapping[int, str]
    solves: int


def verify(
    verifier: ForwardModel,
    designs: Arrays,
    objective: Objective,
    predicted: Arrays | None = None,
    *,
    certificates: np.ndarray | None = None,
    finer: ForwardModel | None = None,
) -> Candidates:
    """Solve every design with `verifier` and sort them by the verified objective.

    Args:
        verifier: Solver, such as one on a conforming mesh of each design.
        designs: Its inputs.
        objective: Of its inputs and outputs.
        predicted: What another model has said of the designs.
        certificates: Bounds of the errors of that (batch,), such as ``guard.judge(designs, predicted).measure``.
        finer: The same solver on finer meshes, to see whether the first mesh was fine enough.

    Raises:
        GenmechError: The verifier refused every design.
    """
    total = len(next(iter(designs.values())))
    answers, failures = one_by_one(verifier, designs)
    if not answers:
        raise GenmechError(f"none of the {total} designs could be verified; the first: {failures[0]}")
    good = np.array([i for i in range(total) if i not in failures])
    verified = concatenate(answers)
    values = objective({**take(designs, good), **verified})
    order = np.argsort(values, kind="stable")
    good = good[order]
    best, said = take(designs, good), take(predicted or {}, good)
    unknown = np.full(len(good), np.nan)
    return Candidates(
        best,
        take(verified, order),
        values[order],
        said,
        objective({**best, **said}) if said else unknown,
        unknown if certificates is None else certificates[good],
        unknown if finer is None else _again(finer, best, objective),
        failures,
        total + (0 if finer is None else len(good)),
    )


def inputs_of(verifier: ForwardModel, arrays: Arrays) -> dict[str, np.ndarray]:
    """What a verifier takes out of the arrays (batch, ...) of a design loop.

    Raises:
        ContractError: Something is missing.
    """
    missing = [spec.name for spec in verifier.inputs if spec.name not in arrays]
    if missing:
        raise ContractError(
            f"the verifier takes {missing}, the design loop has {sorted(arrays)}: compose its model with keep=True"
        )
    return {spec.name: arrays[spec.name] for spec in verifier.inputs}


def _again(finer: ForwardModel, designs: Arrays, objective: Objective) -> np.ndarray:
    """Values of the answers of a finer verifier, NaN where it failed."""
    answers, failures = one_by_one(finer, designs)
    values = np.full(len(answers) + len(failures), np.nan)
    good = [i for i in range(len(values)) if i not in failures]
    for i, answer in zip(good, answers, strict=True):
        values[i] = objective({**take(designs, slice(i, i + 1)), **answer})[0]
    return values
