"""Linear maps from arrays to the controls of a problem, and from its observables to arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from dolfinx import fem
from scipy import sparse

from genmech_fem.adapters.interpolation import to_cells
from genmech_fem.adapters.sampling import sample_values
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec, Spec
from genmech_fem.problems.problem import digest
from genmech_fem.problems.transient import TransientProblem


@dataclass(frozen=True)
class LinearMap:
    """A matrix with the spec of the array on its outer side.

    Args:
        spec: Spec of the array.
        source: Name of the control or of the observable on the inner side.
        matrix: Array to control (control dofs, array size), or observable to array
            (array size, observable size).
    """

    spec: Spec
    source: str
    matrix: sparse.csr_array

    def description(self) -> dict[str, Any]:
        """Name on the inner side and sha256 of the matrix, as JSON data."""
        return {"source": self.source, "matrix": digest(self.matrix.data, self.matrix.indices, self.matrix.indptr)}

    def permutation(self) -> np.ndarray | None:
        """The column of the one entry of each row, if all are 1 up to rounding and no two rows share a column."""
        rows, columns = (abs(self.matrix) > 0.5).nonzero()
        order = columns[np.argsort(rows)]
        shape = self.matrix.shape
        whole = sparse.csr_array((np.ones(len(order)), (np.arange(len(order)), order)), shape=shape)
        single = shape[0] == shape[1] == len(np.unique(order)) == len(order)
        return order if single and abs(self.matrix - whole).max() < 1e-9 else None


def cell_values(control: fem.Function, spec: FieldSpec, source: str) -> LinearMap:
    """Map a field on grid cells to a DG0 control: each mesh cell takes the grid cell that holds its midpoint."""
    grid = spec.place
    if not isinstance(grid, Grid) or grid.at != "cells" or spec.value_shape:
        raise ContractError(f"cell_values: expected a scalar field on the cells of a Grid, got {spec}")
    space = control.function_space
    points = space.tabulate_dof_coordinates()[:, : grid.dimension]
    index = np.floor((points - grid.lower) / np.array(grid.spacing)).astype(int)
    if (index < 0).any() or (index >= grid.shape).any():
        raise ContractError(f"cell_values: the mesh reaches outside the grid {grid}")
    columns = np.ravel_multi_index(tuple(index.T), grid.shape)
    rows = np.arange(len(points))
    matrix = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(rows), int(np.prod(grid.shape))))
    return LinearMap(spec, source, matrix)


def cell_means(control: fem.Function, spec: FieldSpec, source: str) -> LinearMap:
    """Map a field on grid cells to a DG0 control: each mesh cell takes the mean of the grid cells, weighted by area.

    Raises:
        ContractError: The field is not scalar on the cells of a Grid, or the mesh reaches outside of it.
    """
    if not isinstance(spec.place, Grid) or spec.value_shape:
        raise ContractError(f"cell_means: expected a scalar field on the cells of a Grid, got {spec}")
    space = control.function_space
    cells = np.empty(len(space.dofmap.list), dtype=np.int64)
    cells[space.dofmap.list[:, 0]] = np.arange(len(cells))
    return LinearMap(spec, source, to_cells(spec.place, space.mesh)[cells])


def sample_state(state: fem.Function, spec: FieldSpec) -> LinearMap:
    """Map the state's dofs to its values at the points of a grid.

    Raises:
        ContractError: The place is not a Grid, the value shapes differ, or points of the
            grid lie outside the mesh.
    """
    return LinearMap(spec, "state", _sampling(state, spec, spec.value_shape))


def sample_history(problem: TransientProblem, spec: FieldSpec) -> LinearMap:
    """Map the history of a problem in time to its values at the points of a grid.

    Args:
        problem: The problem.
        spec: Field of value shape (steps + 1, *value shape of the state).

    Raises:
        ContractError: As of `sample_state`.
    """
    times = problem.steps + 1
    if spec.value_shape[:1] != (times,):
        raise ContractError(f"sample_history: expected value shape ({times}, ...), got {spec}")
    once = _sampling(problem.state, spec, spec.value_shape[1:])
    return LinearMap(spec, "state", sparse.csr_array(sparse.kron(sparse.identity(times), once)))


def _sampling(state: fem.Function, spec: FieldSpec, value_shape: tuple[int, ...]) -> sparse.csr_array:
    """Matrix from dofs to values (*value_shape, *grid) in a row."""
    space = state.function_space
    shape = tuple(int(n) for n in space.value_shape)
    if not isinstance(spec.place, Grid) or value_shape != shape:
        raise ContractError(f"expected a Grid and value shape {shape}, got {spec}")
    sampling = sample_values(space, spec.place)
    outside = int((~sampling.mask).sum())
    if outside:
        raise ContractError(f"{outside} of {sampling.mask.size} grid points of '{spec.name}' lie outside the mesh")
    return sampling.matrix


def as_vector(spec: ScalarSpec, source: str) -> LinearMap:
    """Pass a vector on to a constant control, or an observable on as a vector."""
    return LinearMap(spec, source, sparse.csr_array(sparse.identity(spec.size)))


def phase_values(tags: np.ndarray, spec: ScalarSpec, source: str) -> LinearMap:
    """Map one value a phase to a control with one value a cell, so that gradients are those of the phases' moduli.

    Args:
        tags: Phase of each cell of this process (cells,), in the order of the mesh's cells.
        spec: Vector of the values, `spec.size` phases.
        source: Name of the control.

    Raises:
        ContractError: A tag is not that of a phase.
    """
    tags = np.asarray(tags)
    if tags.min() < 0 or tags.max() >= spec.size:
        raise ContractError(f"phase_values: expected tags from 0 to {spec.size - 1}, got {tags.min()} to {tags.max()}")
    cells = np.arange(len(tags))
    return LinearMap(spec, source, sparse.csr_array((np.ones(len(tags)), (cells, tags)), shape=(len(tags), spec.size)))
