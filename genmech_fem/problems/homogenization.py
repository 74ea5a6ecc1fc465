"""Effective stiffness or conductivity of a periodic cell.

For each unit gradient E_k the periodic corrector w_k satisfies
int sigma(E_k + e(w_k)) : e(v) dx = 0 for all periodic v, and
C*_kl = 1/|Y| int sigma(E_k + e(w_k)) : (E_l + e(w_l)) dx.
Suquet, Elements of homogenization (1987), doi:10.1007/3-540-17616-0_15. In elasticity e is the
symmetric gradient and E_k the Mandel basis; in conduction e is the gradient.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from dolfinx import fem, mesh

from genmech_fem.metrics import symmetric_matrix, upper_triangle
from genmech_fem.problems.cell_forms import CellForms
from genmech_fem.problems.cell_solver import CellSolver, Method
from genmech_fem.problems.cell_symbols import CellKind
from genmech_fem.problems.checks import check_finite, check_mesh, check_real
from genmech_fem.problems.contracts import check_cotangents, check_names, check_solved, checked_state
from genmech_fem.problems.elasticity import Hypothesis, check_hypothesis
from genmech_fem.problems.forms import describe_form
from genmech_fem.problems.physics import (
    ANISOTROPIC_CONDUCTION,
    CONDUCTION,
    ELASTICITY,
    PLANE_STRESS,
    Physics,
    mandel_basis,
    symmetric_units,
)
from genmech_fem.problems.problem import Problem, Snapshot
from genmech_fem.problems.solver_options import SolverOptions, positive_definite


class PeriodicHomogenization(Problem):
    """A periodic cell under all unit gradients.

    The state holds the correctors, value shape (loads, dimension), or (loads,) of a scalar,
    zero at the first node; the observable named ``physics.effective`` is the upper triangle
    of the effective tensor (stiffness in Mandel notation), in the unit of the modulus.

    Voxel cells in 3D are solved by conjugate gradients with a Fourier preconditioner, others
    by `LinearSolver`.

    Args:
        domain: Mesh of a box with matching opposite sides, on one process.
        physics: `ELASTICITY`, `PLANE_STRESS`, `CONDUCTION` or `ANISOTROPIC_CONDUCTION`.
        degree: Polynomial degree.
        method: ``assembled``, or `Fourier` on voxels or pixels, in place of the choice.
        solver: PETSc options of the assembled method.

    Attributes:
        controls: The moduli, one value per cell (of a symmetric tensor its lower triangle row by row).
        state: The correctors [length].

    Raises:
        MeshingError: Opposite sides do not match, or cells are bad.
        ValueError: Several processes, or the Fourier method on another mesh than one of voxels.
    """

    def __init__(
        self,
        domain: mesh.Mesh,
        physics: Physics,
        *,
        degree: int = 1,
        method: Method = "auto",
        solver: SolverOptions | None = None,
    ) -> None:
        check_real()
        check_mesh(domain)
        self.physics, self.dimension = physics, domain.geometry.dim
        self.loads = len(physics.basis(self.dimension))
        self._domain = domain
        self._forms = CellForms(CellKind(physics, domain.basix_cell().name, self.dimension, degree), domain)
        self.controls, self.state = self._forms.moduli, self._forms.correctors
        unit = np.eye(self.dimension)[np.tril_indices(self.dimension)] if physics.tensor else np.ones(1)
        for modulus in physics.moduli:
            self._forms.moduli[modulus.name].x.array.reshape(-1, len(unit))[:] = modulus.first * unit
        self._solver = CellSolver(self._forms, method, positive_definite(solver))
        self._solved: Snapshot | None = None

    @property
    def volume(self) -> float:
        """Volume |Y| of the cell [length^dimension]."""
        return float(np.prod(self._forms.size))

    def _settings(self, free: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        method = self._solver.method
        return {
            "physics": self.physics.effective,
            "law": describe_form(self._forms.symbols.forms["stiffness"]),
            "method": method if isinstance(method, str) else asdict(method),
            "solver": asdict(self._solver.options),
        }

    def solve(self) -> fem.Function:
        """Compute all correctors with one factorisation.

        Raises:
            ValueError: A modulus is not positive (definite), or a Poisson ratio is outside (-1, 0.5).
            ConvergenceError: The linear solve failed.
        """
        check_finite(self.controls, self._domain.comm)
        self._check_moduli()
        self.state.x.array[:] = self._solver.solve(self._solver.unit_loads())
        self._mark_solved()
        return self.state

    def restore(self, state: np.ndarray) -> None:
        """Take correctors (dofs,) for the solution of the present moduli."""
        self.state.x.array[:] = checked_state(state, self.state.x.array.size)
        self._mark_solved()

    def observe(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The correctors' dofs ``state`` and the effective tensor, shape (loads (loads + 1) / 2,).

        Raises:
            ContractError: A name is unknown.
        """
        known = ("state", self.physics.effective)
        names = known if names is None else list(names)
        check_names("observe", names, known)
        return {name: self.state.x.array.copy() if name == "state" else self._effective() for name in names}

    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` with respect to the moduli.

        The effective tensor is stationary in the correctors, so it needs no adjoint solve.
        """
        check_solved(self._solved)
        size = self.loads * (self.loads + 1) // 2
        check_cotangents(cotangents, {"state": self.state.x.array.shape, self.physics.effective: (size,)})
        weights = symmetric_matrix(np.asarray(cotangents.get(self.physics.effective, np.zeros(size)), dtype=float) / 2)
        weights[np.diag_indices(self.loads)] *= 2
        self._forms.weights.x.array.reshape(-1, *weights.shape)[:] = weights / self.volume
        adjoint = self._solver.solve(cotangents["state"]) if "state" in cotangents else 0.0
        self._forms.adjoint.x.array[:] = adjoint
        return {name: self._forms.vector(name) for name in self.controls}

    def sensitivities(self) -> dict[str, np.ndarray]:
        """Derivatives of the effective tensor by each modulus, shape (loads (loads + 1) / 2, control dofs).

        Raises:
            ConvergenceError: There is no solution of the present moduli.
        """
        check_solved(self._solved, "sensitivities")
        upper = np.triu_indices(self.loads)
        shape = -1, self.loads, self.loads, self._forms.spaces["moduli"].dofmap.bs
        derivatives = {name: self._forms.vector(f"by cell, {name}").reshape(shape) for name in self.controls}
        return {
            name: d[:, *upper].transpose(1, 0, 2).reshape(len(upper[0]), -1) / self.volume
            for name, d in derivatives.items()
        }

    def fields(self) -> dict[str, np.ndarray]:
        """Local fields of every load case, means in each cell, as ``strain`` and ``stress`` of elasticity.

        Returns:
            By name of ``physics.fields`` arrays (loads, components, cells); tensors in Mandel components.
        """
        volumes = self._forms.vector("volumes").reshape(-1, self.loads, self.loads)
        means = {
            name: self._forms.vector(form).reshape(volumes.shape) / volumes
            for name, form in zip(self.physics.fields, ("gradient", "flux"), strict=True)
        }
        return {name: np.moveaxis(mean, 0, -1) for name, mean in means.items()}

    def residual_norm(self, state: np.ndarray) -> float:
        """Norm of the residual of proposed correctors over that of the loads."""
        return self._solver.residual_norm(state)

    def strains(self, gradients: np.ndarray) -> np.ndarray:
        """Local strain of every unit load from sampled corrector gradients.

        Args:
            gradients: d w_k,i / d x_j, shape (loads, dimension, dimension, points) [1].

        Returns:
            E_k + e(w_k) in Mandel components, shape (loads, loads, points).
        """
        basis = mandel_basis(self.dimension)
        return np.eye(self.loads)[:, :, None] + np.einsum("mij,kijp->kmp", basis, gradients)

    def _effective(self) -> np.ndarray:
        energies = self._forms.vector("energies").reshape(-1, self.loads, self.loads)
        return upper_triangle(energies.sum(axis=0) / self.volume)

    def _mark_solved(self) -> None:
        self._solved = Snapshot(self._domain, (self.state, *self.controls.values()))

    def _check_moduli(self) -> None:
        for modulus in self.physics.moduli:
            values = self.controls[modulus.name].x.array
            if self.physics.tensor:
                units = symmetric_units(self.dimension)
                values = np.linalg.eigvalsh(np.tensordot(values.reshape(-1, len(units)), units, 1))[:, 0]
            if not ((values > modulus.lower) & (values < modulus.upper)).all():
                raise ValueError(
                    f"{modulus.name}: expected {'eigenvalues' if self.physics.tensor else 'values'} in "
                    f"({modulus.lower:g}, {modulus.upper:g}), got {values.min():g} to {values.max():g}"
                )


def periodic_elasticity(
    domain: mesh.Mesh,
    *,
    hypothesis: Hypothesis = "plane strain",
    degree: int = 1,
    method: Method = "auto",
    solver: SolverOptions | None = None,
) -> PeriodicHomogenization:
    """Homogenise linear elasticity: `PeriodicHomogenization` with the observable ``stiffness``.

    Controls: ``youngs_modulus`` [stress] and ``poisson_ratio`` [1], at first 1 and 0.3.

    Args:
        domain: Mesh of a box with matching opposite sides.
        hypothesis: Of a 2D mesh, ``plane strain`` or ``plane stress``.
        degree: Polynomial degree.
        method: See `PeriodicHomogenization`.
        solver: PETSc options.

    Raises:
        ValueError: The hypothesis is not one of the mesh.
    """
    check_hypothesis(hypothesis, domain.geometry.dim)
    physics = PLANE_STRESS if hypothesis == "plane stress" else ELASTICITY
    return PeriodicHomogenization(domain, physics, degree=degree, method=method, solver=solver)


def periodic_conduction(
    domain: mesh.Mesh,
    *,
    anisotropic: bool = False,
    degree: int = 1,
    method: Method = "auto",
    solver: SolverOptions | None = None,
) -> PeriodicHomogenization:
    """Homogenise heat conduction or Darcy flow: `PeriodicHomogenization` with the observable ``conductivity``.

    The control ``conductivity`` [W/(m K)] is at first 1, or with `anisotropic` the unit tensor.
    """
    physics = ANISOTROPIC_CONDUCTION if anisotropic else CONDUCTION
    return PeriodicHomogenization(domain, physics, degree=degree, method=method, solver=solver)
