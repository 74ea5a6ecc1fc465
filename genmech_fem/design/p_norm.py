"""A smooth maximum of a field, such as a stress.

Le, Norato, Bruns, Ha and Tortorelli (2010), doi:10.1007/s00158-009-0440-y.
"""

from dataclasses import dataclass

import numpy as np

from genmech_fem.design.density_field import SOLID
from genmech_fem.fields import Arrays

_LEAST_DENSITY = 1e-9
"""At which the relaxed field still has a derivative."""


@dataclass(frozen=True)
class PNorm:
    r"""Smooth maximum :math:`(\mathrm{mean}\, y^p)^{1/p}` of a field that is not negative, such as a von Mises stress.

    With a density the field is relaxed, :math:`y \rho^q`, or cells without material would carry the largest stress.

    Args:
        name: The field (batch, *grid).
        p: Exponent; the larger, the nearer to the maximum.
        density: Name of the density (batch, *grid), None for none.
        q: Exponent of the relaxation.
    """

    name: str = "von_mises"
    p: float = 8.0
    density: str | None = "density"
    q: float = 0.5

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        relaxed = self._relaxed(arrays)
        top = relaxed.max(axis=1, keepdims=True)
        scaled = np.divide(relaxed, top, out=np.zeros_like(relaxed), where=top > 0)
        return top[:, 0] * (scaled**self.p).mean(axis=1) ** (1 / self.p)

    def measure(self, arrays: Arrays) -> np.ndarray:
        """The true maximum over cells with a density above 0.5, shape (batch,)."""
        field = arrays[self.name]
        solid = True if self.density is None else arrays[self.density] > SOLID
        return np.where(solid, field, 0.0).reshape(len(field), -1).max(axis=1)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the field and the density."""
        relaxed, value = self._relaxed(arrays), self(arrays)[:, None]
        share = np.divide(relaxed, value, out=np.zeros_like(relaxed), where=value > 0)
        slope = (share ** (self.p - 1) / relaxed.shape[1]).reshape(arrays[self.name].shape)
        if self.density is None:
            return {self.name: slope}
        density = np.maximum(arrays[self.density], _LEAST_DENSITY)
        by_density = slope * arrays[self.name] * self.q * density ** (self.q - 1)
        return {self.name: slope * density**self.q, self.density: by_density}

    def _relaxed(self, arrays: Arrays) -> np.ndarray:
        field = arrays[self.name]
        relaxed = field if self.density is None else field * np.maximum(arrays[self.density], _LEAST_DENSITY) ** self.q
        return relaxed.reshape(len(field), -1)
