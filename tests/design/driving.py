"""Drive a search by a function, without a model."""

from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
import pytest

from genmech_fem.design.search import Evaluation, Space


@dataclass
class Run:
    """What was asked and told, and why the search ended; None if it did not end by itself."""

    asked: list = field(default_factory=list)
    told: list = field(default_factory=list)
    message: str | None = None

    @property
    def designs(self):
        return np.concatenate(self.asked)

    @property
    def values(self):
        return np.concatenate([found.values for found in self.told])

    @property
    def constraints(self):
        return np.concatenate([found.constraints for found in self.told])

    @property
    def best(self):
        kept = (self.constraints <= 1e-6).all(axis=1)
        return self.designs[np.where(kept, self.values[:, 0], np.inf).argmin()]


def drive(search, function, answers=500):
    run = Run()
    with closing(search):
        try:
            x = next(search)
            while True:
                run.asked.append(x)
                run.told.append(function(x))
                if len(run.told) == answers:
                    return run
                x = search.send(run.told[-1])
        except StopIteration as end:
            run.message = end.value
    return run


def asks_the_same(optimizer, space, function, answers):
    """Whether two searches at a time, told the same, ask the same: what resuming by replay needs."""
    searches = [optimizer.search(space) for _ in range(2)]
    with closing(searches[0]), closing(searches[1]):
        asked = [next(search) for search in searches]
        for _ in range(answers):
            told = [function(x) for x in asked]
            asked = [_next(search, found) for search, found in zip(searches, told, strict=True)]
            if not np.array_equal(*asked):
                return False
            if asked[0] is None:
                break
    return True


def _next(search, found):
    try:
        return search.send(found)
    except StopIteration:
        return None


def box(start, low=-np.inf, high=np.inf, **numbers):
    start = np.atleast_2d(np.array(start, dtype=float))
    size = start.shape[1]
    return Space(start, np.broadcast_to(low, size).astype(float), np.broadcast_to(high, size).astype(float), **numbers)


def needs(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def unconstrained(value, gradient):
    def answer(x):
        return Evaluation(value(x)[:, None], np.empty((len(x), 0)), gradient(x), np.empty((len(x), 0, x.shape[1])))

    return answer


CENTRE = np.array([0.5, -0.2, 0.8])
CURVATURE = np.array([1.0, 4.0, 9.0])
quadratic = unconstrained(lambda x: (CURVATURE * (x - CENTRE) ** 2).sum(axis=1), lambda x: 2 * CURVATURE * (x - CENTRE))


def _rosenbrock_gradient(x):
    bend = x[:, 1] - x[:, 0] ** 2
    return np.stack([-2 * (1 - x[:, 0]) - 400 * x[:, 0] * bend, 200 * bend], axis=1)


rosenbrock = unconstrained(lambda x: (1 - x[:, 0]) ** 2 + 100 * (x[:, 1] - x[:, 0] ** 2) ** 2, _rosenbrock_gradient)

LOADS = np.array([61.0, 37.0, 19.0, 7.0, 1.0])
BEAM = LOADS**0.25 * (LOADS**0.25).sum() ** (1 / 3)
"""Least sum x with sum LOADS / x^3 <= 1: the cantilever of Svanberg (1987), doi:10.1002/nme.1620240207."""


def beam(x):
    jacobians = (-3 * LOADS / x**4)[:, None]
    return Evaluation(
        0.0624 * x.sum(axis=1, keepdims=True),
        (LOADS / x**3).sum(axis=1, keepdims=True) - 1,
        np.full_like(x, 0.0624),
        jacobians,
    )


def separable(weights, limit):
    """Least sum weights / x with mean x <= limit, and its solution within [lower, 1]."""

    def answer(x):
        return Evaluation(
            (weights / x).sum(axis=1, keepdims=True),
            x.mean(axis=1, keepdims=True) - limit,
            -weights / x**2,
            np.full((len(x), 1, weights.size), 1 / weights.size),
        )

    def solution(lower):
        low, high = 0.0, 1e6  # bisection for the multiplier
        for _ in range(200):
            middle = (low + high) / 2
            x = np.clip(np.sqrt(weights / max(middle, 1e-300)), lower, 1)
            low, high = (middle, high) if x.mean() > limit else (low, middle)
        return x

    return answer, solution
