"""How the error falls with the number of labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
