"""Random symmetries of the square torus, shifts, mirrors and quarter turns, and mirrors alone.

Symmetric second-order tensors are Mandel vectors (11, 22, sqrt(2) 12): Mehrabadi and
Cowin (1990), doi:10.1093/qjmam/43.1.15.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from genmech_fem.training.trainable import Batch

type Role = Literal["scalar", "vector", "mandel_vector", "mandel_matrix", "mandel_triangle"]
"""How channels turn: ``"mandel_matrix"`` is a 3x3 matrix row by row, ``"mandel_triangle"`` the
upper triangle 11, 12, 13, 22, 23, 33 of a symmetric one."""

type Element = tuple[bool, bool, bool]
"""Whether the axes change places, and which of them are then reversed."""

SQUARE: list[Element] = [(swap, x, y) for swap, x, y in product((False, True), repeat=3)]
ROLES: dict[str, int] = {"scalar": 1, "vector": 2, "mandel_vector": 3, "mandel_matrix": 9, "mandel_triangle": 6}


class TorusSymmetries:
    """Augmentation: move each sample by a random whole-pixel shift and symmetry of the square.

    Tensors (batch, channels, n, n) move on the grid and turn in their channels; tensors
    (batch, channels) only turn. Axis 2 is x, axis 3 is y.

    Args:
        roles: How each tensor of a batch turns, by name; several roles where its channels are several things.

    Raises:
        ValueError: A role is unknown.
    """

    def __init__(self, roles: Mapping[str, Role | tuple[Role, ...]]) -> None:
        self.roles = _known(roles, "TorusSymmetries")

    def __call__(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Move all tensors of a batch alike.

        Raises:
            ValueError: The names, the channels or the grids do not fit the roles.
        """
        _check(batch, self.roles, "TorusSymmetries", square=True)
        fields = [x for x in batch.values() if x.ndim == 4]
        samples, size = len(next(iter(batch.values()))), fields[0].shape[-1] if fields else 1
        device = generator.device
        element = torch.randint(len(SQUARE), (samples,), generator=generator, device=device)
        shift = torch.randint(size, (samples, 2), generator=generator, device=device)
        moved = {name: _turn(x, self.roles[name], element, SQUARE) for name, x in batch.items()}
        return {name: _roll(x, shift) if x.ndim == 4 else x for name, x in moved.items()}


class Mirrors:
    """Augmentation: mirror each sample at random, where a body and its supports are their own mirror images.

    Tensors (batch, channels, nx, ny) are mirrored on the grid and in their channels, tensors (batch, channels) only in
    their channels. Shear strains may be given without the factor of Mandel: mirrors only change signs.

    Args:
        roles: How each tensor of a batch turns, by name; several roles where its channels are several things.
        axes: Axes that may be reversed: 0 for x, 1 for y.

    Raises:
        ValueError: A role or an axis is unknown.
    """

    def __init__(self, roles: Mapping[str, Role | tuple[Role, ...]], axes: Sequence[int] = (0, 1)) -> None:
        self.roles = _known(roles, "Mirrors")
        if not axes or not set(axes) <= {0, 1}:
            raise ValueError(f"Mirrors: expected axes out of 0 and 1, got {axes}")
        kept = {0, 1} - set(axes)
        self.elements = [element for element in SQUARE if not element[0] and not any(element[1 + a] for a in kept)]

    def __call__(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Mirror all tensors of a batch alike.

        Raises:
            ValueError: The names or the channels do not fit the roles.
        """
        _check(batch, self.roles, "Mirrors", square=False)
        samples = len(next(iter(batch.values())))
        element = torch.randint(len(self.elements), (samples,), generator=generator, device=generator.device)
        return {name: _turn(x, self.roles[name], element, self.elements) for name, x in batch.items()}


def _known(roles: Mapping[str, Role | tuple[Role, ...]], name: str) -> dict[str, tuple[Role, ...]]:
    """The roles, each a tuple."""
    found = {tensor: role if isinstance(role, tuple) else (role,) for tensor, role in roles.items()}
    unknown = {tensor: role for tensor, role in found.items() if not set(role) <= set(ROLES)}
    if unknown:
        raise ValueError(f"{name}: expected roles out of {', '.join(ROLES)}, got {unknown}")
    return found


def _check(batch: Batch, roles: Mapping[str, tuple[Role, ...]], name: str, *, square: bool) -> None:
    if set(batch) != set(roles):
        raise ValueError(f"{name}: expected the tensors {sorted(roles)}, got {sorted(batch)}")
    for tensor, x in batch.items():
        channels = sum(ROLES[role] for role in roles[tensor])
        grid = "n, n" if square else "nx, ny"
        fits = x.ndim in (2, 4) and x.shape[1] == channels
        if not fits or (square and x.ndim == 4 and x.shape[2] != x.shape[3]):
            raise ValueError(
                f"{name}: '{tensor}' is a {' and '.join(roles[tensor])}: expected (batch, {channels}) or "
                f"(batch, {channels}, {grid}), got {tuple(x.shape)}"
            )


def representation(role: Role, R: Tensor) -> Tensor:
    """Matrix (channels, channels) by which the channels of `role` turn under R (2, 2)."""
    if role == "scalar":
        return torch.ones(1, 1, dtype=R.dtype)
    if role == "vector":
        return R
    (a, b), (c, d) = R.tolist()
    s = math.sqrt(2)
    Q = torch.tensor(
        [[a * a, b * b, s * a * b], [c * c, d * d, s * c * d], [s * a * c, s * b * d, a * d + b * c]], dtype=R.dtype
    )
    if role == "mandel_vector":
        return Q
    full = torch.kron(Q, Q)
    if role == "mandel_matrix":
        return full
    rows, columns = torch.triu_indices(3, 3)
    spread = torch.zeros(9, 6, dtype=R.dtype)
    spread[3 * rows + columns, torch.arange(6)] = 1.0
    spread[3 * columns + rows, torch.arange(6)] = 1.0
    return full[3 * rows + columns] @ spread


def _turn(x: Tensor, roles: tuple[Role, ...], element: Tensor, elements: Sequence[Element]) -> Tensor:
    """Turn each sample by its own element of a group."""
    turned = torch.empty_like(x)
    for index, (swap, flip_x, flip_y) in enumerate(elements):
        chosen = element == index
        R = torch.diag(torch.tensor([-1.0 if flip_x else 1.0, -1.0 if flip_y else 1.0]))
        R = R.flip(1) if swap else R
        rho = torch.block_diag(*(representation(role, R) for role in roles)).to(x)  # type: ignore[no-untyped-call]
        part = torch.einsum("ij,bj...->bi...", rho, x[chosen])
        if x.ndim == 4:
            part = part.transpose(2, 3) if swap else part
            part = part.flip([axis for axis, flip in ((2, flip_x), (3, flip_y)) if flip])
        turned[chosen] = part
    return turned


def _roll(x: Tensor, shift: Tensor) -> Tensor:
    """Shift each sample of x (batch, channels, n, n) by its own whole pixels (batch, 2)."""
    batch, channels, n, _ = x.shape
    index = (torch.arange(n, device=x.device) - shift[:, :, None]) % n
    samples = torch.arange(batch, device=x.device)[:, None, None, None]
    return x[
        samples,
        torch.arange(channels, device=x.device)[:, None, None],
        index[:, 0, :, None][:, None],
        index[:, 1][:, None, None],
    ]
