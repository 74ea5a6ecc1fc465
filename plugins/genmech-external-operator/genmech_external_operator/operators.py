r"""Constitutive laws as external operators of UFL forms.

The operator N(o(u)) of an operand o(u) has the derivative

.. math:: \frac{\partial N}{\partial o} \cdot \frac{\partial o}{\partial u},

of which UFL knows the second factor and the law the first, its consistent tangent:
Latyshev, Bleyer, Maurini, Hale, Expressing general constitutive models in FEniCSx using external operators and
algorithmic automatic differentiation (2025), doi:10.46298/jtcam.14449.
"""

from collections.abc import Callable
from typing import Any

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx_external_operator import FEMExternalOperator
from ufl.algorithms.analysis import extract_coefficients

from genmech_external_operator.laws import PointLaw, as_point_law
from genmech_fem.errors import ContractError
from genmech_fem.problems.physics import mandel_basis
from genmech_fem.runtime import OnnxLaw


def external_operator(
    law: PointLaw | OnnxLaw,
    operand: Any,
    *,
    degree: int,
    shape: tuple[int, ...] | None = None,
    extrapolation: float = 0.0,
) -> FEMExternalOperator:
    """Make a law a UFL expression of an operand.

    Its value and its derivative come from one evaluation of the law at each new state, also in loops of one's own
    around `dolfinx_external_operator.evaluate_external_operators`.

    Args:
        law: The law, or an opened file.
        operand: UFL expression of the unknown with as many components as the law has strains, row by row: a gradient,
            the deformation gradient F, or a vector such as `mandel` makes.
        degree: Degree of the quadrature at whose points the law is evaluated; that of all integrals with it.
        shape: Shape of the stress; by default that of the operand where they have as many components, else a vector.
        extrapolation: How far solutions may leave the domain of the law [widths of its ranges].

    Raises:
        ContractError: The operand or the shape does not fit the law, or there is no function in the operand.
        ValueError: The degree is below 1, or the extrapolation negative.
    """
    law, operand = as_point_law(law), ufl.as_ufl(operand)
    functions = [c for c in extract_coefficients(operand) if isinstance(c, fem.Function)]
    if not functions:
        raise ContractError(f"{law.name}: expected an operand with a function of DOLFINx in it, got {operand}")
    if degree < 1 or not extrapolation >= 0:  # UFL takes what is constant in each cell for zero
        raise ValueError(
            f"external_operator: expected degree >= 1 and extrapolation >= 0, got {degree} and {extrapolation}"
        )
    domain = functions[0].function_space.mesh
    shape = _fitting(law, tuple(operand.ufl_shape), shape)
    element = basix.ufl.quadrature_element(domain.basix_cell(), value_shape=shape, degree=degree)
    evaluation = Evaluation(law, degree, extrapolation)
    space = fem.functionspace(domain, element)
    return FEMExternalOperator(operand, function_space=space, external_function=evaluation, name=law.stress.name)


def _fitting(law: PointLaw, given: tuple[int, ...], shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of the stress."""
    n, m = law.strain.size, law.stress.size
    if np.prod(given, dtype=int) != n:
        raise ContractError(
            f"{law.name}: expected an operand with the {n} components of '{law.strain.name}', got the shape {given}: "
            "a symmetric tensor has fewer components as mandel(tensor)"
        )
    if shape is None:
        shape = given if m == n else (m,) if m > 1 else ()
    if np.prod(shape, dtype=int) != m:
        raise ContractError(f"{law.name}: expected a shape for {m} components of '{law.stress.name}', got {shape}")
    return shape


class Evaluation:
    """What an operator of a law is made of: the last strains, with their stresses and tangents.

    Args:
        law: The law.
        degree: Degree of the quadrature.
        extrapolation: How far solutions may leave the domain of the law [widths of its ranges].
    """

    def __init__(self, law: PointLaw, degree: int, extrapolation: float) -> None:
        self.law, self.degree, self.extrapolation = law, degree, extrapolation
        self._strains = np.full((0, law.strain.size), np.nan)
        self._response = (np.empty(0), np.empty(0))

    def __call__(self, derivatives: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
        """The function of the operand's values whose derivatives are asked for."""
        if derivatives not in ((0,), (1,)):
            raise ContractError(f"{self.law.name}: expected first derivatives at most, got {derivatives}")
        return lambda operand: self.at(operand)[derivatives[0]].ravel()

    def at(self, operand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stresses and tangents of the operand's values, evaluated once for the same ones."""
        strains = np.ascontiguousarray(operand, dtype=float).reshape(-1, self.law.strain.size)
        if not np.array_equal(strains, self._strains):
            self._response = self.law(strains)
            self._strains = strains.copy()
        return self._response

    def fault(self) -> str:
        """Why the last strains are none that the law answers for; empty if it does."""
        distance = self.law.outside(self._strains)
        out = distance > self.extrapolation
        if not out.any():
            return ""
        worst, domain = self._strains[distance.argmax()], self.law.domain
        return (
            f"{self.law.name}: {out.sum()} of {len(out)} points lie outside of its training domain, the worst by "
            f"{distance.max():.2g} widths: {self.law.strain.name} = {np.array2string(worst, precision=3)}, expected "
            f"{domain.low if domain else ''} to {domain.high if domain else ''}: lower the load, train on a larger "
            "domain, or allow it by extrapolation"
        )


def mandel(tensor: Any) -> Any:
    """Mandel components of a symmetric UFL tensor, in 2D 11, 22 and sqrt(2) 12; products are those of the tensors."""
    units = mandel_basis(tensor.ufl_shape[0])
    return ufl.as_vector([ufl.inner(tensor, ufl.as_matrix(unit.tolist())) for unit in units])
