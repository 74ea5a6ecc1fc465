"""A virtual temperature: what is filled conducts heat and heats itself, and stays cool only if heat can flow to ports.

Li, Chen, Liu and Tong (2016), doi:10.1007/s00158-016-1459-5.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from genmech_fem.design.interpolation import Interpolation


@dataclass(frozen=True, eq=False)
class SelfHeating:
    r"""The value :math:`\log(1 + \|T\|_p / \|T_1\|_p)` of cells, by finite volumes on a grid of edge 1.

    The temperature T is that of cells that heat themselves by how filled they are, T_1 that of the full grid. A port
    is joined to the temperature 0 over half a cell.

    Args:
        ports: The cells (*grid) where heat leaves, as booleans.
        exponent: p of the norm, a mean over the cells.
        conductivity: That of a cell by how filled it is, from 0 to 1.

    Raises:
        ValueError: The exponent is below 1.
    """

    ports: np.ndarray
    exponent: float
    conductivity: Interpolation

    def __post_init__(self) -> None:
        if not 1 <= self.exponent < np.inf:
            raise ValueError(f"exponent: expected a number of at least 1, got {self.exponent}")

    def values(self, filled: np.ndarray) -> np.ndarray:
        """Value of each sample (batch,) of filled cells (batch, *grid); beyond 0 to 1 they count as 0 or 1."""
        return np.array([self._value(self._temperature(x)[0]) for x in filled.clip(0, 1)])

    def values_and_gradients(self, filled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value of each sample (batch,) and its derivative (batch, *grid), by one factorisation a sample."""
        values, slopes = zip(*(self._linearized(x) for x in filled.clip(0, 1)), strict=True)
        return np.array(values), np.where((filled >= 0) & (filled <= 1), slopes, 0.0)

    def _linearized(self, filled: np.ndarray) -> tuple[float, np.ndarray]:
        temperature, factor = self._temperature(filled)
        value, by_temperature = self._value(temperature), self._slope(temperature)
        adjoint, x = factor.solve(by_temperature), filled.ravel()
        k, (i, j) = self.conductivity(x), self._faces
        by_face = -2 * (adjoint[i] - adjoint[j]) * (temperature[i] - temperature[j]) / (k[i] + k[j]) ** 2
        by_k = np.bincount(i, by_face * k[j] ** 2, k.size) + np.bincount(j, by_face * k[i] ** 2, k.size)
        by_k -= 2 * self.ports.ravel() * adjoint * temperature
        return value, (adjoint + by_k * self.conductivity.derivative(x)).reshape(filled.shape)

    def _temperature(self, filled: np.ndarray) -> tuple[np.ndarray, SuperLU]:
        """Temperature (cells,), and the factors of the symmetric matrix."""
        k, (i, j) = self.conductivity(filled.ravel()), self._faces
        flow = self._differences.T @ sparse.diags_array(2 * k[i] * k[j] / (k[i] + k[j])) @ self._differences
        matrix = sparse.csc_array(flow + sparse.diags_array(2 * k * self.ports.ravel()))
        factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return factor.solve(filled.ravel()), factor

    def _value(self, temperature: np.ndarray) -> float:
        return float(np.log1p(self._norm(temperature) / self._full))

    def _slope(self, temperature: np.ndarray) -> np.ndarray:
        """Derivative of the value by the temperature (cells,)."""
        norm = max(self._norm(temperature), np.finfo(float).tiny)
        return (temperature / norm) ** (self.exponent - 1) / temperature.size / (self._full + norm)

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
