"""Connectivity by a virtual temperature: what conducts heats itself, and stays cool only if heat can flow to ports.

Enclosed voids: Liu, Li, Chen, Tong and Cheng (2015), doi:10.1007/s11465-015-0340-3; solid: Li, Chen, Liu and Tong
(2016), doi:10.1007/s00158-016-1459-5.
"""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.ndimage import generate_binary_structure, label
from scipy.sparse.linalg import SuperLU, splu

from genmech_fem.design.features import SOLID, density
from genmech_fem.design.interpolation import RAMP, Interpolation
from genmech_fem.fields import Arrays

FAINT = RAMP(8.0, void=1e-4)
"""Conductivity with a slope at 0, so that gaps can close; faint cells still conduct much less than they heat."""


@dataclass(frozen=True, eq=False)
class Connected:
    r"""Every solid piece is joined to ports, such as clamped cells.

    The value is :math:`\log(1 + \|T\|_p / \|T_1\|_p)` with the temperature T of cells that heat themselves by their
    density and lose heat at the ports only, and T_1 that of the full grid: log 2 for the full grid, 0 for an empty
    one, more than log 2 for thin members and several times that for an island. Value and gradient take one sparse
    factorisation a sample, which is quick in 2D and takes seconds from about 30 cells a side on in 3D.

    Args:
        ports: The cells (*grid) where heat leaves, as booleans.
        name: The density; beyond 0 to 1 it counts as 0 or 1.
        exponent: p of the norm, a mean over the cells.
        conductivity: That of a cell by its density; flow between two cells sees the harmonic mean.

    Raises:
        ValueError: There is no port, or the exponent is below 1.
    """

    ports: np.ndarray
    name: str = "density"
    _: KW_ONLY
    exponent: float = 8.0
    conductivity: Interpolation = FAINT

    def __post_init__(self) -> None:
        object.__setattr__(self, "ports", np.asarray(self.ports, dtype=bool))
        if not self.ports.any():
            raise ValueError("Connected: expected at least one port, got none: mark the cells that hold the part")
        _ = self._heat

    @cached_property
    def _heat(self) -> "_SelfHeating":
        return _SelfHeating(self.ports, self.exponent, self.conductivity)

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Logarithm of one plus the relative temperature (batch,)."""
        return self._heat.values(density(arrays, self.name, self.ports.shape))

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        return {self.name: self._heat.gradient(density(arrays, self.name, self.ports.shape))}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Share of the solid cells in pieces without a port (batch,), joined over faces (4 in 2D, 6 in 3D)."""
        return _cut_off(density(arrays, self.name, self.ports.shape) > SOLID, self.ports, 1)


@dataclass(frozen=True)
class EnclosedVoids:
    """No void is enclosed: powder gets out, a paint gets in.

    The value is that of `Connected` with the void as conductor and all cells at the border of the box as ports.

    Args:
        name: The density; beyond 0 to 1 it counts as 0 or 1.
        exponent: See `Connected`.
        conductivity: That of a cell by its porosity.

    Raises:
        ValueError: The exponent is below 1.
    """

    name: str = "density"
    _: KW_ONLY
    exponent: float = 8.0
    conductivity: Interpolation = FAINT

    def __post_init__(self) -> None:
        _ = self._heat((1, 1))

    @cached_property
    def _boxes(self) -> dict[tuple[int, ...], "_SelfHeating"]:
        return {}

    def _heat(self, shape: tuple[int, ...]) -> "_SelfHeating":
        return self._boxes.setdefault(shape, _SelfHeating(_border(shape), self.exponent, self.conductivity))

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Logarithm of one plus the relative temperature of the void (batch,)."""
        x = density(arrays, self.name)
        return self._heat(x.shape[1:]).values(1 - x)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        x = density(arrays, self.name)
        return {self.name: -self._heat(x.shape[1:]).gradient(1 - x)}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Share of the void cells that are enclosed (batch,), void being joined over corners too (8 in 2D, 26 in 3D).

        The value is stricter: its heat flows over faces only.
        """
        void = density(arrays, self.name) <= SOLID
        return _cut_off(void, _border(void.shape[1:]), void.ndim - 1)


@dataclass(frozen=True, eq=False)
class _SelfHeating:
    """Finite volumes on a grid of cells of edge 1; a port is joined to temperature 0 over half a cell."""

    ports: np.ndarray
    exponent: float
    conductivity: Interpolation

    def __post_init__(self) -> None:
        if not 1 <= self.exponent < np.inf:
            raise ValueError(f"exponent: expected a number of at least 1, got {self.exponent}")

    def values(self, filled: np.ndarray) -> np.ndarray:
        """Value of each sample (batch,)."""
        return np.array([np.log1p(self._norm(self._temperature(x)[0]) / self._full) for x in filled.clip(0, 1)])

    def gradient(self, filled: np.ndarray) -> np.ndarray:
        """Derivative of each value (batch, *grid)."""
        slopes = np.stack([self._gradient(x.ravel()).reshape(x.shape) for x in filled.clip(0, 1)])
        return np.where((filled >= 0) & (filled <= 1), slopes, 0.0)

    def _gradient(self, filled: np.ndarray) -> np.ndarray:
        temperature, factor = self._temperature(filled)
        norm = max(self._norm(temperature), np.finfo(float).tiny)
        by_temperature = (temperature / norm) ** (self.exponent - 1) / filled.size / (self._full + norm)
        adjoint = factor.solve(by_temperature)
        k, (i, j) = self.conductivity(filled), self._faces
        by_face = -2 * (adjoint[i] - adjoint[j]) * (temperature[i] - temperature[j]) / (k[i] + k[j]) ** 2
        by_k = np.bincount(i, by_face * k[j] ** 2, k.size) + np.bincount(j, by_face * k[i] ** 2, k.size)
        by_k -= 2 * self.ports.ravel() * adjoint * temperature
        return adjoint + by_k * self.conductivity.derivative(filled)

    def _temperature(self, filled: np.ndarray) -> tuple[np.ndarray, SuperLU]:
        """Temperature (cells,), and the factors of the symmetric matrix."""
        k, (i, j) = self.conductivity(filled.ravel()), self._faces
        flow = self._differences.T @ sparse.diags_array(2 * k[i] * k[j] / (k[i] + k[j])) @ self._differences
        matrix = sparse.csc_array(flow + sparse.diags_array(2 * k * self.ports.ravel()))
        factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return factor.solve(filled.ravel()), factor

    def _norm(self, temperature: np.ndarray) -> float:
        largest = max(float(temperature.max()), np.finfo(float).tiny)
        return largest * float(np.mean((temperature / largest) ** self.exponent)) ** (1 / self.exponent)

    @cached_property
    def _full(self) -> float:
        return self._norm(self._temperature(np.ones(self.ports.shape))[0])

    @cached_property
    def _faces(self) -> np.ndarray:
        """The two cells of each inner face (2, faces)."""
        cells, axes = np.arange(self.ports.size).reshape(self.ports.shape), range(self.ports.ndim)
        ends = [(np.delete(cells, -1, axis).ravel(), np.delete(cells, 0, axis).ravel()) for axis in axes]
        return np.concatenate(ends, axis=1)

    @cached_property
    def _differences(self) -> sparse.csr_array:
        """Difference (faces, cells) over each face."""
        rows = np.tile(np.arange(self._faces.shape[1]), 2)
        signs = np.repeat([1.0, -1.0], self._faces.shape[1])
        return sparse.csr_array((signs, (rows, self._faces.ravel())), shape=(self._faces.shape[1], self.ports.size))


def _border(shape: tuple[int, ...]) -> np.ndarray:
    border = np.ones(shape, dtype=bool)
    border[(slice(1, -1),) * len(shape)] = False
    return border


def _cut_off(binary: np.ndarray, ports: np.ndarray, neighbours: int) -> np.ndarray:
    """Share of the true cells (batch, *grid) in pieces without a port, 0 where none is true."""
    structure = generate_binary_structure(ports.ndim, neighbours)
    shares = []
    for image in binary:
        pieces = label(image, structure)[0]
        lost = image & ~np.isin(pieces, pieces[ports & image])
        shares.append(lost.sum() / max(image.sum(), 1))
    return np.array(shares)
