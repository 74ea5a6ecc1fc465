"""UFL expressions, as strain or stress, at the points of a grid."""

from typing import Any

import basix
import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI
from ufl.algorithms import estimate_total_polynomial_degree, extract_coefficients
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.apply_derivatives import apply_derivatives

from genmech_fem.adapters.location import Where, inside_mesh, locate_in_cells
from genmech_fem.adapters.sampling import Sampling, local_dofs, sampling_matrix
from genmech_fem.errors import ContractError
from genmech_fem.problems.forms import JIT_OPTIONS

_MOST = 8
"""Highest degree to which expressions are interpolated in a cell."""


class ExpressionSampling:
    """A UFL expression, as strain or stress, at points.

    In each cell the expression is interpolated by a polynomial; that is exact where it is one, as
    stress by linear elasticity on affine cells.

    Args:
        expression: Expression of functions on one mesh.
        place: Grid, or points (points, dimension) [length].
        degree: Degree of the polynomials; None takes UFL's estimate, at most 8.

    Raises:
        ContractError: The expression holds no function, so that it has no mesh, or its degree is no whole number.
        ValueError: As of `locate`.
    """

    def __init__(self, expression: Any, place: Where, degree: int | None = None) -> None:
        self.expression = apply_algebra_lowering(ufl.as_ufl(expression))
        functions = [c for c in extract_coefficients(self.expression) if isinstance(c, fem.Function)]
        if not functions:
            raise ContractError(f"expected an expression of at least one function, got {expression}")
        self.domain = functions[0].function_space.mesh
        if degree is None:
            degree = min(int(np.max(estimate_total_polynomial_degree(self.expression))), _MOST)
        if degree != int(degree) or degree < 0:
            raise ContractError(f"degree: expected a whole number of at least 0, got {degree}")
        self.value_shape = tuple(int(n) for n in self.expression.ufl_shape)
        self.place = place
        self._cells, reference = locate_in_cells(self.domain, place)
        self._found = np.flatnonzero(self._cells >= 0)
        kind = basix.CellType[self.domain.topology.cell_name()]
        element = basix.create_element(
            basix.ElementFamily.P, kind, int(degree), basix.LagrangeVariant.gll_warped, discontinuous=True
        )
        self._nodes = element.points
        self._table = element.tabulate(0, reference[self._found])[0, :, :, 0]
        self._unique, self._rows = np.unique(self._cells[self._found], return_inverse=True)

    def __call__(self, outside: float = np.nan) -> np.ndarray:
        """Values (*value_shape, *grid) with the functions as they are now; to be called on all processes."""
        table = self._evaluate(self.expression)  # (cells, nodes, *value_shape)
        values = np.einsum("pn,pn...->...p", self._table, table[self._rows])
        whole = np.zeros((*self.value_shape, len(self._cells)))
        whole[..., self._found] = values
        comm = self.domain.comm
        if comm.size > 1:
            whole = comm.allreduce(whole)
        inside = inside_mesh(self.domain, self._cells, self.place)
        array = whole.reshape(*self.value_shape, *inside.shape)
        array[..., ~inside] = outside
        return array

    def derivative(self, function: fem.Function) -> Sampling:
        """Derivative of the values with respect to the dofs of a function, at its present values.

        Of an expression linear in the function it is the expression's own operator.

        Raises:
            ContractError: The expression does not depend on the function.
        """
        space = function.function_space
        if function not in extract_coefficients(self.expression):
            raise ContractError(f"expected a function of the expression, got {function.name}")
        direction = ufl.derivative(self.expression, function, ufl.TrialFunction(space))
        table = self._evaluate(apply_derivatives(direction))
        table = table.reshape(*table.shape[:2], -1, table.shape[-1])  # (cells, nodes, components, dofs)
        data = np.einsum("pn,pnkb->kpb", self._table, table[self._rows])
        block = space.dofmap.index_map_bs
        nodes = space.dofmap.list[self._cells[self._found]]
        columns = (nodes[:, :, None] * block + np.arange(block)).reshape(len(nodes), -1)
        matrix = sampling_matrix(
            self._found, len(self._cells), columns[None].repeat(len(data), axis=0), data, local_dofs(space)
        )
        return Sampling(matrix, inside_mesh(self.domain, self._cells, self.place), self.value_shape, self.domain.comm)

    def _evaluate(self, expression: Any) -> np.ndarray:
        compiled = fem.Expression(expression, self._nodes, comm=MPI.COMM_SELF, jit_options=JIT_OPTIONS)
        return compiled.eval(self.domain, self._unique.astype(np.int32))
