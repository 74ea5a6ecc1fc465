"""Boundary conditions and loads as data; the ready-made problems turn them into forms."""

from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import ufl
from dolfinx import fem
from numpy.typing import ArrayLike

from genmech_fem.problems.tags import Where

type Value = ArrayLike | fem.Function | fem.Constant
"""Numbers make a `fem.Constant`, a plain 0 also a zero vector; a function or constant of DOLFINx is used as it is."""


@dataclass(frozen=True)
class Dirichlet:
    """Given values of the state, or of one component of it, on facets.

    Args:
        where: The facets; by default the whole boundary. They may lie inside the body.
        value: Values in the unit of the state; a function has to lie in the space of the state,
            also where only one component is taken from it.
        component: Component of the displacement; by default all.
        name: Name of the control; by default ``boundary_value``.
    """

    default_name: ClassVar[str] = "boundary_value"

    where: Where = None
    value: Value = 0.0
    component: int | None = None
    name: str | None = None


@dataclass(frozen=True)
class Roller:
    """One component of the displacement is zero on facets, the others are free there; no control.

    Args:
        where: The facets.
        axis: The component, 0 for x.
    """

    where: Where
    axis: int


@dataclass(frozen=True)
class Clamped:
    """The displacement is zero on facets; no control.

    Args:
        where: The facets.
    """

    where: Where


class Load(ABC):
    """A term of the virtual work, linear in its control.

    Attributes:
        default_name: Name of the control where none is given; the next ones are ``name_2``, ``name_3``, ...
        on: Entities that carry it.
        scalar: Its value is one number, not a vector.
    """

    default_name: ClassVar[str]
    on: ClassVar[Literal["facets", "cells"]]
    scalar: ClassVar[bool]
    where: Where
    value: Value
    name: str | None

    def density(self, value: Any, v: Any, normal: Any) -> Any:  # noqa: ARG002
        """Virtual work of `value` in `v` [for each area or volume]; `normal` is that of the loaded configuration."""
        return value * v if self.scalar else ufl.inner(value, v)


@dataclass(frozen=True)
class Traction(Load):
    """A force on facets of the boundary, whose direction and size do not follow the deformation.

    Args:
        where: The facets.
        value: Force on the undeformed area, shape (dimension,) [stress].
        name: Name of the control; by default ``traction``.
    """

    default_name = "traction"
    on = "facets"
    scalar = False

    where: Where
    value: Value
    name: str | None = None


@dataclass(frozen=True)
class Pressure(Load):
    """A pressure on facets of the boundary; at finite strain it follows the deformed area and normal.

    Args:
        where: The facets.
        value: The pressure [stress]; positive pushes against the body.
        name: Name of the control; by default ``pressure``.
    """

    default_name = "pressure"
    on = "facets"
    scalar = True

    where: Where
    value: Value
    name: str | None = None

    def density(self, value: Any, v: Any, normal: Any) -> Any:
        """- p n . v."""
        return -value * ufl.inner(normal, v)


@dataclass(frozen=True)
class BodyForce(Load):
    """A force on the volume, that of the undeformed body.

    Args:
        value: Force, shape (dimension,) [stress/length].
        where: The cells; by default all.
        name: Name of the control; by default ``body_force``.
    """

    default_name = "body_force"
    on = "cells"
    scalar = False

    value: Value
    where: Where = None
    name: str | None = None


@dataclass(frozen=True)
class Source(Load):
    """A source of heat or fluid.

    Args:
        value: Source [W/m^3].
        where: The cells; by default all.
        name: Name of the control; by default ``source``.
    """

    default_name = "source"
    on = "cells"
    scalar = True

    value: Value = 1.0
    where: Where = None
    name: str | None = None


@dataclass(frozen=True)
class Flux(Load):
    """Heat or fluid that flows in through facets of the boundary.

    Args:
        where: The facets.
        value: Flux into the body [W/m^2].
        name: Name of the control; by default ``inflow``.
    """

    default_name = "inflow"
    on = "facets"
    scalar = True

    where: Where
    value: Value
    name: str | None = None


type Condition = Dirichlet | Roller | Clamped | Load
