"""Inverse design: generate candidates, rank them with a surrogate, verify the best with the solver."""

from collections.abc import Callable

import numpy as np

from genmech_fem.design.objectives import Objective
from genmech_fem.design.verification import Candidates, inputs_of, verify
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, take
from genmech_fem.forward import ForwardModel, in_batches
from genmech_fem.runtime import Guard

type Acceptance = Callable[[Arrays], np.ndarray]


def inverse_design(
    decoder: ForwardModel,
    surrogate: ForwardModel,
    verifier: ForwardModel,
    objective: Objective,
    draws: Arrays,
    *,
    solves: int,
    accept: Acceptance | None = None,
    guard: Guard | None = None,
    finer: ForwardModel | None = None,
    batch: int = 64,
) -> Candidates:
    """Decode `draws`, reject what is not accepted, rank the rest by the surrogate's objective, and verify the best.

    Args:
        decoder: Makes designs, for example a generator from noise and condition.
        surrogate: Predicts the answer for a design.
        verifier: Computes it, on a mesh of the design.
        objective: What is made small.
        draws: Inputs of the decoder, one sample a candidate.
        solves: How many of the best candidates are verified.
        accept: From designs and their predicted answers to whether each is taken (batch,), for example
            ``lambda arrays: MinimumFeature(2.0).measure(arrays) < 0.01``; None takes all.
        guard: Judges the predictions of the best candidates; its bounds are their certificates.
        finer: The verifier on finer meshes.
        batch: Candidates decoded and predicted at a time.

    Raises:
        ValueError: No solve is asked for.
        ContractError: No candidate is accepted.
        GenmechError: The verifier refused every one of the best.
    """
    if solves < 1:
        raise ValueError(f"solves: expected at least 1, got {solves}")
    designs = in_batches(decoder, draws, batch)
    predicted = in_batches(surrogate, designs, batch)
    if accept is not None:
        taken = np.asarray(accept({**designs, **predicted}), dtype=bool)
        if not taken.any():
            raise ContractError(f"inverse_design: none of {len(taken)} candidates is accepted: draw more, or ask less")
        designs, predicted = take(designs, taken), take(predicted, taken)
    best = np.argsort(objective({**designs, **predicted}), kind="stable")[:solves]
    designs, predicted = take(designs, best), take(predicted, best)
    certificates = None if guard is None else guard.judge(designs, predicted).measure
    return verify(verifier, inputs_of(verifier, designs), objective, predicted, certificates=certificates, finer=finer)
