"""Laws as splines of their energy on a grid of strains: for few strains the rival of every network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import NdBSpline, make_interp_spline

from genmech_external_operator.laws import PointLaw
from genmech_fem.fields import ScalarSpec
from genmech_fem.runtime.domain import Domain


def energy_table(
    energies: Callable[[np.ndarray], np.ndarray],
    domain: Domain,
    count: int,
    *,
    strain: ScalarSpec,
    stress: ScalarSpec,
    degree: int = 3,
) -> PointLaw:
    """Tabulate an energy; its derivatives are those of the tensor-product spline, so the tangent is symmetric.

    Args:
        energies: From strains (points, n) to energies (points,).
        domain: Ranges of the strains.
        count: Points along each axis, more than `degree`; ``count**n`` in all.
        strain: Name, number n and unit of the strains.
        stress: Name and unit of the stresses.
        degree: Degree of the spline.
    """
    axes = [np.linspace(low, high, count) for low, high in zip(domain.low, domain.high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, strain.size)
    values, knots = energies(points).reshape((count,) * strain.size), []
    for k, axis in enumerate(axes):
        spline = make_interp_spline(axis, np.moveaxis(values, k, 0), k=degree)
        values = np.moveaxis(spline.c, 0, k)
        knots.append(spline.t)
    table = _Table(NdBSpline(tuple(knots), values, degree), strain.size)
    return PointLaw(table, strain, stress, domain, f"table of {len(points)} energies")


@dataclass(frozen=True)
class _Table:
    spline: NdBSpline
    size: int

    def __call__(self, strains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        axes = range(self.size)
        stress = [self._derivative(strains, (k,)) for k in axes]
        tangent = [[self._derivative(strains, (k, m)) for m in axes] for k in axes]
        return np.stack(stress, axis=1), np.moveaxis(np.array(tangent), 2, 0)

    def _derivative(self, strains: np.ndarray, by: Sequence[int]) -> np.ndarray:
        found: np.ndarray = self.spline(strains, nu=tuple(by.count(k) for k in range(self.size)))
        return found
