"""Effective stiffness or conductivity of a periodic cell of pixels, one Q1 element each.

The periodic corrector w_k of each unit gradient E_k satisfies int sigma(E_k + e(w_k)) : e(v) dx = 0 for all periodic
v, and C*_kl = 1/|Y| int sigma(E_k + e(w_k)) : (E_l + e(w_l)) dx: Suquet (1987), doi:10.1007/3-540-17616-0_15.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from skfem import Basis, BilinearForm, Element, ElementQuad1, ElementVector

from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, to_json
from genmech_fem.metrics import symmetric_matrix, upper_triangle
from genmech_fem.microstructure import phase_grid
from genmech_skfem.pixel_model import PullBack
from genmech_skfem.stiffness import Stiffness, pixel_basis

_MANDEL = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0.5**0.5], [0.5**0.5, 0]]])
STRAIN, GRADIENT = (ElementVector(ElementQuad1()), _MANDEL), (ElementQuad1(), np.eye(2)[:, None])
"""Element of the unknown, and unit gradients (loads, components, 2), of elasticity and of conduction."""


class PeriodicCell:
    """The `genmech_skfem.pixel_model.Solver` of a unit cell whose law is linear in its coefficients.

    Args:
        resolution: Pixels along each side.
        forms: Forms of a unit coefficient, by name of the coefficient.
        kinematics: `STRAIN` or `GRADIENT`.
        effective: Spec of the upper triangle of the effective tensor; its unit is that of the coefficients.

    Raises:
        ValueError: There is only one pixel along a side, or none.
    """

    def __init__(
        self,
        resolution: int,
        forms: Mapping[str, BilinearForm],
        kinematics: tuple[Element, np.ndarray],
        effective: ScalarSpec,
    ) -> None:
        if resolution < 2:
            raise ValueError(f"resolution: expected at least 2 pixels along each side, got {resolution}")
        (element, gradients), grid = kinematics, phase_grid(resolution)
        basis = pixel_basis(grid, element)
        self._stiffness = Stiffness(
            basis, [*forms.values()], dofs=_shared(basis, resolution), fixed=basis.nodal_dofs[:, 0]
        )
        corners = basis.mesh.p[:, basis.mesh.t]
        self._affine = np.einsum("kij,jce->ecik", gradients, corners).reshape(resolution**2, -1, len(gradients))
        self._doubled = 2.0 - np.eye(len(gradients))
        self.inputs = tuple(FieldSpec(name, grid, (), effective.unit) for name in forms)
        self.outputs = (effective,)

    def description(self) -> dict[str, Any]:
        """Coefficients, and the matrices of unit ones."""
        return {"inputs": [to_json(spec) for spec in self.inputs], "matrices": self._stiffness.units[:, 0]}

    def solve(self, coefficients: np.ndarray) -> tuple[Arrays, PullBack]:
        """The effective tensor, and its adjoint, which needs no solve: the tensor is stationary in the correctors."""
        loads = -self._stiffness.forces(coefficients, self._affine)
        loads[np.abs(loads) < 1e-13 * coefficients.max()] = 0.0  # rounding errors of a homogeneous cell
        whole = self._affine + self._stiffness.local(self._stiffness.factorise(coefficients)(loads))
        energies, effective = self._stiffness.energies(whole, whole), self.outputs[0]

        def pull_back(cotangents: Arrays) -> np.ndarray:
            upper = cotangents.get(effective.name, np.zeros(effective.size))
            return np.einsum("kl,aekl->ae", symmetric_matrix(upper) / self._doubled, energies)

        return {effective.name: upper_triangle(np.einsum("ae,aekl->kl", coefficients, energies))}, pull_back


def _shared(basis: Basis, resolution: int) -> np.ndarray:
    """Dofs of each cell (cells, local dofs); nodes on opposite sides share theirs."""
    owners = np.arange(basis.N)
    grid = basis.nodal_dofs.reshape(-1, resolution + 1, resolution + 1)
    owners[grid] = np.pad(grid[:, :-1, :-1], ((0, 0), (0, 1), (0, 1)), mode="wrap")
    return owners[basis.element_dofs.T]
