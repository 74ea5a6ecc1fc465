"""Effective properties of single images: each solved on its own, failures counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from genmech_fem.errors import ContractError, GenmechError
from genmech_fem.fields import ScalarSpec, check
from genmech_fem.forward import ForwardModel

AXES = {6: (1, 2, 6), 21: (1, 2, 3, 4, 5, 6)}  # of C*, by the size of its upper triangle


@dataclass(frozen=True)
class EffectiveProperties:
    """What a solver found for n images.

    Args:
        names: Names of the entries, such as C11.
        unit: Unit of the entries.
        values: Entries (n, entries); not numbers for an image that could not be solved.
        failures: Why not, by the number of the image.
    """

    names: tuple[str, ...]
    unit: str
    values: np.ndarray
    failures: Mapping[int, str]

    @property
    def solved(self) -> np.ndarray:
        """Entries (solved, entries) of the images that were solved."""
        return self.values[np.isfinite(self.values).all(axis=1)]

    def take(self, rows: np.ndarray) -> "EffectiveProperties":
        """Those of the images of the numbers `rows` (m,)."""
        failures = {i: self.failures[row] for i, row in enumerate(rows.tolist()) if row in self.failures}
        return EffectiveProperties(self.names, self.unit, self.values[rows], failures)


def solve_each(
    solver: ForwardModel, images: np.ndarray, progress: Callable[[], None] = lambda: None
) -> EffectiveProperties:
    """Solve each of the `images` (n, *grid); one that raises a `GenmechError` is a failure.

    Args:
        solver: Model from a phase field to effective properties: its first vector of numbers.
        images: Phase images.
        progress: Called after each.

    Raises:
        ContractError: The solver is not of this kind, or wants images of another shape.
    """
    spec, name = _property_spec(solver), solver.inputs[0].name
    check({name: images[:1]}, solver.inputs)
    values, failures = np.full((len(images), spec.size), np.nan), {}
    for i, image in enumerate(images):
        try:
            values[i] = solver({name: image[None]})[spec.name][0]
        except GenmechError as error:
            failures[i] = f"{type(error).__name__}: {error}"
        progress()
    return EffectiveProperties(_entry_names(spec), spec.unit, values, failures)


def _property_spec(solver: ForwardModel) -> ScalarSpec:
    scalars = [spec for spec in solver.outputs if isinstance(spec, ScalarSpec)]
    if len(solver.inputs) != 1 or not scalars:
        raise ContractError(
            "solver: expected a model from one phase field to effective properties, got one from "
            f"{[s.name for s in solver.inputs]} to {[s.name for s in solver.outputs]}"
        )
    return scalars[0]


def _entry_names(spec: ScalarSpec) -> tuple[str, ...]:
    """C11, C12, ... for the upper triangle of a stiffness, else numbers."""
    if spec.name == "stiffness" and spec.size in AXES:
        axes = AXES[spec.size]
        return tuple(f"C{a}{b}" for i, a in enumerate(axes) for b in axes[i:])
    return (spec.name,) if spec.size == 1 else tuple(f"{spec.name}[{i}]" for i in range(spec.size))
