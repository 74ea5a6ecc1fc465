"""Finite-element functions as values at the nodes of their spaces, and back, exactly.

Arrays follow `fields`: ``(*value_shape, nodes)``.
"""

import basix
import numpy as np
from dolfinx import fem

from genmech_fem.errors import ContractError


def point_cloud(space: fem.FunctionSpace) -> np.ndarray:
    """Coordinates (nodes, dimension) [length] of the nodes of a Lagrange or DG space, ghosts last.

    Raises:
        ContractError: The dofs of the space are not values at points.
    """
    check_nodal(space)
    return space.tabulate_dof_coordinates()[:, : space.mesh.geometry.dim].copy()


def node_features(function: fem.Function) -> np.ndarray:
    """Values of a function at its nodes (*value_shape, nodes), in the order of `point_cloud`.

    Raises:
        ContractError: The dofs of the space are not values at points.
    """
    space = function.function_space
    check_nodal(space)
    return function.x.array.reshape(-1, space.dofmap.index_map_bs).T[components(space)]


def to_function(array: np.ndarray, space: fem.FunctionSpace) -> fem.Function:
    """Make the function with the given values at the nodes: the exact inverse of `node_features`.

    Args:
        array: Values (*value_shape, nodes); those of ghosts are taken from their owners.
        space: Lagrange or DG space.

    Raises:
        ContractError: The dofs of the space are not values at points, the shape differs, or values of
            a symmetric tensor are not symmetric.
    """
    check_nodal(space)
    numbers = components(space)
    function = fem.Function(space)
    blocks = function.x.array.reshape(-1, space.dofmap.index_map_bs)
    array = np.asarray(array)
    if array.shape != (*numbers.shape, len(blocks)):
        raise ContractError(f"to_function: expected shape {(*numbers.shape, len(blocks))}, got {array.shape}")
    blocks[:, numbers] = np.moveaxis(array, -1, 0)
    if not np.array_equal(blocks.T[numbers], array.astype(blocks.dtype), equal_nan=True):
        raise ContractError("to_function: expected symmetric tensors for a space of such, got others")
    function.x.scatter_forward()
    return function


def check_nodal(space: fem.FunctionSpace) -> None:
    """Refuse a space whose dofs are not values at points, and a part of a space.

    Raises:
        ContractError: It is such a space.
    """
    if len(space.component()):
        raise ContractError("expected a whole space or function, got a part of one: take its .collapse()")
    element = space.ufl_element()
    nodal = element.family_name == "P" and element.lagrange_variant not in (
        basix.LagrangeVariant.legendre,
        basix.LagrangeVariant.bernstein,
    )
    if not nodal:
        raise ContractError(f"expected a Lagrange or DG space with values at points as dofs, got {element}")


def components(space: fem.FunctionSpace) -> np.ndarray:
    """Number of the dof of a node that holds each component, of the value's shape."""
    shape = tuple(int(n) for n in space.value_shape)
    block = space.dofmap.index_map_bs
    if block == int(np.prod(shape)):
        return np.arange(block).reshape(shape)
    lower = np.zeros(shape, dtype=np.int64)  # a symmetric tensor, its lower triangle row by row
    lower[np.tril_indices(shape[0])] = np.arange(block)
    return np.maximum(lower, lower.T)
