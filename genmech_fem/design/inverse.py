"""Inverse design: generate candidates, rank them with a surrogate, verify the best with the solver."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genmech_fem.design.objectives import Objective
from genmech_fem.errors import GenmechError
from genmech_fem.fields import Arrays, concatenate, take
from genmech_fem.forward import ForwardModel, in_batches


@dataclass(frozen=True)
class Candidates:
    """Verified designs, the best first; failed ones are left out.

    Attributes:
        designs: Inputs of the verifier.
        verified: The verifier's answers.
        values: Objective of the verified answers (batch,).
        predicted: The surrogate's answers, empty where no surrogate was asked.
        failures: Reason of each design that the verifier refused, by its place in the ranking.
        solves: Number of solves spent, failed ones included.
    """

    designs: Arrays
    verified: Arrays
    values: np.ndarray
    predicted: Arrays
    failures: Mapping[int, str]
    solves: int


def verify(
    verifier: ForwardModel, designs: Arrays, objective: Objective, predicted: Arrays | None = None
) -> Candidates:
    """Solve every design with `verifier` and sort them by the verified objective.

    Raises:
        GenmechError: The verifier refused every design.
    """
    total = len(next(iter(designs.values())))
    answers, failures = [], {}
    for i in range(total):
        try:
            answers.append(verifier(take(designs, slice(i, i + 1))))
        except GenmechError as error:
            failures[i] = str(error)
    if not answers:
        raise GenmechError(f"none of the {total} designs could be verified; the first: {failures[0]}")
    verified = concatenate(answers)
    values = objective(verified)
    order = np.argsort(values, kind="stable")
    good = np.array([i for i in range(total) if i not in failures])[order]
    return Candidates(
        take(designs, good), take(verified, order), values[order], take(predicted or {}, good), failures, total
    )


def inverse_design(
    decoder: ForwardModel,
    surrogate: ForwardModel,
    verifier: ForwardModel,
    objective: Objective,
    draws: Arrays,
    *,
    solves: int,
    batch: int = 64,
) -> Candidates:
    """Decode `draws`, rank them by the surrogate's objective, and verify the best.

    Args:
        decoder: Makes designs, for example a generator from noise and condition.
        surrogate: Predicts the answer for a design.
        verifier: Computes it, on a mesh of the design.
        objective: What is made small.
        draws: Inputs of the decoder, one sample a candidate.
        solves: How many of the best candidates are verified.
        batch: Candidates decoded and predicted at a time.
    """
    designs = in_batches(decoder, draws, batch)
    predicted = in_batches(surrogate, designs, batch)
    best = np.argsort(objective(predicted), kind="stable")[:solves]
    return verify(verifier, take(designs, best), objective, take(predicted, best))
