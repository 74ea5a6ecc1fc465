"""Boundary conditions, loads and material regions as data; the ready-made problems turn them into forms."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import ufl
from dolfinx import fem, mesh
from numpy.typing import ArrayLike

type Where = Callable[[np.ndarray], np.ndarray] | int | str | None
"""Part of a mesh: a function of points (3, n) that tells which lie on it, a tag, the name of a tag, or None for all."""

type Value = ArrayLike | fem.Function | fem.Constant
"""Numbers make a `fem.Constant`, a plain 0 also a zero vector; a function or constant of DOLFINx is used as it is."""


@dataclass(frozen=True)
class Tags:
    """Tags of a mesh, as of gmsh's physical groups.

    Args:
        facets: Tags of facets.
        cells: Tags of cells.
        names: Tags by name, as ``{"fibre": 2, "left": 11}``.

    Raises:
        ValueError: The tags are those of entities of another dimension.
    """

    facets: mesh.MeshTags | None = None
    cells: mesh.MeshTags | None = None
    names: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, tags, codimension in (("facets", self.facets, 1), ("cells", self.cells, 0)):
            if tags is not None and tags.dim != tags.topology.dim - codimension:
                expected = tags.topology.dim - codimension
                raise ValueError(f"Tags: {kind}: expected tags of dimension {expected}, got {tags.dim}")

    def find(self, kind: Literal["facets", "cells"], where: int | str) -> np.ndarray:
        """Indices on this process of the entities with a tag or name; to be called on all processes.

        Raises:
            ValueError: The mesh does not have it.
        """
        tags = self.facets if kind == "facets" else self.cells
        if tags is None:
            raise ValueError(f"where={where!r}: expected a mesh with tagged {kind}: pass tags=Tags({kind}=...)")
        present = sorted(set().union(*tags.topology.comm.allgather(np.unique(tags.values).tolist())))
        tag = self.names.get(where) if isinstance(where, str) else int(where)
        if tag not in present:
            names = {name: number for name, number in self.names.items() if number in present}
            raise ValueError(f"where={where!r}: expected a tag of the {kind} among {present}, with the names {names}")
        return tags.find(tag)

    def write(self, control: fem.Function, values: Mapping[int | str, ArrayLike]) -> None:
        """Write material data into a control with one value a cell; cells of other tags keep theirs.

        Args:
            control: The control, as ``problem.controls["youngs_modulus"]``.
            values: Values by tag or name, as ``{"fibre": 70.0, 2: 3.5}``, each of the control's value shape.

        Raises:
            ValueError: A tag is not there, a value has another shape, or the control is not constant in each cell.
        """
        space, layout = control.function_space, control.function_space.dofmap.dof_layout
        shape = tuple(int(n) for n in space.value_shape)
        if layout.num_dofs != 1 or len(layout.entity_dofs(space.mesh.topology.dim, 0)) != 1:
            raise ValueError(f"control '{control.name}': expected one value a cell, got {space.ufl_element()}")
        regions = []
        for where, given in values.items():
            value = np.asarray(given, dtype=float)
            if value.shape != shape or (len(shape) == 2 and not np.array_equal(value, value.T)):
                kind = "symmetric " if len(shape) == 2 else ""
                raise ValueError(f"value of {where!r}: expected {kind}numbers of shape {shape}, got {value.tolist()}")
            regions.append((self.find("cells", where), value.reshape(-1, 1)))
        for cells, value in regions:
            control.interpolate(lambda x, value=value: np.tile(value, x.shape[1]), cells)
        control.x.scatter_forward()


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

    @abstractmethod
    def density(self, value: Any, v: Any, normal: Any) -> Any:
        """Virtual work of `value` in `v` [for each area or volume]; `normal` is that of the loaded configuration."""


@dataclass(frozen=True)
class Traction(Load):
    """A force on facets of the boundary, whose direction and size do not follow the deformation.

    Args:
        where: The facets.
        value: Force on the undeformed area, shape (dimension,) [stress].
        name: Name of the control; by default ``traction``.
    """

    default_name: ClassVar[str] = "traction"
    on: ClassVar[Literal["facets", "cells"]] = "facets"
    scalar: ClassVar[bool] = False

    where: Where
    value: Value
    name: str | None = None

    def density(self, value: Any, v: Any, normal: Any) -> Any:  # noqa: ARG002
        """T . v."""
        return ufl.inner(value, v)


@dataclass(frozen=True)
class Pressure(Load):
    """A pressure on facets of the boundary; at finite strain it follows the deformed area and normal.

    Args:
        where: The facets.
        value: The pressure [stress]; positive pushes against the body.
        name: Name of the control; by default ``pressure``.
    """

    default_name: ClassVar[str] = "pressure"
    on: ClassVar[Literal["facets", "cells"]] = "facets"
    scalar: ClassVar[bool] = True

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

    default_name: ClassVar[str] = "body_force"
    on: ClassVar[Literal["facets", "cells"]] = "cells"
    scalar: ClassVar[bool] = False

    value: Value
    where: Where = None
    name: str | None = None

    def density(self, value: Any, v: Any, normal: Any) -> Any:  # noqa: ARG002
        """B . v."""
        return ufl.inner(value, v)


@dataclass(frozen=True)
class Source(Load):
    """A source of heat or fluid.

    Args:
        value: Source [W/m^3].
        where: The cells; by default all.
        name: Name of the control; by default ``source``.
    """

    default_name: ClassVar[str] = "source"
    on: ClassVar[Literal["facets", "cells"]] = "cells"
    scalar: ClassVar[bool] = True

    value: Value = 1.0
    where: Where = None
    name: str | None = None

    def density(self, value: Any, v: Any, normal: Any) -> Any:  # noqa: ARG002
        """F v."""
        return value * v


@dataclass(frozen=True)
class Flux(Load):
    """Heat or fluid that flows in through facets of the boundary.

    Args:
        where: The facets.
        value: Flux into the body [W/m^2].
        name: Name of the control; by default ``inflow``.
    """

    default_name: ClassVar[str] = "inflow"
    on: ClassVar[Literal["facets", "cells"]] = "facets"
    scalar: ClassVar[bool] = True

    where: Where
    value: Value
    name: str | None = None

    def density(self, value: Any, v: Any, normal: Any) -> Any:  # noqa: ARG002
        """Q v."""
        return value * v


type Condition = Dirichlet | Roller | Clamped | Load
