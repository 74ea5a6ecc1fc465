"""How the error falls with the number of labels."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from genmech_fem.training import Batch, Recipe, Trainable, fit


@dataclass(frozen=True)
class CurvePoint:
    """Score after training on so many labels, for one seed."""

    labels: int
    seed: int
    score: float


def learning_curve(
    make: Callable[[int], Trainable],
    data: Batch,
    sizes: Sequence[int],
    recipe: Callable[[int, int], Recipe],
    score: Callable[[Trainable], float],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    augment: Callable[[Batch, torch.Generator], Batch] | None = None,
) -> Iterator[CurvePoint]:
    """Train on the first labels of a random order, more and more of them; the sets of one seed contain each other.

    Args:
        make: A model for a seed, untrained or pretrained.
        data: All labelled samples.
        sizes: Numbers of labels.
        recipe: Settings for a number of labels and a seed.
        score: Error on samples that are not among them.
        seeds: Seeds of the order, the model and the training.
        augment: As for `fit`.

    Yields:
        The score after each training.

    Raises:
        ValueError: A number of labels is below 1 or above that of the samples.
    """
    samples = len(next(iter(data.values())))
    if not sizes or min(sizes) < 1 or max(sizes) > samples:
        raise ValueError(f"learning_curve: expected sizes from 1 to the {samples} samples, got {list(sizes)}")
    for seed in seeds:
        order = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
        for labels in sizes:
            torch.manual_seed(seed)
            model = make(seed)
            part = {name: values[order[:labels]] for name, values in data.items()}
            for _ in fit(model, part, recipe(labels, seed), augment=augment):
                pass
            yield CurvePoint(labels, seed, score(model))


def labels_needed(curve: Mapping[int, float], score: float) -> float:
    """With how many labels a learning curve first falls to a score.

    Args:
        curve: Errors by number of labels.
        score: The error to reach.

    Returns:
        The number, between two points of the curve on the line over the logarithm of the numbers; the first of them if
        that is good enough already, infinity if none is.

    Raises:
        ValueError: The curve is empty.
    """
    if not curve:
        raise ValueError("labels_needed: expected a curve of at least one point, got none")
    points = sorted(curve.items())
    if points[0][1] <= score:
        return points[0][0]
    for (few, worse), (many, better) in pairwise(points):
        if better <= score:
            return few * (many / few) ** ((worse - score) / (worse - better))
    return math.inf
