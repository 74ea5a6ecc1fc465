"""Surrogates: every table has the mean predictor, the nearest neighbour, the solver and a coarser solver beside it.

Run it with  uv run python tests/benchmarks/surrogates.py [--quick]

Each job is one process with one thread; its CPU seconds are those of the training alone.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import genmech_fem.problems  # noqa: F401  isort: skip

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import reporting
import torch

from genmech_fem.metrics import quantiles, relative_l2, untrained_predictions
from genmech_fem.surrogates import GridSurrogate, PropertySurrogate
from genmech_fem.training import Batch, Mirrors, Recipe, Trainable, fit

type Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How long to train, on how many samples."""

    seconds: float = 560.0  # wall time of a training with the share 1, on a core of its own
    samples: int = 1000
    tested: int = 200
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(seconds=6.0, samples=80, tested=20, seeds=(0,))


def train(model: Trainable, data: Batch, recipe: Recipe, augment: Any = None) -> float:
    """Train; CPU seconds."""
    began = time.process_time()
    for _ in fit(model, data, recipe, augment=augment):
        pass
    return time.process_time() - began


def published(name: str) -> dict[str, np.ndarray]:
    """A data set that others made."""
    with np.load(reporting.SHARED_DATA / name) as file:
        return dict(file)


def mirrored(model: Trainable, x: torch.Tensor, signs: torch.Tensor | None = None) -> np.ndarray:
    """Mean of the predictions for the four mirror images, turned back; signs (channels,) change with each mirror."""
    found = []
    with torch.no_grad():
        for axes in ((), (2,), (3,), (2, 3)):
            y = torch.cat([model(part.flip(axes)) for part in x.split(64)])
            if signs is not None:
                y = y.flip(axes) * signs[:, None, None] ** len(axes)
            found.append(y)
    return torch.stack(found).mean(0).double().numpy()


def energies(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Mechanical MNIST: the strain energy of a block at all steps, from its bitmap."""
    data = published("mechanical_mnist_uniaxial.npz")
    bitmap = data["bitmap"][:, ::-1].transpose(0, 2, 1) / 255.0  # x to the right, y upwards
    x, y = tensor(bitmap[:, None]), data["strain_energy"][:, 1:]
    count = sizes.samples * 7 if sizes.samples < 1000 else 7000
    known, asked = slice(0, count), slice(7000, 8000)
    torch.manual_seed(seed)
    axis = torch.linspace(-1, 1, 28).square()
    places = torch.stack([axis[:, None].expand(28, 28), axis.expand(28, 28)])
    x = torch.cat([x, places.expand(len(x), 2, 28, 28)], dim=1)
    model = PropertySurrogate((3, 28, 28), 12, widths=(32, 64, 96), padding_mode="zeros")
    symmetries = Mirrors({"x": ("scalar",) * 3, "y": ("scalar",) * 12})
    recipe = Recipe(seconds=sizes.seconds, batch_size=32, learning_rate=3e-3, average=0.999, seed=seed)
    cpu = train(model, {"x": x[known], "y": tensor(np.log(y[known]))}, recipe, symmetries)
    found = {"network": np.exp(mirrored(model, x[asked]))}
    found |= untrained_predictions((bitmap[known], y[known]), bitmap[asked])
    for name, prediction in found.items():
        errors = 100 * np.abs(prediction / y[asked] - 1).mean(axis=0)
        yield {"what": f"Mechanical MNIST, d = 14, {name}: MAPE [%]", "seed": seed, "value": errors[-1]}
        yield {"what": f"Mechanical MNIST, all steps, {name}: MAPE [%]", "seed": seed, "value": errors.mean()}
    yield {"what": "Mechanical MNIST: training [CPU s]", "seed": seed, "value": cpu}


def tensor(array: np.ndarray) -> torch.Tensor:
    """An array as float32."""
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)


def book_strains(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Exercise 12 of the book: strains of a plate with discs, from its pixels."""
    data = published("book_strain_fields.npz")
    x, y = tensor(data["youngs_modulus"] / data["youngs_modulus"].max()), tensor(data["strain"])
    known, asked = slice(0, 224), slice(224, 256)
    torch.manual_seed(seed)
    model = GridSurrogate(
        1,
        (3, 32, 32),
        settings={"channels": (32, 64, 96), "padding_mode": "zeros"},
        loss="relative_l2",
        coordinates=True,
    )
    recipe = Recipe(
        seconds=sizes.seconds, batch_size=8, learning_rate=3e-3, weight_decay=1e-2, average=0.995, seed=seed
    )
    cpu = train(model, {"x": x[known], "y": y[known]}, recipe, Mirrors({"x": "scalar", "y": "mandel_vector"}))
    modulus, truth = data["youngs_modulus"], data["strain"][asked]
    found = {"network": mirrored(model, x[asked], torch.tensor([1.0, 1.0, -1.0]))}
    found |= untrained_predictions((modulus[known], data["strain"][known]), modulus[asked])
    for name, prediction in found.items():
        errors = quantiles(relative_l2(prediction, truth))
        yield {"what": f"book strains, {name}: median relative L2", "seed": seed, "value": errors["median"]}
        yield {"what": f"book strains, {name}: relative L2 that a tenth exceeds", "seed": seed, "value": errors["90 %"]}
    yield {"what": "book strains: training [CPU s]", "seed": seed, "value": cpu}
