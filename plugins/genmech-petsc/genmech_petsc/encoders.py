"""How vectors of unknowns become what a network of `genmech_fem` takes and returns."""

import numpy as np
import torch
from torch import Tensor, nn

from genmech_fem.errors import ContractError

_ROUNDING = 1e-6
"""What changes by less, relative to the vectors, does not change."""


class Principal(nn.Module):
    """Vectors as their principal components, for a `Perceptron`.

    Args:
        vectors: Vectors of the training (samples, channels, n).
        most: Most components.
        least: Least standard deviation of a component that counts, relative to the largest.

    Raises:
        ContractError: The vectors are all the same.
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, vectors: Tensor, *, most: int = 32, least: float = 1e-3) -> None:
        super().__init__()
        flat = vectors.flatten(1).double()
        mean = flat.mean(0)
        _, sizes, modes = torch.linalg.svd(flat - mean, full_matrices=False)
        kept = (sizes > max(least * sizes.max(), _ROUNDING * flat.norm())).nonzero()[:most, 0]
        if not len(kept):
            raise ContractError(
                f"expected inputs that differ between the {len(flat)} solves, got equal ones: let the network see the "
                "residual where loads change, the diagonal where coefficients do"
            )
        self.register_buffer("mean", mean.float())
        self.register_buffer("basis", (modes[kept] / sizes[kept, None] * len(flat) ** 0.5).T.float())

    def encode(self, vectors: Tensor) -> Tensor:
        """Components (batch, components) of vectors (batch, channels, n)."""
        return (vectors.flatten(1) - self.mean) @ self.basis

    def decode(self, y: Tensor) -> Tensor:
        """Directions (batch, k, n) as they are."""
        return y

    def target(self, directions: Tensor) -> Tensor:
        """Inverse of `decode`."""
        return directions


class OnGrid(nn.Module):
    """Vectors as fields on a grid, for a `GridSurrogate`.

    Args:
        places: The unknown at each point (components, *grid), all unknowns once; see `grid_places`.

    Raises:
        ContractError: An unknown is missing or named twice.
    """

    places: Tensor
    inverse: Tensor

    def __init__(self, places: np.ndarray) -> None:
        super().__init__()
        flat = torch.as_tensor(places.ravel(), dtype=torch.long)
        if not torch.equal(flat.sort().values, torch.arange(len(flat))):
            raise ContractError(f"OnGrid: expected each of {len(flat)} unknowns once, at one point of a regular grid")
        self.shape = places.shape
        self.register_buffer("places", flat)
        self.register_buffer("inverse", flat.argsort())

    def encode(self, vectors: Tensor) -> Tensor:
        """Fields (batch, channels * components, *grid) of vectors (batch, channels, n)."""
        return vectors[:, :, self.places].reshape(vectors.shape[0], -1, *self.shape[1:])

    def decode(self, y: Tensor) -> Tensor:
        """Directions (batch, k, n) of fields (batch, k * components, *grid)."""
        return y.reshape(y.shape[0], -1, len(self.places))[:, :, self.inverse]

    def target(self, directions: Tensor) -> Tensor:
        """Inverse of `decode`."""
        return self.encode(directions)


def grid_places(coordinates: np.ndarray, shape: tuple[int, ...], *, components: int = 1) -> np.ndarray:
    """The unknown at each node of a structured mesh (components, *shape).

    Args:
        coordinates: Of the nodes (nodes, dimension or more), as ``space.tabulate_dof_coordinates()`` of a continuous
            DOLFINx space on one process.
        shape: Nodes along each axis.
        components: Unknowns of a node, numbered node by node, as PETSc's block size.

    Raises:
        ContractError: The nodes are not those of such a grid.
    """
    axes = [np.unique(np.round(x, 9), return_inverse=True) for x in coordinates.T[: len(shape)]]
    if tuple(len(values) for values, _ in axes) != tuple(shape) or len(coordinates) != np.prod(shape):
        found = tuple(len(values) for values, _ in axes)
        raise ContractError(f"grid_places: expected nodes on a grid of {shape}, got {len(coordinates)} on {found}")
    nodes = np.empty(shape, dtype=np.int64)
    nodes[tuple(index for _, index in axes)] = np.arange(len(coordinates))
    return np.stack([nodes * components + c for c in range(components)])
