"""Finite-element functions at the points of a grid: values, gradients and expressions as sparse matrices.

A sampled function is a matrix times its dofs, so the transpose is the exact adjoint.
"""

from dataclasses import dataclass
from typing import Any

import basix
import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI
from scipy import sparse
from ufl.algorithms import estimate_total_polynomial_degree, extract_coefficients
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.apply_derivatives import apply_derivatives

from genmech_fem.errors import ContractError
from genmech_fem.fields import Grid
from genmech_fem.geometry.location import boxes, points_of, pull_back, search
from genmech_fem.problems.forms import JIT_OPTIONS

type Where = Grid | np.ndarray
"""A grid, or points (points, dimension) [length]."""

_MOST = 8
"""Highest degree to which expressions are interpolated in a cell."""

_BULGE = 0.25
"""Curved cells may reach this share of their size beyond their nodes."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """A linear map from the dofs of a function to values at points.

    Args:
        matrix: From the dofs of this process, ghosts included, to values; its rows are ordered as
            (*value_shape, *shape), those of points that another process samples are empty.
        mask: True for the points inside the mesh, of the shape of the grid or (points,).
        value_shape: Shape of one value.
        comm: The processes of the mesh.
    """

    matrix: sparse.csr_array
    mask: np.ndarray
    value_shape: tuple[int, ...]
    comm: MPI.Comm

    def __call__(self, function: fem.Function | np.ndarray, outside: float = np.nan) -> np.ndarray:
        """Values (*value_shape, *mask.shape) of a function or of its dofs, with `outside` where there is no mesh.

        Every process gets all values; to be called on all of them.
        """
        dofs = function.x.array if isinstance(function, fem.Function) else function
        values = self.matrix @ dofs
        if self.comm.size > 1:
            values = self.comm.allreduce(values)
        array = values.reshape(*self.value_shape, *self.mask.shape)
        array[..., ~self.mask] = outside
        return array

    def transpose(self, cotangent: np.ndarray) -> np.ndarray:
        """Product of the transposed matrix with values (*value_shape, *mask.shape): one number for each dof.

        A dof that several processes share has its sum spread over them; values outside the mesh do not count.
        """
        values = np.where(self.mask, cotangent, 0.0)
        return self.matrix.T @ values.ravel()


def locate(domain: mesh.Mesh, place: Where) -> np.ndarray:
    """Index of a cell of this process that holds each point, -1 where none does.

    A point that several cells share belongs to the one that came first when the mesh was made, so
    the choice does not depend on the number of processes; on several, one process at most
    has it. To be called on all processes.

    Args:
        domain: Mesh whose cells have the dimension of its points.
        place: Grid, or points (points, dimension) [length].

    Returns:
        Cells (points,).

    Raises:
        ValueError: The mesh is a surface in space, or the place is of another dimension.
    """
    return _search(domain, place)[0]


def sample_values(space: fem.FunctionSpace, place: Where) -> Sampling:
    """The values of the functions of a space at points.

    Args:
        space: Lagrange or DG space of any degree and value shape, on any cells.
        place: Grid, or points (points, dimension) [length].

    Raises:
        ContractError: The basis functions of the space are not scalar, or those of a cell depend on its orientation.
        ValueError: As of `locate`.
    """
    cells, reference = _search(space.mesh, place)
    found = np.flatnonzero(cells >= 0)
    table = _element(space).tabulate(0, reference[found])[0, :, :, 0]
    return _sampling(space, place, cells, found, table[None], ())


def sample_gradients(space: fem.FunctionSpace, place: Where) -> Sampling:
    """The gradients [1/length] of the functions of a space at points; value shape (*value_shape, dimension).

    Where points lie on facets the gradient is that in one of the cells. The arguments and errors are those of
    `sample_values`.
    """
    cells, reference = _search(space.mesh, place)
    found = np.flatnonzero(cells >= 0)
    table = _element(space).tabulate(1, reference[found])[1:, :, :, 0]
    inverse = _inverse_jacobians(space.mesh, cells[found], reference[found])
    return _sampling(space, place, cells, found, np.einsum("rpb,prd->dpb", table, inverse), inverse.shape[2:])


class ExpressionSampling:
    """A UFL expression, as strain or stress, at points.

    In each cell the expression is interpolated by a polynomial; that is exact where it is one, as
    stress by linear elasticity on affine cells.

    Args:
        expression: Expression of functions on one mesh.
        place: Grid, or points (points, dimension) [length].
        degree: Degree of the polynomials; None takes UFL's estimate, at most 8.

    Raises:
        ContractError: The expression holds no function, so that it has no mesh, or its degree is no whole number.
        ValueError: As of `locate`.
    """

    def __init__(self, expression: Any, place: Where, degree: int | None = None) -> None:
        self.expression = apply_algebra_lowering(ufl.as_ufl(expression))
        functions = [c for c in extract_coefficients(self.expression) if isinstance(c, fem.Function)]
        if not functions:
            raise ContractError(f"expected an expression of at least one function, got {expression}")
        self.domain = functions[0].function_space.mesh
        if degree is None:
            degree = min(int(np.max(estimate_total_polynomial_degree(self.expression))), _MOST)
        if degree != int(degree) or degree < 0:
            raise ContractError(f"degree: expected a whole number of at least 0, got {degree}")
        self.value_shape = tuple(int(n) for n in self.expression.ufl_shape)
        self.place = place
        self._cells, reference = _search(self.domain, place)
        self._found = np.flatnonzero(self._cells >= 0)
        kind = basix.CellType[self.domain.topology.cell_name()]
        element = basix.create_element(
            basix.ElementFamily.P, kind, int(degree), basix.LagrangeVariant.gll_warped, discontinuous=True
        )
        self._nodes = element.points
        self._table = element.tabulate(0, reference[self._found])[0, :, :, 0]
        self._unique, self._rows = np.unique(self._cells[self._found], return_inverse=True)

    def __call__(self, outside: float = np.nan) -> np.ndarray:
        """Values (*value_shape, *grid) with the functions as they are now; to be called on all processes."""
        table = self._evaluate(self.expression)  # (cells, nodes, *value_shape)
        values = np.einsum("pn,pn...->...p", self._table, table[self._rows])
        whole = np.zeros((*self.value_shape, len(self._cells)))
        whole[..., self._found] = values
        comm = self.domain.comm
        if comm.size > 1:
            whole = comm.allreduce(whole)
        array = whole.reshape(*self.value_shape, *_shape(self.place))
        array[..., ~_mask(self.domain, self._cells, self.place)] = outside
        return array

    def derivative(self, function: fem.Function) -> Sampling:
        """Derivative of the values with respect to the dofs of a function, at its present values.

        Of an expression linear in the function it is the expression's own operator.

        Raises:
            ContractError: The expression does not depend on the function.
        """
        space = function.function_space
        if function not in extract_coefficients(self.expression):
            raise ContractError(f"expected a function of the expression, got {function.name}")
        direction = ufl.derivative(self.expression, function, ufl.TrialFunction(space))
        table = self._evaluate(apply_derivatives(direction))
        table = table.reshape(*table.shape[:2], -1, table.shape[-1])  # (cells, nodes, components, dofs)
        data = np.einsum("pn,pnkb->kpb", self._table, table[self._rows])
        block = space.dofmap.index_map_bs
        nodes = space.dofmap.list[self._cells[self._found]]
        columns = (nodes[:, :, None] * block + np.arange(block)).reshape(len(nodes), -1)
        matrix = _rows(self._found, len(self._cells), columns[None].repeat(len(data), axis=0), data, _dofs(space))
        return Sampling(matrix, _mask(self.domain, self._cells, self.place), self.value_shape, self.domain.comm)

    def _evaluate(self, expression: Any) -> np.ndarray:
        compiled = fem.Expression(expression, self._nodes, comm=MPI.COMM_SELF, jit_options=JIT_OPTIONS)
        return compiled.eval(self.domain, self._unique.astype(np.int32))


def components(space: fem.FunctionSpace) -> np.ndarray:
    """Number of the dof of a node that holds each component, of the value's shape."""
    shape = tuple(int(n) for n in space.value_shape)
    block = space.dofmap.index_map_bs
    if block == int(np.prod(shape)):
        return np.arange(block).reshape(shape)
    lower = np.zeros(shape, dtype=np.int64)  # a symmetric tensor, its lower triangle row by row
    lower[np.tril_indices(shape[0])] = np.arange(block)
    return np.maximum(lower, lower.T)


def _element(space: fem.FunctionSpace) -> Any:
    """The scalar element of a space."""
    described = space.ufl_element()
    try:
        element = space.element.basix_element
    except RuntimeError as error:
        raise ContractError(f"expected a Lagrange or DG space, got {described}: take .sub(i).collapse()") from error
    scalar = element.map_type == basix.MapType.identity and not tuple(element.value_shape)
    if not scalar or space.element.needs_dof_transformations or len(space.component()):
        raise ContractError(
            f"expected a whole Lagrange or DG space, got {described}: interpolate to one, or take .collapse()"
        )
    return element


def _search(domain: mesh.Mesh, place: Where) -> tuple[np.ndarray, np.ndarray]:
    """Cells (points,) of this process and reference coordinates (points, dimension)."""
    dimension = domain.geometry.dim
    given = place.dimension if isinstance(place, Grid) else points_of(place).shape[1]
    if not domain.topology.dim == dimension == given:
        raise ValueError(
            f"expected cells, points and grid of one dimension, got cells of {domain.topology.dim}, points of "
            f"{dimension} and a place of {given}"
        )
    owned = domain.topology.index_map(dimension).size_local
    first = domain.topology.original_cell_index[:owned]
    order = np.argsort(first, kind="stable")
    nodes = domain.geometry.x[domain.geometry.dofmaps[0][:owned][order]][..., :dimension]
    coordinate = domain.ufl_domain().ufl_coordinate_element().basix_element

    def shape(reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table = coordinate.tabulate(1, np.ascontiguousarray(reference))[..., 0]
        return table[0], np.moveaxis(table[1:], 0, -1)

    lower, upper = boxes(nodes)
    if coordinate.degree > 1:
        bulge = _BULGE * (upper - lower)
        lower, upper = lower - bulge, upper + bulge
    simplex = domain.topology.cell_name() in ("triangle", "tetrahedron")
    found, reference = search(lower, upper, place, pull_back(nodes, shape, simplex=simplex), dimension)
    if domain.comm.size > 1:
        none = np.iinfo(np.int64).max
        mine = np.where(found >= 0, first[order][found] if owned else none, none)
        winner = np.empty_like(mine)
        domain.comm.Allreduce(mine, winner, op=MPI.MIN)
        found[mine != winner] = -1
    return np.where(found >= 0, order[found] if owned else -1, -1), reference


def _inverse_jacobians(domain: mesh.Mesh, cells: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Derivatives dX/dx (points, tdim, gdim) of the reference coordinates."""
    nodes = domain.geometry.x[domain.geometry.dofmaps[0][cells]][..., : domain.geometry.dim]
    slopes = domain.ufl_domain().ufl_coordinate_element().basix_element.tabulate(1, reference)[1:, ..., 0]
    return np.linalg.inv(np.einsum("rpn,png->pgr", slopes, nodes))


def _sampling(
    space: fem.FunctionSpace,
    place: Where,
    cells: np.ndarray,
    found: np.ndarray,
    tables: np.ndarray,
    extra: tuple[int, ...],
) -> Sampling:
    """Sampling whose value has `tables` (components of `extra`, points, basis functions) for each component."""
    blocks = components(space)
    nodes = space.dofmap.list[cells[found]] * space.dofmap.index_map_bs
    data = np.tile(tables, (blocks.size, 1, 1))
    columns = nodes + np.repeat(blocks.ravel(), len(tables))[:, None, None]
    matrix = _rows(found, len(cells), columns, data, _dofs(space))
    return Sampling(matrix, _mask(space.mesh, cells, place), (*blocks.shape, *extra), space.mesh.comm)


def _rows(found: np.ndarray, points: int, columns: np.ndarray, data: np.ndarray, dofs: int) -> sparse.csr_array:
    """Matrix (components * points, dofs) with rows (components, found points, entries)."""
    index = np.int32 if data.size < np.iinfo(np.int32).max else np.int64
    counts = np.zeros((len(data), points), dtype=index)
    counts[:, found] = data.shape[2]
    starts = np.concatenate([[0], np.cumsum(counts)])
    parts = data.ravel(), columns.ravel().astype(index), starts.astype(index)
    return sparse.csr_array(parts, shape=(counts.size, dofs))


def _dofs(space: fem.FunctionSpace) -> int:
    index = space.dofmap.index_map
    return int((index.size_local + index.num_ghosts) * space.dofmap.index_map_bs)


def _shape(place: Where) -> tuple[int, ...]:
    return place.shape if isinstance(place, Grid) else (len(place),)


def _mask(domain: mesh.Mesh, cells: np.ndarray, place: Where) -> np.ndarray:
    inside = cells >= 0
    if domain.comm.size > 1:
        inside = domain.comm.allreduce(inside.astype(np.int64)) > 0
    return inside.reshape(_shape(place))
