"""Designs made of a few bodies with smooth edges, by the geometry of these: what all kinds of bodies have in common.

Guo, Zhang and Zhong (2014), doi:10.1115/1.4027609.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, check

TINY = 1e-60
"""Least number to divide by, in place of 0."""


@dataclass(frozen=True)
class Bodies(ABC):
    r"""Parameters of bodies to the field :math:`1 - \prod_i (1 - \alpha_i \rho_i)`, 1 where there is a body, else 0.

    Each :math:`\rho_i = (1 - \tanh(2 \varphi_i / w)) / 2` falls through 1/2 at the edge, where the distance
    :math:`\varphi_i` is 0, within the width w. The union stays between 0 and 1 however many bodies lie on each other,
    which a p-norm does not, and one body alone is exact.

    The input is ``parameters`` (batch, count * columns), one body after the other, the last one of its columns being
    the existence :math:`\alpha_i` where there is one, else it is 1.

    Args:
        grid: Where the field is.
        count: Number of bodies.
        width: w [length]; None is twice the largest spacing of the grid.
        existence: Whether each body has a variable from 0 (absent) to 1 (present) [1].

    Raises:
        ValueError: There is no body, the width is not positive, or the grid is of a dimension without such bodies.
    """

    grid: Grid
    count: int
    _: KW_ONLY
    width: float | None = None
    existence: bool = False

    out: ClassVar[str]
    dimensions: ClassVar[tuple[int, ...]]

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 < self.edge < np.inf or self.grid.dimension not in self.dimensions:
            raise ValueError(
                f"{type(self).__name__}: expected count >= 1, a finite width > 0 and a grid of dimension "
                f"{self.dimensions}, got {self.count}, {self.edge} and {self.grid.dimension}"
            )

    @property
    def edge(self) -> float:
        """The width w [length]."""
        return 2 * max(self.grid.spacing) if self.width is None else self.width

    @property
    def inputs(self) -> tuple[ScalarSpec]:
        """The parameters."""
        return (ScalarSpec("parameters", self.bounds[0].size),)

    @property
    def outputs(self) -> tuple[FieldSpec]:
        """The field."""
        return (FieldSpec(self.out, self.grid),)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest parameters, each (count * columns,), for an optimiser."""
        lower, upper = (
            np.append(ends, [end] * self.existence) for ends, end in zip(self._limits(), (0, 1), strict=True)
        )
        return np.tile(lower, self.count), np.tile(upper, self.count)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Field of each sample.

        Raises:
            ContractError: The inputs do not match the spec, or describe no body.
        """
        return self.linearize(inputs)[0]

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` by the parameters."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Field (batch, *grid), and the function from cotangents of it to gradients."""
        parameters = check(inputs, self.inputs)["parameters"].astype(np.float64)
        rows = parameters.reshape(len(parameters), self.count, -1)
        shapes, alpha = (rows[..., :-1], rows[..., -1:]) if self.existence else (rows, np.ones((*rows.shape[:2], 1)))
        distance, jacobian = self._distance(shapes)
        rho = (1 - np.tanh(2 * distance / self.edge)) / 2
        empty = 1 - alpha * rho
        field = (1 - empty.prod(axis=1)).reshape(-1, *self.grid.shape)

        def pull_back(cotangents: Arrays) -> dict[str, np.ndarray]:
            cotangent = cotangents.get(self.out, np.zeros(field.shape)).reshape(len(field), 1, -1)
            each = cotangent * _products_of_others(empty)
            by_distance = -4 / self.edge * each * alpha * rho * (1 - rho)
            gradient = np.einsum("bnp,bnkp->bnk", by_distance, jacobian)
            by_alpha = (each * rho).sum(axis=2, keepdims=True)
            gradient = np.concatenate([gradient, by_alpha], axis=2) if self.existence else gradient
            return {"parameters": gradient.reshape(parameters.shape)}

        return {self.out: field}, pull_back

    @abstractmethod
    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest columns of one body, the existence left out."""

    @abstractmethod
    def _distance(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (batch, count, points), negative inside, of shapes (batch, count, columns).

        It comes with its derivative (batch, count, columns, points).
        """

    @cached_property
    def _points(self) -> np.ndarray:
        """Coordinates (dimension, 1, 1, points): by axis, and then for every body of every sample."""
        return np.ascontiguousarray(self.grid.points().T)[:, None, None]

    @property
    def _corners(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.grid.lower), np.array(self.grid.upper)


def _products_of_others(factors: np.ndarray) -> np.ndarray:
    """For each of the factors (batch, count, points) the product of the others, zeros allowed."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    for i in range(1, factors.shape[1]):  # numpy's cumprod along this axis is ten times slower
        before[:, i] = before[:, i - 1] * factors[:, i - 1]
        after[:, -1 - i] = after[:, -i] * factors[:, -i]
    return before * after
