"""Connectivity by a virtual temperature: what conducts heats itself, and stays cool only if heat can flow to ports.

Enclosed voids: Liu, Li, Chen, Tong and Cheng (2015), doi:10.1007/s11465-015-0340-3; solid: Li, Chen, Liu and Tong
(2016), doi:10.1007/s00158-016-1459-5.
"""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import generate_binary_structure, label

from genmech_fem.design.density_field import SOLID, density
from genmech_fem.design.interpolation import RAMP, Interpolation
from genmech_fem.design.self_heating import SelfHeating
from genmech_fem.fields import Arrays

FAINT = RAMP(8.0, void=1e-4)
"""Conductivity with a slope at 0, so that gaps can close; faint cells still conduct much less than they heat."""


@dataclass(frozen=True, eq=False)
class Connected:
    r"""Every solid piece is joined to ports, such as clamped cells.

    The value is :math:`\log(1 + \|T\|_p / \|T_1\|_p)` with the temperature T of cells that heat themselves by their
    density and lose heat at the ports only, and T_1 that of the full grid: log 2 for the full grid, 0 for an empty
    one, more than log 2 for thin members and several times that for an island. Value and gradient take one sparse
    factorisation a sample together, which is quick in 2D and takes seconds from about 30 cells a side on in 3D.

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
    def _heat(self) -> SelfHeating:
        return SelfHeating(self.ports, self.exponent, self.conductivity)

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Logarithm of one plus the relative temperature (batch,)."""
        return self._heat.values(density(arrays, self.name, self.ports.shape))

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        return self.value_and_gradient(arrays)[1]

    def value_and_gradient(self, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
        """Value (batch,) and gradient (batch, *grid), by one factorisation a sample."""
        values, slopes = self._heat.values_and_gradients(density(arrays, self.name, self.ports.shape))
        return values, {self.name: slopes}

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
    def _boxes(self) -> dict[tuple[int, ...], SelfHeating]:
        return {}

    def _heat(self, shape: tuple[int, ...]) -> SelfHeating:
        return self._boxes.setdefault(shape, SelfHeating(_border(shape), self.exponent, self.conductivity))

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Logarithm of one plus the relative temperature of the void (batch,)."""
        x = density(arrays, self.name)
        return self._heat(x.shape[1:]).values(1 - x)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        return self.value_and_gradient(arrays)[1]

    def value_and_gradient(self, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
        """Value (batch,) and gradient (batch, *grid), by one factorisation a sample."""
        x = density(arrays, self.name)
        values, slopes = self._heat(x.shape[1:]).values_and_gradients(1 - x)
        return values, {self.name: -slopes}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Share of the void cells that are enclosed (batch,), void being joined over corners too (8 in 2D, 26 in 3D).

        The value is stricter: its heat flows over faces only.
        """
        void = density(arrays, self.name) <= SOLID
        return _cut_off(void, _border(void.shape[1:]), void.ndim - 1)


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
