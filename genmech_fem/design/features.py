"""Features of a density, whose distances tell how far apart designs are.

Two-point correlation: Torquato (2002), doi:10.1007/978-1-4757-6355-3.
"""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np

from genmech_fem.design.density_field import Pull, density_spec
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, check
from genmech_fem.forward import DifferentiableForwardModel, linearize


def features_of(model: DifferentiableForwardModel | None, images: np.ndarray, name: str) -> tuple[np.ndarray, Pull]:
    """Features (batch, size) of images (batch, *grid), and the function from derivatives by them to those by images.

    Args:
        model: What makes them; None is `Descriptors`.
        images: The density.
        name: Its name.

    Raises:
        ContractError: The model has no vjp, does not take `name` alone, or returns more than one array.
    """
    model = Descriptors(density_spec(name, images.shape[1:])) if model is None else model
    if not isinstance(model, DifferentiableForwardModel):
        raise ContractError(f"features: expected a model with vjp, got {type(model).__name__}")
    if [spec.name for spec in model.inputs] != [name] or len(model.outputs) != 1:
        raise ContractError(
            f"features: expected a model from '{name}' to one array, got one from "
            f"{[spec.name for spec in model.inputs]} to {[spec.name for spec in model.outputs]}"
        )
    outputs, back = linearize(model, {name: images})
    key = model.outputs[0].name
    values = np.asarray(outputs[key], dtype=float)
    rows = values.reshape(len(values), -1)
    return rows, lambda gradient: np.asarray(back({key: gradient.reshape(values.shape)})[name], dtype=float)


@dataclass(frozen=True)
class Descriptors:
    """Mean density of blocks, and two-point correlation on the torus, as a `DifferentiableForwardModel`.

    Each of the two parts is divided by the root of its size: the distance of two designs is the root of the sum of
    two mean squares. The correlation is that of the grey density.

    Args:
        field: Spec of the density.
        blocks: Blocks along each axis, at most one a cell; they are equally long and may cut cells.
        lags: Largest distance of the correlation along each axis [cell].

    Raises:
        ValueError: There is no block, or a negative lag.
    """

    field: FieldSpec
    _: KW_ONLY
    blocks: int = 8
    lags: int = 8

    def __post_init__(self) -> None:
        if self.blocks < 1 or self.lags < 0:
            raise ValueError(f"Descriptors: expected blocks >= 1 and lags >= 0, got {self.blocks} and {self.lags}")

    @property
    def inputs(self) -> tuple[FieldSpec, ...]:
        """The density."""
        return (self.field,)

    @property
    def outputs(self) -> tuple[ScalarSpec, ...]:
        """One row of descriptors."""
        return (ScalarSpec("descriptors", self._size + int(self._near.sum())),)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Descriptors (batch, size)."""
        x = check(inputs, self.inputs)[self.field.name]
        means = _along(x, self._means).reshape(len(x), self._size)
        power = np.abs(np.fft.fftn(x, axes=self._axes)) ** 2
        correlation = np.fft.ifftn(power, axes=self._axes).real[:, self._near] / np.prod(self.field.shape)
        return {"descriptors": np.hstack([means / self._size**0.5, correlation / correlation.shape[1] ** 0.5])}

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * descriptors)`` with respect to the density."""
        x = check(inputs, self.inputs)[self.field.name]
        by_means, by_correlation = np.split(cotangents["descriptors"], [self._size], axis=1)
        blocks = by_means.reshape(len(x), *(len(matrix) for matrix in self._means)) / self._size**0.5
        spread = np.zeros(x.shape)
        spread[:, self._near] = by_correlation / by_correlation.shape[1] ** 0.5
        spectrum = np.fft.fftn(spread, axes=self._axes).real * np.fft.fftn(x, axes=self._axes)
        slope = 2 * np.fft.ifftn(spectrum, axes=self._axes).real / np.prod(self.field.shape)
        return {self.field.name: _along(blocks, [matrix.T for matrix in self._means]) + slope}

    @cached_property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(1, len(self.field.shape) + 1))

    @cached_property
    def _means(self) -> list[np.ndarray]:
        """For each axis the share of each cell in each block (blocks, cells)."""
        return [_overlaps(min(self.blocks, n), n) for n in self.field.shape]

    @property
    def _size(self) -> int:
        return int(np.prod([len(matrix) for matrix in self._means]))

    @cached_property
    def _near(self) -> np.ndarray:
        """Vectors (*grid) of at most `lags` cells, in the order of ``numpy.fft``."""
        far = np.meshgrid(*[np.abs(np.fft.fftfreq(n, 1 / n)) for n in self.field.shape], indexing="ij")
        return np.max(far, axis=0) <= self.lags


def _overlaps(blocks: int, cells: int) -> np.ndarray:
    block, cell = np.arange(blocks)[:, None] / blocks, np.arange(cells) / cells
    shared = np.minimum(block + 1 / blocks, cell + 1 / cells) - np.maximum(block, cell)
    return np.maximum(0.0, shared) * blocks


def _along(x: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    """Multiply each axis of the grid by its matrix."""
    for axis, matrix in enumerate(matrices, 1):
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x
