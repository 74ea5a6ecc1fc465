"""A model of one cell as a model of all cells of a structure."""

from dataclasses import dataclass

import numpy as np

from genmech_fem.fields import Arrays, FieldSpec, Grid, Spec, check
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel


def each_cell(model: ForwardModel, cells: Grid) -> ForwardModel:
    """Make a model of one cell one of all cells of a structure, which are one batch to it.

    An array (*shape,) of the model becomes a field with the value shape `shape` on the cells, whatever its place is in
    a cell. The result has `vjp` if the model has.

    Args:
        model: From what describes a cell to, say, its phase field or its stiffness.
        cells: The cells of the structure.
    """
    return (_DifferentiableCells if isinstance(model, DifferentiableForwardModel) else _Cells)(model, cells)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Cells:
    model: ForwardModel
    cells: Grid

    @property
    def inputs(self) -> tuple[Spec, ...]:
        return tuple(FieldSpec(spec.name, self.cells, spec.shape, spec.unit) for spec in self.model.inputs)

    @property
    def outputs(self) -> tuple[Spec, ...]:
        return tuple(FieldSpec(spec.name, self.cells, spec.shape, spec.unit) for spec in self.model.outputs)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._joined(self.model(self._apart(check(inputs, self.inputs))))

    def _apart(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """Arrays (batch, *shape, *cells) as (batch * number of cells, *shape)."""
        last, first = range(-self.cells.dimension, 0), range(1, 1 + self.cells.dimension)
        moved = {name: np.moveaxis(array, last, first) for name, array in arrays.items()}
        return {name: array.reshape(-1, *array.shape[1 + self.cells.dimension :]) for name, array in moved.items()}

    def _joined(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """The inverse of `_apart`."""
        last, first = range(-self.cells.dimension, 0), range(1, 1 + self.cells.dimension)
        apart = {name: array.reshape(-1, *self.cells.shape, *array.shape[1:]) for name, array in arrays.items()}
        return {name: np.moveaxis(array, first, last) for name, array in apart.items()}


@dataclass(frozen=True)
class _DifferentiableCells(_Cells):
    model: DifferentiableForwardModel

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        given = check(cotangents, tuple(spec for spec in self.outputs if spec.name in cotangents), "cotangent")
        return self._joined(self.model.vjp(self._apart(check(inputs, self.inputs)), self._apart(given)))
