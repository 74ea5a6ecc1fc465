"""The fields that this project and its peers are given."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from genmech_fem.adapters import EPOXY, GLASS
from genmech_fem.microstructure import PeriodicFibres

type Task = Mapping[str, np.ndarray]


class Moduli:
    """Fields on a grid as values in cells, never twice the same, lest a factorisation is found in a cache."""

    def __init__(self, space: Any, shape: tuple[int, ...]) -> None:
        points = space.tabulate_dof_coordinates()[:, : len(shape)]
        self.cells = tuple(np.floor(points * shape).astype(int).T)
        self._calls = itertools.count()

    def __call__(self, field: np.ndarray) -> np.ndarray:
        return field[self.cells] * (1 + 1e-14 * next(self._calls))


def spheres(n: int, generator: np.random.Generator) -> np.ndarray:
    """Overlapping periodic spheres of radius 0.2 at 12 random places, about a third of (n, n, n)."""
    points = (np.indices((n, n, n)).reshape(3, -1).T + 0.5) / n
    offsets = np.abs(points[:, None] - generator.random((12, 3)))
    distance = np.linalg.norm(np.minimum(offsets, 1 - offsets), axis=2).min(axis=1)
    return (distance < 0.2).reshape(n, n, n)


def homogenization_task(n: int, dimension: int, seeds: list[int], repeats: int) -> Task:
    """Moduli [GPa] of glass fibres or spheres in epoxy, one sample a seed."""
    generators = [np.random.default_rng([seed, n]) for seed in seeds]
    phases = [PeriodicFibres(n)(g)["phase"][0] > 0.5 if dimension == 2 else spheres(n, g) for g in generators]
    names = ("youngs_modulus", "poisson_ratio")
    moduli = {name: np.where(phases, getattr(GLASS, name), getattr(EPOXY, name)) for name in names}
    return moduli | {"loads": unit_strains(dimension), "repeats": np.array(repeats)}


def unit_strains(dimension: int) -> np.ndarray:
    """Mandel basis e11, e22, ..., sqrt(2) e12, ... (loads, dimension, dimension)."""
    pairs = [(i, i) for i in range(dimension)] + list(itertools.combinations(range(dimension), 2))
    strains = np.zeros((len(pairs), dimension, dimension))
    for strain, (i, j) in zip(strains, pairs, strict=True):
        strain[i, j] = strain[j, i] = 1.0 if i == j else np.sqrt(0.5)
    return strains


def refined(task: Task) -> Task:
    """The first sample with each pixel cut in 4, each voxel in 2 elements a side."""
    fields = {name: task[name][:1] for name in ("youngs_modulus", "poisson_ratio")}
    factor = {2: 4, 3: 2}[fields["youngs_modulus"].ndim - 1]
    for name, axis in itertools.product(fields, range(1, fields["youngs_modulus"].ndim)):
        fields[name] = np.repeat(fields[name], factor, axis)
    return fields | {"repeats": np.array(1)}


def random_moduli(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Log-normal field, the logarithm of standard deviation 0.5."""
    return np.exp(0.5 * np.random.default_rng(seed).standard_normal(shape))


def gradient_task(n: int, seeds: list[int], repeats: int) -> Task:
    """Moduli (seeds, n, n), Poisson's ratio, and how often each is measured."""
    fields = np.stack([random_moduli((n, n), seed) for seed in seeds])
    return {"youngs_modulus": fields, "poisson_ratio": np.array(0.3), "repeats": np.array(repeats)}
