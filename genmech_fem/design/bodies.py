"""Designs made of a few bodies with smooth edges: bars and ellipses, by their geometry.

Bars projected onto a grid: Norato, Bell and Tortorelli (2015), doi:10.1016/j.cma.2015.05.005. Moving bodies as
design variables: Guo, Zhang and Zhong (2014), doi:10.1115/1.4027609.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, check

_TINY = 1e-60


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
        """Exact gradients."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Field, and the function from cotangents to gradients."""
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


@dataclass(frozen=True)
class Bars(Bodies):
    """Bars with round ends, on a grid of 2 or 3 dimensions, to the field ``density``.

    The columns of a bar are the two end points, axis by axis, and the thickness [length], the diameter of its
    ends: in 2D ``x0, y0, x1, y1, thickness[, existence]``.
    """

    out: ClassVar[str] = "density"
    dimensions: ClassVar[tuple[int, ...]] = (2, 3)

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = self._corners
        return np.array([*lower, *lower, self.edge]), np.array([*upper, *upper, max(min(upper - lower) / 2, self.edge)])

    def _distance(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d = self.grid.dimension
        columns = np.moveaxis(shapes, -1, 0)[..., None]
        start, thickness = columns[:d], columns[-1]
        axis, offset = columns[d : 2 * d] - start, self._points - start
        t = np.clip((offset * axis).sum(axis=0) / np.maximum((axis**2).sum(axis=0), _TINY), 0, 1)
        away = offset - t * axis
        distance = np.sqrt((away**2).sum(axis=0))
        normal = away / np.maximum(distance, _TINY)
        jacobian = np.stack([*((t - 1) * normal), *(-t * normal), np.full_like(t, -0.5)], axis=2)
        return distance - thickness / 2, jacobian


@dataclass(frozen=True)
class Ellipses(Bodies):
    r"""Elliptic inclusions on a grid of 2 dimensions to the field ``phase``.

    The columns of an ellipse are ``x, y, a, b, angle[, existence]``: its centre and semi-axes [length] and the angle
    from the x axis to the semi-axis a [rad]. With :math:`q = (u/a)^2 + (v/b)^2` along the axes, the distance is
    :math:`(q - 1) / |\nabla q|`, which is exact to first order at the edge and smooth at the centre.

    Args:
        periodic: Whether the grid is a periodic cell: of each ellipse the nearest image counts.
    """

    out: ClassVar[str] = "phase"
    dimensions: ClassVar[tuple[int, ...]] = (2,)
    _: KW_ONLY
    periodic: bool = True

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = self._corners
        largest = max(0.45 * min(upper - lower), self.edge)  # a larger one would touch its own image
        return np.array([*lower, *[self.edge] * 2, -np.pi]), np.array([*upper, largest, largest, np.pi])

    def _distance(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y, a, b, angle = np.moveaxis(shapes, -1, 0)[..., None]
        if not (shapes[..., 2:4] > 0).all():
            raise ContractError(
                f"Ellipses: expected positive semi-axes, got {min(a.min(), b.min()):g}: keep to the bounds"
            )
        dx, dy = self._points[0] - x, self._points[1] - y
        if self.periodic:
            width, height = np.subtract(*reversed(self._corners))
            dx, dy = dx - width * np.round(dx / width), dy - height * np.round(dy / height)
        cos, sin = np.cos(angle), np.sin(angle)
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        steep = np.maximum(np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2), _TINY)
        distance = ((u / a) ** 2 + (v / b) ** 2 - 1) / (2 * steep)
        bent = distance / steep**2
        by_u, by_v = u / a**2 * (1 / steep - bent / a**2), v / b**2 * (1 / steep - bent / b**2)
        by_a, by_b = u**2 / a**3 * (2 * bent / a**2 - 1 / steep), v**2 / b**3 * (2 * bent / b**2 - 1 / steep)
        by_place = sin * by_v - cos * by_u, -sin * by_u - cos * by_v
        return distance, np.stack([*by_place, by_a, by_b, by_u * v - by_v * u], axis=2)


def _products_of_others(factors: np.ndarray) -> np.ndarray:
    """For each of the factors (batch, count, points) the product of the others, zeros allowed."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    for i in range(1, factors.shape[1]):  # numpy's cumprod along this axis is ten times slower
        before[:, i] = before[:, i - 1] * factors[:, i - 1]
        after[:, -1 - i] = after[:, -i] * factors[:, -i]
    return before * after
