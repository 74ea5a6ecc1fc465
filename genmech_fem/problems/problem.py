"""What every finite-element problem offers to datasets, adapters and design loops."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from dolfinx import fem


class Problem(ABC):
    """A map from controls m to the state u and observables J(u, m), with its discrete adjoint.

    Attributes:
        controls: What may vary, by name; write new values into them, then call `solve`.
        state: The solution u after `solve`.
    """

    controls: Mapping[str, fem.Function | fem.Constant]
    state: fem.Function

    @abstractmethod
    def solve(self) -> fem.Function:
        """Compute and return the state for the present values of the controls.

        Raises:
            ValueError: A control holds values that no solution exists for.
            ConvergenceError: No solution was found; the problem can be used again.
        """

    @abstractmethod
    def observe(self) -> dict[str, np.ndarray]:
        """Copy of the dofs ``state`` (dofs,) and every observable, shape (k,), after `solve`."""

    @abstractmethod
    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` with respect to the controls' dofs.

        Args:
            cotangents: Arrays under keys of `observe`; those left out count as zero.

        Returns:
            One array for each control, shape (control dofs,).

        Raises:
            ConvergenceError: There is no solution of the present controls.
        """

    @abstractmethod
    def residual_norm(self, state: np.ndarray) -> float:
        """Relative residual of a proposed state (dofs,), without a solve; 0 is exact, zero dofs give about 1."""
