"""Quadrature degrees of integrals with external operators."""

from typing import Any

import ufl
from dolfinx_external_operator import FEMExternalOperator
from ufl.algorithms.analysis import extract_type

from genmech_external_operator.operators import Evaluation


def in_operator_degrees(form: ufl.Form) -> ufl.Form:
    """Give integrals of operators the degree of the quadrature that these are evaluated at.

    Raises:
        ValueError: An integral is over facets, has another degree, or holds operators of different ones.
    """
    return ufl.Form([_in_operator_degree(integral) for integral in form.integrals()])


def _in_operator_degree(integral: Any) -> Any:
    operators = extract_type(integral.integrand(), FEMExternalOperator)
    degrees = {o.external_function.degree for o in operators if isinstance(o.external_function, Evaluation)}
    if not degrees:
        return integral
    given, rule = (integral.metadata().get(f"quadrature_{key}") for key in ("degree", "rule"))
    if len(degrees | ({given} - {None})) > 1 or integral.integral_type() != "cell" or rule not in (None, "default"):
        raise ValueError(
            f"residual: expected integrals of an external operator over cells in its degree {sorted(degrees)}, got "
            f"{integral.integral_type()} integrals in the degree {given} by the rule {rule or 'default'!r}"
        )
    return integral.reconstruct(metadata={**integral.metadata(), "quadrature_degree": degrees.pop()})
