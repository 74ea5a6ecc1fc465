"""Checks of what a solve would turn into nonsense: meshes, coefficients, and states that no body can take."""

from collections.abc import Iterable, Mapping
from typing import Any

import basix
import numpy as np
from dolfinx import default_scalar_type, fem, mesh
from mpi4py import MPI

from genmech_fem.errors import MeshingError
from genmech_fem.problems.forms import JIT_OPTIONS, symbols
from genmech_fem.problems.problem import Control, Snapshot, values_of

SIMPLICES = (basix.CellType.interval, basix.CellType.triangle, basix.CellType.tetrahedron)


def check_real() -> None:
    """Raise TypeError where DOLFINx works with complex numbers."""
    if np.issubdtype(default_scalar_type, np.complexfloating):
        raise TypeError(
            f"genmech_fem.problems: expected a DOLFINx with real numbers, got {np.dtype(default_scalar_type).name}; "
            "install the real build (pip install dolfinx-solver-real)"
        )


def check_mesh(domain: mesh.Mesh) -> None:
    """Find meshes without cells, and inverted, degenerate or folded cells.

    Raises:
        MeshingError: It names the first such cell and its place.
    """
    index = domain.topology.index_map(domain.topology.dim)
    if index.size_global == 0:
        raise MeshingError("the mesh has no cells: mesh the body first")
    element = domain.ufl_domain().ufl_coordinate_element().basix_element
    corners = basix.geometry(element.cell_type)
    if element.cell_type in SIMPLICES and element.degree == 1:
        corners = corners[:1]  # the Jacobian is the same at all
    dofs = domain.geometry.dofmaps[0][: index.size_local]
    x = domain.geometry.x[dofs][:, :, : domain.geometry.dim]
    slopes = element.tabulate(1, corners)[1:, :, :, 0]
    jacobians = np.moveaxis(np.tensordot(x, slopes, (1, 2)), 3, 1)  # (cells, corners, geometry, reference)
    if domain.topology.dim == domain.geometry.dim:
        volumes = np.linalg.det(jacobians)
    else:  # a surface or a line in space
        volumes = np.sqrt(np.linalg.det(np.swapaxes(jacobians, -1, -2) @ jacobians))
    scale = np.linalg.norm(np.ptp(x, axis=1), axis=1) ** domain.topology.dim
    bad = ~((volumes * np.sign(volumes[:, :1])).min(axis=1, initial=np.inf) > 1e-12 * scale)
    found = domain.comm.allreduce(int(bad.sum()))
    if found:
        where = f"cell {bad.argmax()} at {x[bad.argmax()].mean(axis=0).tolist()}" if bad.any() else "on another process"
        raise MeshingError(
            f"the mesh has {found} inverted or degenerate cells, the first is {where}: "
            "check the order of the vertices and the quality of the mesh"
        )


def check_finite(controls: Mapping[str, Control], comm: MPI.Comm) -> None:
    """Raise ValueError, on all processes, where a control holds NaN or infinity."""
    for name, control in controls.items():
        bad = ~np.isfinite(values_of(control)).ravel()
        if comm.allreduce(bool(bad.any()), op=MPI.LOR):
            first = f", the first is dof {bad.argmax()}" if bad.any() else ", on other processes"
            raise ValueError(
                f"control '{name}': expected finite values, got NaN or infinity in {bad.sum()} of {bad.size} dofs"
                f"{first}"
            )


class Positive:
    """Expressions that have to be positive at the quadrature points of every cell.

    Args:
        expressions: UFL scalars by name.
        state: The unknown; expressions with it are checked in `of_state`, others in `of_controls`.
        degree: Degree of the quadrature whose points are looked at.
    """

    def __init__(self, expressions: Mapping[str, Any], state: fem.Function, degree: int) -> None:
        domain = state.function_space.mesh
        self._domain = domain
        points, _ = basix.make_quadrature(domain.basix_cell(), degree)
        self._data = {name: symbols(e) for name, e in expressions.items()}
        self._by_state = {name: state in data for name, data in self._data.items()}
        self._compiled = {
            name: fem.Expression(e, points if self._by_state[name] else points[:1], jit_options=JIT_OPTIONS)
            for name, e in expressions.items()
        }
        self._passed: dict[str, Snapshot] = {}
        self._cells = np.arange(domain.topology.index_map(domain.topology.dim).size_local, dtype=np.int32)

    def of_controls(self) -> None:
        """Raise ValueError where an expression of changed controls is not positive."""
        for name, by_state in self._by_state.items():
            if by_state or (name in self._passed and self._passed[name].holds()):
                continue
            for fault in self._fault(name):
                raise ValueError(f"{fault}: check the controls")
            self._passed[name] = Snapshot(self._domain, self._data[name])

    def of_state(self) -> str:
        """What is wrong with the present state, empty if nothing is."""
        faults = [fault for name, by_state in self._by_state.items() if by_state for fault in self._fault(name)]
        return next(iter(faults), "")

    def _fault(self, name: str) -> Iterable[str]:
        values = self._compiled[name].eval(self._domain, self._cells).reshape(len(self._cells), -1)
        least = values.min(axis=1, initial=np.inf)
        lowest = float("-inf") if np.isnan(least).any() else float(least.min(initial=np.inf))
        lowest, rank = self._domain.comm.allreduce((lowest, self._domain.comm.rank), op=MPI.MINLOC)
        if not lowest > 0.0:
            here = np.where(np.isnan(least), -np.inf, least)
            place = f"cell {here.argmin()}" if rank == self._domain.comm.rank else f"a cell of process {rank}"
            yield f"expected {name} > 0, got {'NaN' if lowest == -np.inf else f'{lowest:g}'} in {place}"
