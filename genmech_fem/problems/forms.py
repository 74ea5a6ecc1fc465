"""UFL forms: compiled for speed, with fixed quadrature degrees, and matrices assembled from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, la
from ufl.algorithms import estimate_total_polynomial_degree, expand_derivatives
from ufl.algorithms.analysis import extract_coefficients, extract_constants
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.apply_integral_scaling import compute_integrand_scaling_factor

from genmech_fem.problems.problem import digest

# -O3 halves the time of assembly against the -O2 of DOLFINx; processes that wait for each other's compiler need time.
JIT_OPTIONS = {"cffi_extra_compile_args": ["-O3", "-g0"], "timeout": 120}


def compiled(form: Any) -> Any:
    """Compile one form or a nested list of forms."""
    return fem.form(form, jit_options=JIT_OPTIONS)


def symbols(expression: Any) -> tuple[Any, ...]:
    """Functions and constants in a UFL expression."""
    return (*extract_coefficients(expression), *extract_constants(expression))


def new_matrix(form: fem.Form) -> la.MatrixCSR:
    """Matrix with the pattern of a compiled bilinear form, one row a dof."""
    return fem.create_matrix(form, block_mode=la.BlockMode.expanded)


def assemble(matrix: la.MatrixCSR, form: fem.Form, bcs: Sequence[fem.DirichletBC]) -> None:
    """Write the values of a bilinear form; rows and columns of Dirichlet dofs are those of the identity."""
    matrix.set_value(0.0)
    fem.assemble_matrix(matrix, form, bcs)
    matrix.scatter_reverse()


def assembled_vector(form: fem.Form) -> la.Vector:
    """A linear form; the entries of dofs that other processes own are not summed up."""
    vector = fem.assemble_vector(form)
    vector.scatter_reverse(la.InsertMode.add)
    return vector


def with_degrees(form: ufl.Form) -> ufl.Form:
    """Fix the quadrature degree of every integral, so that all derivatives are exact ones of the discrete form."""
    integrals = []
    for integral in expand_derivatives(apply_algebra_lowering(form)).integrals():
        degree = integral.metadata().get("quadrature_degree", -1)
        if degree < 0:
            _, degree_of_scaling = compute_integrand_scaling_factor(integral)
            degree = estimate_total_polynomial_degree(integral.integrand()) + degree_of_scaling
        integrals.append(integral.reconstruct(metadata={**integral.metadata(), "quadrature_degree": degree}))
    return ufl.Form(integrals)


def describe_form(form: ufl.Form) -> dict[str, Any]:
    """A form as JSON data that is equal in every process: its signature, and what each integral is over."""
    return {"signature": form.signature()[:16], "over": [_part(integral) for integral in form.integrals()]}


def _part(integral: Any) -> str:
    """Kind, number and sha256 of a part of the mesh; the signature of a form holds the number alone."""
    number, data = integral.subdomain_id(), integral.subdomain_data()
    name = f"{integral.integral_type()} {number}"
    if data is None or isinstance(number, str):
        return name
    numbers = number if isinstance(number, tuple) else (number,)
    if hasattr(data, "find"):
        return f"{name}: {digest(*map(data.find, numbers))}"
    return f"{name}: {digest(*(np.asarray(entities) for n, entities in data if n in numbers))}"
