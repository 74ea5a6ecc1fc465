"""Problems with external operators, solved by Newton's method with their consistent tangents."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem
from dolfinx_external_operator import (
    evaluate_external_operators,
    evaluate_operands,
    replace_external_operators,
)
from ufl.algorithms import expand_derivatives

from genmech_external_operator.degrees import in_operator_degrees
from genmech_external_operator.operators import Evaluation
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.problems import SolverOptions
from genmech_fem.problems.checks import check_mesh, check_real
from genmech_fem.problems.dirichlet import DirichletValues
from genmech_fem.problems.linearization import Linearization
from genmech_fem.problems.loading import raise_loads
from genmech_fem.problems.newton import Residual
from genmech_fem.problems.problem import Control

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One run of Newton's method.

    Attributes:
        norms: Norm of the residual before each linear solve and, where it converged, after the last.
        failure: Why it failed; empty where it converged.
    """

    norms: tuple[float, ...]
    failure: str = ""

    @property
    def iterations(self) -> int:
        """Linear solves."""
        return len(self.norms) - (not self.failure)


class OperatorProblem:
    """Find u with F(N(u), u; v) = 0 for all v, where N are external operators.

    Newton's method starts from the present state; a step that raises the residual, or asks a law for what it has no
    answer for, is halved. Where it fails, `loads` are raised in steps from zero.

    Args:
        residual: F, a UFL form with one test function; integrals with operators get their quadrature degree.
        state: The unknown u.
        bcs: Dirichlet conditions.
        loads: Functions and constants by name that are zero where nothing deforms.
        options: Symmetry, PETSc options, settings of Newton's method.

    Attributes:
        history: The runs of Newton's method in the last `solve`; if it succeeded, the last one converged.

    Raises:
        ValueError: The form has the wrong rank, or integrates an operator on facets or in another degree.
        MeshingError: The mesh has no cells, or bad ones.
    """

    def __init__(
        self,
        residual: ufl.Form,
        state: fem.Function,
        *,
        bcs: Sequence[fem.DirichletBC] = (),
        loads: Mapping[str, Control] | None = None,
        options: SolverOptions | None = None,
    ) -> None:
        check_real()
        if len(residual.arguments()) != 1:
            raise ValueError(f"residual: expected one test function, got {len(residual.arguments())} arguments")
        check_mesh(state.function_space.mesh)
        self.state, self._loads, self._options = state, dict(loads or {}), options or SolverOptions()
        self._comm = state.function_space.mesh.comm
        # UFL's derivative passes over operators beside derivatives that are not expanded
        residual = in_operator_degrees(expand_derivatives(residual))
        plain, self._operators = replace_external_operators(residual)
        jacobian, tangents = replace_external_operators(ufl.derivative(residual, state))
        if len(jacobian.arguments()) != 2:
            raise ValueError("residual: expected a form that depends on the state, by the very object that is passed")
        self._tangents = [operator for operator in tangents if any(operator.derivatives)]
        values = DirichletValues(bcs, state, self._loads)
        self._system = Linearization(plain, jacobian, values, self._options, fault=self._evaluate)
        self.history: tuple[Attempt, ...] = ()

    def solve(self) -> tuple[Attempt, ...]:
        """Compute the state and return the `history`; after a failure the state is what it was before.

        Raises:
            ConvergenceError: No solution was found, or the linear solve failed.
            ContractError: The solution lies outside of the training domain of a law.
        """
        self.history, before = (), self.state.x.array.copy()
        try:
            try:
                self._newton(before)
            except ConvergenceError:
                if not self._loads:
                    raise
                halvings = self._options.newton.halvings
                raise_loads(self._newton, self._loads, None, np.zeros_like(before), halvings)
            self._check_domains()
        except BaseException:
            self.state.x.array[:] = before
            self._system.forget()
            raise
        return self.history

    def _newton(self, start: np.ndarray) -> np.ndarray:
        """One run from a state (dofs,); returns the solution, which is then the state."""
        norms: list[float] = []
        failure, zero, own = "", np.zeros(self._system.owned), start[: self._system.owned]
        here = self._system.residual_at(zero)
        reference = here.norm

        def residual(owned: np.ndarray) -> Residual:
            nonlocal here
            here = self._system.residual_at(owned)
            return here

        def correction(vector: np.ndarray) -> np.ndarray:
            norms.append(here.norm)
            logger.info("iteration %d: residual %.3e", len(norms) - 1, here.norm)
            return self._system.solve(vector)

        try:
            self._options.newton.solve(residual, correction, own, reference, self._comm)
            norms.append(here.norm)
        except ConvergenceError as error:
            failure = str(error)
            raise
        finally:
            self.history += (Attempt(tuple(norms), failure),)
            logger.info("%s at the residual %.3e", failure or "converged", here.norm)
        return self.state.x.array.copy()

    def _evaluate(self) -> str:
        """Evaluate all laws at the present state; why it failed on some process, empty where it did not."""
        operands, fault = evaluate_operands(self._operators), ""
        try:  # each process by itself, before all exchange what they found
            for operator in self._operators:
                if isinstance(operator.external_function, Evaluation):
                    points, (operand,) = operator.eval_points.tobytes(), operator.ufl_operands
                    operator.external_function.at(operands[points, operand])
        except (ConvergenceError, ContractError) as error:
            fault = str(error)
        fault = _first(self._comm.allgather(fault))
        if not fault:
            evaluate_external_operators([*self._operators, *self._tangents], operands)
        return fault

    def _check_domains(self) -> None:
        functions = [operator.external_function for operator in self._operators]
        faults = [function.fault() for function in functions if isinstance(function, Evaluation)]
        fault = _first(self._comm.allgather(_first(faults)))
        if fault:
            raise ContractError(fault)


def _first(texts: Sequence[str]) -> str:
    return next(filter(None, texts), "")
