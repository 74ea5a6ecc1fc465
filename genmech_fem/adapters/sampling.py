"""Finite-element functions at the points of a grid: values and gradients as sparse matrices.

A sampled function is a matrix times its dofs, so the transpose is the exact adjoint.
"""

from dataclasses import dataclass
from typing import Any

import basix
import numpy as np
from dolfinx import fem, mesh
from mpi4py import MPI
from scipy import sparse

from genmech_fem.adapters.location import Where, inside_mesh, locate_in_cells
from genmech_fem.adapters.nodes import components
from genmech_fem.errors import ContractError


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


def sample_values(space: fem.FunctionSpace, place: Where) -> Sampling:
    """The values of the functions of a space at points.

    Args:
        space: Lagrange or DG space of any degree and value shape, on any cells.
        place: Grid, or points (points, dimension) [length].

    Raises:
        ContractError: The basis functions of the space are not scalar, or those of a cell depend on its orientation.
        ValueError: As of `locate`.
    """
    cells, reference = locate_in_cells(space.mesh, place)
    found = np.flatnonzero(cells >= 0)
    table = _element(space).tabulate(0, reference[found])[0, :, :, 0]
    return _sampling(space, place, cells, found, table[None], ())


def sample_gradients(space: fem.FunctionSpace, place: Where) -> Sampling:
    """The gradients [1/length] of the functions of a space at points; value shape (*value_shape, dimension).

    Where points lie on facets the gradient is that in one of the cells. The arguments and errors are those of
    `sample_values`.
    """
    cells, reference = locate_in_cells(space.mesh, place)
    found = np.flatnonzero(cells >= 0)
    table = _element(space).tabulate(1, reference[found])[1:, :, :, 0]
    inverse = _inverse_jacobians(space.mesh, cells[found], reference[found])
    return _sampling(space, place, cells, found, np.einsum("rpb,prd->dpb", table, inverse), inverse.shape[2:])


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
    matrix = sampling_matrix(found, len(cells), columns, data, local_dofs(space))
    return Sampling(matrix, inside_mesh(space.mesh, cells, place), (*blocks.shape, *extra), space.mesh.comm)


def sampling_matrix(
    found: np.ndarray, points: int, columns: np.ndarray, data: np.ndarray, dofs: int
) -> sparse.csr_array:
    """Matrix (components * points, dofs) with rows (components, found points, entries)."""
    index = np.int32 if data.size < np.iinfo(np.int32).max else np.int64
    counts = np.zeros((len(data), points), dtype=index)
    counts[:, found] = data.shape[2]
    starts = np.concatenate([[0], np.cumsum(counts)])
    parts = data.ravel(), columns.ravel().astype(index), starts.astype(index)
    return sparse.csr_array(parts, shape=(counts.size, dofs))


def local_dofs(space: fem.FunctionSpace) -> int:
    """Number of dofs of this process, ghosts included."""
    index = space.dofmap.index_map
    return int((index.size_local + index.num_ghosts) * space.dofmap.index_map_bs)
