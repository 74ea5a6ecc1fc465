"""Parts of a mesh by place, tag or name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from dolfinx import fem, mesh
from numpy.typing import ArrayLike

type Where = Callable[[np.ndarray], np.ndarray] | int | str | None
"""Part of a mesh: a function of points (3, n) that tells which lie on it, a tag, the name of a tag, or None for all."""


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
