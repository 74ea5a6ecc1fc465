"""Newton's method with backtracking."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from genmech_fem.errors import ConvergenceError


def global_norm(comm: MPI.Comm, owned: np.ndarray) -> float:
    """Euclidean norm of a vector of which each process passes its own part."""
    return float(np.sqrt(comm.allreduce(float(np.square(owned).sum()))))


@dataclass(frozen=True)
class Residual:
    """Residual of one state.

    Attributes:
        vector: Right-hand side of the linear solve for the step, shape (local dofs,).
        norm: Norm over the free dofs of all processes; infinite for a state that is not allowed.
        admissible: The state has the prescribed Dirichlet values.
        fault: Why the state is not allowed, if it is not.
    """

    vector: np.ndarray
    norm: float
    admissible: bool
    fault: str = ""


@dataclass(frozen=True)
class Newton:
    """Newton's method; a step is halved until the norm of the residual falls.

    Args:
        tolerance: Residual relative to a reference, at which to stop.
        iterations: Most linear solves.
        halvings: How often one step may be halved, and the step of the load.
        loads: Names of controls that are zero where nothing deforms. Where Newton's method fails
            they are raised in steps, from those of the last solution or from zero.
    """

    tolerance: float = 1e-10
    iterations: int = 30
    halvings: int = 10
    loads: tuple[str, ...] = ()

    def solve(
        self,
        residual: Callable[[np.ndarray], Residual],
        correction: Callable[[np.ndarray], np.ndarray],
        start: np.ndarray,
        reference: float,
        comm: MPI.Comm,
    ) -> None:
        """Find the root; the last state that `residual` is asked for is the solution.

        Args:
            residual: Residual of the state's local dofs.
            correction: Solution of the system linearised at the last state asked for.
            start: First state (local dofs,).
            reference: Norm of the residual that the tolerance refers to; where it is 0 or
                not finite, that of `start` is used.
            comm: Processes that share the dofs.

        Raises:
            ConvergenceError: No root was found.
        """
        state, here = start, residual(start)
        reference = reference if 0.0 < reference < np.inf else here.norm
        target = self.tolerance * reference
        if not np.isfinite(here.norm):
            raise ConvergenceError(
                f"Newton's method: {here.fault or 'the residual of the start is not finite'}: start from another state"
            )
        done = here.admissible and here.norm <= target
        for _ in range(self.iterations):
            if done:
                return
            step = correction(here.vector)
            at_rounding = global_norm(comm, step) <= 1e-11 * global_norm(comm, state)
            state, here = self._line_search(residual, state, step, np.inf if at_rounding else here.norm)
            done = here.admissible and (here.norm <= target or at_rounding)
        if not done:
            raise ConvergenceError(
                f"Newton's method: relative residual {here.norm / reference:.1e} after {self.iterations} iterations, "
                f"expected {self.tolerance:.0e}: apply the load in smaller steps or start from a nearer state"
            )

    def _line_search(
        self, residual: Callable[[np.ndarray], Residual], state: np.ndarray, step: np.ndarray, norm: float
    ) -> tuple[np.ndarray, Residual]:
        for halving in range(self.halvings + 1):
            length = 0.5**halving
            trial = state - length * step
            here = residual(trial)
            if here.norm <= (1 - 1e-4 * length) * norm and np.isfinite(here.norm):
                return trial, here
        found = f"the residual stays above {norm:.1e}" if np.isfinite(here.norm) else "the residual is not finite"
        raise ConvergenceError(
            f"Newton's method: {here.fault or found} along the step, down to a length of {length:.0e}: "
            "apply the load in smaller steps or start from a nearer state"
        )
