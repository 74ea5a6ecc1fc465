"""Dirichlet conditions of a problem, and the controls that give their values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from dolfinx import fem

from genmech_fem.problems.newton import global_norm
from genmech_fem.problems.problem import Control, digest, listed


class DirichletValues:
    """The Dirichlet conditions on a state; where two meet, the last one holds.

    Args:
        bcs: The conditions.
        state: The unknown.
        controls: Functions and constants by name, of which some may give values.

    Attributes:
        held: Whether a condition holds a dof (owned dofs,).

    Raises:
        ValueError: The values of a control do not fit the state.
    """

    def __init__(self, bcs: Sequence[fem.DirichletBC], state: fem.Function, controls: Mapping[str, Control]) -> None:
        self.bcs, self.state, self._controls = list(bcs), state, controls
        space = state.function_space
        self._comm, self._owned = space.mesh.comm, space.dofmap.index_map.size_local * space.dofmap.bs
        self._drivers = [_driver(bc, controls, space) for bc in self.bcs]
        self._holder = _holders(self.bcs, self._owned)
        self.held = self._holder >= 0

    @property
    def drivers(self) -> set[str]:
        """Names of the controls that give values."""
        return set(filter(None, self._drivers))

    def description(self) -> list[dict[str, Any]]:
        """Dofs and values, or the name of their control, as JSON data."""
        return [
            {"dofs": digest(bc.dof_indices()[0]), "value": name or listed(_values(bc))}
            for bc, name in zip(self.bcs, self._drivers, strict=True)
        ]

    def admissible(self, dofs: np.ndarray) -> np.ndarray:
        """Copy of a state (dofs,) with the prescribed values."""
        right = dofs.copy()
        for bc in self.bcs:
            bc.set(right)
        return right

    def hold(self) -> bool:
        """Tell whether the state has the prescribed values; rounding in them is removed."""
        dofs = self.state.x.array
        right = self.admissible(dofs)
        error, size = (global_norm(self._comm, part[: self._owned]) for part in (right - dofs, right))
        if error <= 1e-13 * size:
            dofs[:] = right
            return True
        return False

    def put_errors(self, vector: np.ndarray) -> None:
        """Write the error of the state's values into the rows of held dofs of a vector (dofs,)."""
        for bc in self.bcs:
            bc.set(vector, self.state.x.array, -1.0)

    def add_reactions(self, gradients: Mapping[str, np.ndarray], reaction: np.ndarray) -> None:
        """Add the reactions (owned dofs,) to the gradients of the controls that give values (control dofs,)."""
        for k, name in enumerate(self._drivers):
            if name:
                self._add_reaction(gradients[name], self._controls[name], np.flatnonzero(self._holder == k), reaction)

    def _add_reaction(self, gradient: np.ndarray, control: Control, dofs: np.ndarray, reaction: np.ndarray) -> None:
        if isinstance(control, fem.Constant):
            own = np.zeros_like(gradient)
            np.add.at(own, dofs % gradient.size, reaction[dofs])
            gradient += self._comm.allreduce(own)
        else:
            gradient[dofs] += reaction[dofs]


def _values(bc: fem.DirichletBC) -> np.ndarray:
    return bc.g.x.array if hasattr(bc.g, "x") else bc.g.value


def _holders(bcs: Sequence[fem.DirichletBC], owned: int) -> np.ndarray:
    """Index of the condition that sets each dof of this process, -1 where it is free."""
    holders = np.full(owned, -1)
    for k, bc in enumerate(bcs):
        dofs, count = bc.dof_indices()
        holders[dofs[:count]] = k
    return holders


def _driver(bc: fem.DirichletBC, controls: Mapping[str, Control], space: fem.FunctionSpace) -> str:
    """Name of the control that gives the values of a Dirichlet condition, empty if there is none."""
    name = next((n for n, control in controls.items() if bc.g is control._cpp_object), "")
    control = controls.get(name)
    if isinstance(control, fem.Function) and control.function_space != space:
        raise ValueError(f"control '{name}': expected Dirichlet values in the function space of the state")
    if isinstance(control, fem.Constant) and control.value.size not in (1, space.dofmap.bs):
        raise ValueError(
            f"control '{name}': expected a Dirichlet constant of size 1 or {space.dofmap.bs}, got {control.value.size}"
        )
    return name
