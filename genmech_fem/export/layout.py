"""Modules whose arrays are laid out as the specs say, on grids of any shape."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from genmech_fem.errors import ContractError
from genmech_fem.export.graphs import Axes
from genmech_fem.fields import Arrays, FieldSpec, Grid, Spec, mask_name
from genmech_fem.runtime.description import resized
from genmech_fem.surrogates import TorchModel

type Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A model and samples to compare on; `shape` is their grid if it is not that of the export."""

    label: str
    model: TorchModel
    arrays: Arrays
    shape: Shape | None = None


class AtSpecs(nn.Module):
    """The function of a model with the array layout of the specs in place of channels."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        self.function = model.function
        self.inputs, self.outputs = model.inputs, model.outputs

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """Map arrays of the inputs, and the mask if there is one, to those of the outputs."""
        count = len(self.inputs)
        pairs = zip(arrays[:count], self.inputs, strict=True)
        results = self.function(*(_channels(array, spec) for array, spec in pairs), *arrays[count:])
        results = results if isinstance(results, tuple) else (results,)
        return tuple(_components(array, spec) for array, spec in zip(results, self.outputs, strict=True))


def _channels(array: Tensor, spec: Spec) -> Tensor:
    if not isinstance(spec, FieldSpec):
        return array
    return array.reshape(array.shape[0], spec.channel_shape[0], *array.shape[1 + len(spec.value_shape) :])


def _components(array: Tensor, spec: Spec) -> Tensor:
    return array.reshape(array.shape[0], *spec.value_shape, *array.shape[2:]) if isinstance(spec, FieldSpec) else array


def input_names(specs: tuple[Spec, ...]) -> list[str]:
    """Names of what the graph takes: the inputs, and the mask if their number of points varies."""
    mask = mask_name(specs)
    return [*(spec.name for spec in specs), *([mask] if mask else [])]


def changing_axes(specs: tuple[Spec, ...], *, any_size: bool) -> Axes:
    """Axes whose length may change: the batch, points whose number varies, grids if asked for; and of the mask."""
    found = []
    for spec in specs:
        free = -1 in spec.shape or (any_size and isinstance(spec, FieldSpec) and isinstance(spec.place, Grid))
        first = 1 + len(spec.value_shape) if isinstance(spec, FieldSpec) else 1
        found.append({0, *(range(first, 1 + len(spec.shape)) if free else ())})
    return found


def mask_axes(specs: tuple[Spec, ...]) -> list[set[int]]:
    """Axes of the mask, if there is one, whose length may change."""
    return [{0, 1}] if mask_name(specs) else []


def examples(arrays: Arrays, specs: tuple[Spec, ...], count: int = 2) -> list[Tensor]:
    """The first samples as tensors."""
    return [torch.as_tensor(arrays[name][:count], dtype=torch.float32) for name in input_names(specs)]


def at_sizes(model: TorchModel, arrays: Arrays, sizes: Sequence[Shape]) -> list[Case]:
    """The model with samples on their own grid, and on every other that is asked for.

    Samples on other grids repeat the nearest value; where the number of points varies, samples of twice as many are
    added.

    Raises:
        ContractError: Sizes are asked for, but the fields are not on one grid of that dimension.
    """
    cases = [Case("", model, arrays)]
    if mask_name(model.inputs):
        twice = {name: np.concatenate([a, a], axis=-1) if _varies(name, model) else a for name, a in arrays.items()}
        cases.append(Case(", twice the points", model, twice))
    specs = (*model.inputs, *model.outputs)
    grids = {spec.place.shape for spec in specs if isinstance(spec, FieldSpec) and isinstance(spec.place, Grid)}
    if sizes and (len(grids) != 1 or any(len(shape) != len(next(iter(grids))) for shape in sizes)):
        raise ContractError(f"sizes: expected fields on one grid, and its dimension, got {sorted(grids)} and {sizes}")
    for shape in map(tuple, sizes):
        inputs, outputs = (tuple(resized(s, shape) for s in part) for part in (model.inputs, model.outputs))
        moved = {s.name: _nearest(arrays[s.name], s, shape) for s in model.inputs}
        other = TorchModel(model.function, inputs, outputs)
        cases.append(Case(f", {' x '.join(map(str, shape))}", other, {**arrays, **moved}, shape))
    return cases


def _varies(name: str, model: TorchModel) -> bool:
    return name.removesuffix(".mask") in {spec.name for spec in model.inputs if -1 in spec.shape}


def _nearest(array: np.ndarray, spec: Spec, shape: Shape) -> np.ndarray:
    if isinstance(spec, FieldSpec) and isinstance(spec.place, Grid):
        for axis, points in enumerate(shape, 1 + len(spec.value_shape)):
            nearest = ((np.arange(points) + 0.5) * array.shape[axis] / points).astype(int)
            array = array.take(nearest, axis=axis)
    return array
