r"""Guaranteed bounds of the error of proposed states, and their polish.

Let K be the stiffness of the present controls, K0 a reference stiffness, factorised once, and r the residual of a
state with the right Dirichlet values. Then :math:`z = K_0^{-1} r` gives a flux :math:`q = C_0 \nabla z` that is in
equilibrium with r, and so, as Prager and Synge (1947), doi:10.1090/qam/25902, have found,

.. math:: \|e\|_K \le \Big( \int q \cdot C^{-1} q \, dx \Big)^{1/2},

where e is the difference from the finite-element solution on the same mesh. Conjugate gradients preconditioned with K0
improve the state; the energy that they gain is a lower bound of the square of the first error.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.problems.forms import compiled, symbols
from genmech_fem.problems.judges import Certified
from genmech_fem.problems.linear import LinearSolver
from genmech_fem.problems.problem import Control, Snapshot, values_of
from genmech_fem.problems.solver_options import factored_once
from genmech_fem.problems.variational import VariationalProblem


class Certificate:
    """Bounds in the energy norm, with the stiffness of the problem's present controls as reference.

    Args:
        problem: A linear problem with a `Law`, such as those of `elasticity` and `diffusion`.

    Raises:
        ContractError: The problem is not linear, or its stiffness is not that of its law.
        ConvergenceError: The reference cannot be factorised.
    """

    def __init__(self, problem: VariationalProblem) -> None:
        law, state = problem.law, problem.state
        if law is None or not problem.linear:
            raise ContractError(
                "Certificate: expected a linear problem with a Law, as elasticity() and diffusion() make, got "
                f"{'one without a Law' if problem.linear else 'a nonlinear one, for which there is ResidualCheck'}"
            )
        problem.check_controls()
        self.problem, self._space, self._comm = problem, state.function_space, state.function_space.mesh.comm
        self._correction = fem.Function(self._space)
        used = set(symbols(law.flux))
        frozen = {c: _copied(c, self._space.mesh) for c in problem.controls.values() if c in used}
        flux = ufl.replace(law.flux, {state: self._correction, **frozen})
        self._square = compiled(ufl.inner(law.inverse(flux), flux) * law.dx)
        options = replace(problem.options, petsc_options=factored_once(self._space.mesh.topology.dim, self._comm))
        self._solver = LinearSolver(problem.stiffness(), self._space, options)
        self._mesh = Snapshot(self._space.mesh, ())
        self._check_law()

    def certify(self, state: np.ndarray, tolerance: float = 0.0, steps: int = 0) -> Certified:
        """Bound the error of a proposed state, and polish it while the relative bound is above the tolerance.

        Args:
            state: The proposed state (dofs,); its Dirichlet values are corrected first.
            tolerance: Relative error in the energy norm that needs no polish.
            steps: Most steps.

        Raises:
            ContractError: The state has the wrong shape, or the mesh has moved.
            ValueError: A control is not finite, or an expression of controls is not positive.
        """
        self.problem.check_controls()
        start = self.problem.admissible(state)
        found = Certified(start, 0.0, float("inf"), (0.0, float("inf")), 0)
        for k, (u, energy, rest, gained) in enumerate(self._iterates(start)):
            bounds = float(np.sqrt(gained)), float(np.sqrt(gained + rest**2))
            found = Certified(self._whole(u).copy(), float(np.sqrt(max(energy, 0.0))), rest, bounds, k)
            if k >= steps or not found.relative > tolerance:
                break
        return found

    def solve(self, rhs: np.ndarray, tolerance: float, steps: int = 100) -> np.ndarray:
        """Solve for a right-hand side (owned dofs,), 0 in Dirichlet rows, up to a relative error in the energy norm.

        Raises:
            ConvergenceError: The tolerance was not reached.
        """
        bound = float("inf")
        for _, (u, energy, bound, _) in zip(range(steps + 1), self._iterates(None, rhs), strict=False):
            if bound <= tolerance * max(np.sqrt(max(energy, 0.0)) - bound, 0.0):
                return u
        raise ConvergenceError(
            f"conjugate gradients with the reference stiffness: error bound {bound:.1e} after {steps} steps, "
            f"expected {tolerance:.0e} of the solution: take a reference that is nearer to the controls"
        )

    def _iterates(
        self, start: np.ndarray | None, rhs: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, float, float, float]]:
        """Conjugate gradients for the loads from `start`, or for a right-hand side and zero Dirichlet values.

        Yields:
            The state (owned dofs,), its energy, the bound of its error, and the energy gained so far.
        """
        if not self._mesh.holds():
            raise ContractError("Certificate: the mesh has moved since the reference was factorised: make a new one")
        held, loads = self.problem.held, self.problem.loads()
        u = np.zeros(len(held)) if start is None else start[: len(held)].copy()
        if rhs is None:
            forces = self.problem.forces(u)
            Ku, r = forces + loads, np.where(held, 0.0, -forces)
        else:
            Ku, r = np.zeros(len(held)), rhs.copy()
        if not np.isfinite(self._dot(r, r)):
            return
        z = self._solver.solve(r)
        p, rz, gained = z, self._dot(r, z), 0.0
        while True:
            yield u.copy(), self._dot(u, Ku), self._rest(z), gained
            Kp = self.problem.forces(p) + loads
            curvature = self._dot(p, Kp)
            if not (rz > 0.0 and curvature > 0.0):  # the residual is zero up to rounding
                return
            step = rz / curvature
            u, Ku, r = u + step * p, Ku + step * Kp, r - step * np.where(held, 0.0, Kp)
            gained += step * rz
            z = self._solver.solve(r)
            rz, before = self._dot(r, z), rz
            p = z + rz / before * p

    def _rest(self, z: np.ndarray) -> float:
        """Upper bound of the energy norm of the error whose correction by the reference is z."""
        self._whole(z)
        return float(np.sqrt(max(self._comm.allreduce(fem.assemble_scalar(self._square)), 0.0)))

    def _dot(self, a: np.ndarray, b: np.ndarray) -> float:
        return float(self._comm.allreduce(float(a @ b)))

    def _whole(self, owned: np.ndarray) -> np.ndarray:
        """The dofs of a state with those of the neighbouring processes, in the function that is integrated over."""
        self._correction.x.array[: len(owned)] = owned
        self._correction.x.scatter_forward()
        return self._correction.x.array

    def _check_law(self) -> None:
        """Find a law that is not the whole stiffness, by the energy of a random correction."""
        held = self.problem.held
        p = np.where(held, 0.0, np.random.default_rng(0).standard_normal(len(held)))
        energy, square = self._dot(p, self.problem.forces(p) + self.problem.loads()), self._rest(p) ** 2
        if not abs(energy - square) <= 1e-8 * abs(energy):
            raise ContractError(
                f"Certificate: expected the flux of the Law to make the whole stiffness, with its inverse and the "
                f"quadrature of the residual: a random state has the energy {energy:.6g}, by the law {square:.6g}"
            )


def _copied(control: Control, domain: mesh.Mesh) -> Control:
    """The present values; as a constant, which is faster to assemble, if they are one number everywhere."""
    if isinstance(control, fem.Constant):
        return fem.Constant(domain, values_of(control).copy())
    values = control.x.array
    least = domain.comm.allreduce(float(values.min(initial=np.inf)), MPI.MIN)
    if control.ufl_shape == () and domain.comm.allreduce(bool((values == least).all()), MPI.LAND):
        return fem.Constant(domain, least)
    copy = fem.Function(control.function_space)
    copy.x.array[:] = values
    return copy
