"""What every finite-element problem offers to datasets, adapters and design loops."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from dolfinx import fem, mesh
from mpi4py import MPI
from numpy.typing import ArrayLike

from genmech_fem.errors import ContractError

type Control = fem.Function | fem.Constant


_SHORT = 16  # entries of an array that a description lists


def digest(*arrays: np.ndarray) -> str:
    """Short sha256 of the bytes of arrays."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]


def listed(array: np.ndarray) -> Any:
    """An array as JSON data: its entries, or their sha256 where they are many."""
    return array.tolist() if array.size <= _SHORT else digest(array)


def values_of(control: Control) -> np.ndarray:
    """The values of a control, which may be written to: (dofs of this process,), or a constant's own shape."""
    return control.value if isinstance(control, fem.Constant) else control.x.array


class Snapshot:
    """The values of controls at one time, and the coordinates of the mesh, on which all forms depend.

    Args:
        domain: The mesh.
        controls: Functions and constants; those of `holds` are compared with them.
    """

    def __init__(self, domain: mesh.Mesh, controls: Iterable[Control]) -> None:
        self._domain, self._controls = domain, tuple(controls)
        self._then = [array.copy() for array in self._now()]

    def holds(self) -> bool:
        """Tell whether nothing has changed since, on any process."""
        same = all(map(np.array_equal, self._now(), self._then))
        return self._domain.comm.allreduce(same, op=MPI.LAND)

    def _now(self) -> list[np.ndarray]:
        return [self._domain.geometry.x, *(values_of(control) for control in self._controls)]


class Problem(ABC):
    """A map from controls m to the state u and observables J(u, m), with its discrete adjoint.

    Attributes:
        controls: What may vary, by name; write new values into them, then call `solve`.
        state: The solution u after `solve`.
    """

    controls: Mapping[str, Control]
    state: fem.Function

    def set_controls(self, values: Mapping[str, ArrayLike]) -> None:
        """Write values into controls; all are checked before the first is written.

        Args:
            values: Arrays by name of control, each with one entry a dof of this process
                (with or without its ghosts), or one a component of a constant.

        Raises:
            ContractError: A name is unknown, an array has the wrong length, or it does not
                hold real numbers.
        """
        arrays = {name: self._checked(name, value) for name, value in values.items()}
        for name, array in arrays.items():
            control = self.controls[name]
            if isinstance(control, fem.Constant):
                control.value = array.reshape(control.value.shape)
            else:
                control.x.array[: len(array)] = array
                control.x.scatter_forward()

    def _checked(self, name: str, value: ArrayLike) -> np.ndarray:
        if name not in self.controls:
            raise ContractError(f"control '{name}': expected one of {sorted(self.controls)}")
        control, array = self.controls[name], np.asarray(value)
        sizes = {values_of(control).size}
        if isinstance(control, fem.Function):
            sizes.add(control.function_space.dofmap.index_map.size_local * control.function_space.dofmap.bs)
        if array.size not in sizes or array.ndim > max(1, values_of(control).ndim):
            raise ContractError(
                f"control '{name}': expected {' or '.join(map(str, sorted(sizes)))} values in a row, "
                f"got shape {array.shape}"
            )
        if array.dtype.kind not in "fiu":
            raise ContractError(f"control '{name}': expected real numbers, got {array.dtype}")
        return array.ravel()

    def description(self, free: Collection[str] = ()) -> dict[str, Any]:
        """What solutions depend on besides the controls `free`, as JSON data that is equal in every process.

        The mesh, the element, the other controls' values, and what the class adds (forms, boundary
        conditions, solver); arrays of more than a few entries by their sha256.
        """
        space = self.state.function_space
        nodes, cells = space.mesh.geometry.x, space.mesh.geometry.dofmaps[0]
        fixed = {name: control for name, control in self.controls.items() if name not in free}
        return {
            "mesh": {"nodes": len(nodes), "cells": len(cells), "sha256": digest(nodes, cells)},
            "element": str(space.ufl_element()),
            "dofs": self.state.x.array.size,
            "controls": {name: listed(values_of(control)) for name, control in sorted(fixed.items())},
            **self._settings(free),
        }

    def _settings(self, free: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        """What the class adds to the description."""
        return {}

    @abstractmethod
    def solve(self) -> fem.Function:
        """Compute and return the state for the present values of the controls.

        Raises:
            ValueError: A control holds values that no solution exists for.
            ConvergenceError: No solution was found; the problem can be used again.
        """

    @abstractmethod
    def restore(self, state: np.ndarray) -> None:
        """Take `state`, as observed before, for the solution of the present controls, without a solve."""

    @abstractmethod
    def observe(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy of ``state`` (dofs,) and every observable, shape (k,), after `solve`.

        ``state`` is what `restore` takes: the dofs, of a transient problem those of all times.

        Args:
            names: Only these; by default all.
        """

    @abstractmethod
    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` with respect to the controls' dofs.

        Args:
            cotangents: Arrays under keys of `observe`; those left out count as zero.

        Returns:
            One array for each control, shape (control dofs,).

        Raises:
            ConvergenceError: There is no solution of the present controls.
        """

    @abstractmethod
    def residual_norm(self, state: np.ndarray) -> float:
        """Relative residual of a proposed state, as `observe` returns it; 0 is exact, zero dofs give about 1."""
