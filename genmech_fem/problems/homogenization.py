"""Effective stiffness or conductivity of a periodic cell.

For each unit gradient E_k the periodic corrector w_k satisfies
int sigma(E_k + e(w_k)) : e(v) dx = 0 for all periodic v, and
C*_kl = 1/|Y| int sigma(E_k + e(w_k)) : (E_l + e(w_l)) dx.
Suquet, Elements of homogenization (1987), doi:10.1007/3-540-17616-0_15. In elasticity e is the
symmetric gradient and E_k the Mandel basis; in conduction e is the gradient.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, Literal, cast

import numpy as np
from dolfinx import fem, la, mesh
from mpi4py import MPI

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.metrics import symmetric_matrix, upper_triangle
from genmech_fem.problems.cell_forms import cell_symbols, compiled_cell_form
from genmech_fem.problems.checks import check_finite, check_mesh, check_real
from genmech_fem.problems.elasticity import Hypothesis, check_hypothesis
from genmech_fem.problems.forms import assemble, describe_form, new_matrix
from genmech_fem.problems.fourier import Fourier, FourierSolver, Voxels, voxels
from genmech_fem.problems.linear import LinearSolver, SolverOptions
from genmech_fem.problems.periodic import periodic_space
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

type Method = Literal["auto", "assembled"] | Fourier

VOXELS = 512
"""Cells from which the Fourier solver is taken for 3D voxels."""


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
        self._components = self.dimension if physics.vector else 1
        self._key = (physics, domain.basix_cell().name, self.dimension, degree)
        symbols = cell_symbols(*self._key)
        shape = (self.dimension,) if physics.vector else ()
        space = periodic_space(domain, shape, degree)
        self.state = fem.Function(periodic_space(domain, (self.loads, *shape), degree), name="corrector")
        moduli = fem.functionspace(domain, symbols.elements["moduli"])
        unit = np.eye(self.dimension)[np.tril_indices(self.dimension)] if physics.tensor else np.ones(1)
        self.controls = {modulus.name: fem.Function(moduli, name=modulus.name) for modulus in physics.moduli}
        for modulus in physics.moduli:
            self.controls[modulus.name].x.array.reshape(-1, len(unit))[:] = modulus.first * unit
        tensors = fem.functionspace(domain, symbols.elements["tensor"])
        self._weights, self._adjoint = fem.Function(tensors), fem.Function(self.state.function_space)
        self._spaces = {"field": space, "correctors": self.state.function_space, "tensor": tensors, "moduli": moduli}
        self._spaces["by cell"] = fem.functionspace(domain, symbols.elements["by cell"])
        self._pinned = fem.dirichletbc(np.zeros(shape), np.array([0], dtype=np.int32), space)
        self._options = replace(solver or SolverOptions(), symmetric=True, definite=True)
        self._method, self._grid = method, self._choose(method)
        self._forms: dict[str, fem.Form] = {}
        self._matrix: la.MatrixCSR | None = None
        self._system: LinearSolver | FourierSolver | None = None
        self._mesh = Snapshot(domain, ())
        self._factorised: Snapshot | None = None
        self._solved: Snapshot | None = None

    @property
    def volume(self) -> float:
        """Volume |Y| of the cell [length^dimension]."""
        return float(np.prod(np.ptp(self._domain.geometry.x[:, : self.dimension], axis=0)))

    def _settings(self, free: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        return {
            "physics": self.physics.effective,
            "law": describe_form(cell_symbols(*self._key).forms["stiffness"]),
            "method": self._method if isinstance(self._method, str) else asdict(self._method),
            "solver": asdict(self._options),
        }

    def solve(self) -> fem.Function:
        """Compute all correctors with one factorisation.

        Raises:
            ValueError: A modulus is not positive (definite), or a Poisson ratio is outside (-1, 0.5).
            ConvergenceError: The linear solve failed.
        """
        check_finite(self.controls, self._domain.comm)
        self._check_moduli()
        self.state.x.array[:] = self._solve(self._unit_loads())
        self._mark_solved()
        return self.state

    def restore(self, state: np.ndarray) -> None:
        """Take correctors (dofs,) for the solution of the present moduli."""
        if np.shape(state) != self.state.x.array.shape:
            raise ContractError(f"state: expected the dofs, shape {self.state.x.array.shape}, got {np.shape(state)}")
        self.state.x.array[:] = state
        self._mark_solved()

    def observe(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The correctors' dofs ``state`` and the effective tensor, shape (loads (loads + 1) / 2,).

        Raises:
            ContractError: A name is unknown.
        """
        known = ("state", self.physics.effective)
        names = known if names is None else list(names)
        if not set(names) <= set(known):
            raise ContractError(f"observe: expected names among {known}, got {sorted(set(names) - set(known))}")
        return {name: self.state.x.array.copy() if name == "state" else self._effective() for name in names}

    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` with respect to the moduli.

        The effective tensor is stationary in the correctors, so it needs no adjoint solve.
        """
        self._check_solved("pull_back")
        sizes = {"state": self.state.x.array.size, self.physics.effective: self.loads * (self.loads + 1) // 2}
        for name, cotangent in cotangents.items():
            if np.shape(cotangent) != (sizes.get(name),):
                raise ContractError(f"cotangent '{name}': expected one of {sizes}, got shape {np.shape(cotangent)}")
        size = sizes[self.physics.effective]
        weights = symmetric_matrix(np.asarray(cotangents.get(self.physics.effective, np.zeros(size)), dtype=float) / 2)
        weights[np.diag_indices(self.loads)] *= 2
        self._weights.x.array.reshape(-1, *weights.shape)[:] = weights / self.volume
        self._adjoint.x.array[:] = self._solve(cotangents["state"]) if "state" in cotangents else 0.0
        return {name: fem.assemble_vector(self._form(name)).array.copy() for name in self.controls}

    def sensitivities(self) -> dict[str, np.ndarray]:
        """Derivatives of the effective tensor by each modulus, shape (loads (loads + 1) / 2, control dofs).

        Raises:
            ConvergenceError: There is no solution of the present moduli.
        """
        self._check_solved("sensitivities")
        upper = np.triu_indices(self.loads)
        shape = -1, self.loads, self.loads, self._spaces["moduli"].dofmap.bs
        derivatives = {n: fem.assemble_vector(self._form(f"by cell, {n}")).array.reshape(shape) for n in self.controls}
        return {
            name: d[:, *upper].transpose(1, 0, 2).reshape(len(upper[0]), -1) / self.volume
            for name, d in derivatives.items()
        }

    def fields(self) -> dict[str, np.ndarray]:
        """Local fields of every load case, means in each cell, as ``strain`` and ``stress`` of elasticity.

        Returns:
            By name of ``physics.fields`` arrays (loads, components, cells); tensors in Mandel components.
        """
        volumes = fem.assemble_vector(self._form("volumes")).array.reshape(-1, self.loads, self.loads)
        means = {
            n: fem.assemble_vector(self._form(f))
            for n, f in zip(self.physics.fields, ("gradient", "flux"), strict=True)
        }
        return {name: np.moveaxis(mean.array.reshape(volumes.shape) / volumes, 0, -1) for name, mean in means.items()}

    def residual_norm(self, state: np.ndarray) -> float:
        """Norm of the residual of proposed correctors over that of the loads."""
        rhs = self._columns(fem.assemble_vector(self._form("loads")).array)
        form = self._form("stiffness")
        matrix = new_matrix(form)
        assemble(matrix, form, [self._pinned])
        return float(np.linalg.norm(matrix.to_scipy() @ self._columns(state) - rhs) / np.linalg.norm(rhs))

    def strains(self, gradients: np.ndarray) -> np.ndarray:
        """Local strain of every unit load from sampled corrector gradients.

        Args:
            gradients: d w_k,i / d x_j, shape (loads, dimension, dimension, points) [1].

        Returns:
            E_k + e(w_k) in Mandel components, shape (loads, loads, points).
        """
        basis = mandel_basis(self.dimension)
        return np.eye(self.loads)[:, :, None] + np.einsum("mij,kijp->kmp", basis, gradients)

    @property
    def _domain(self) -> mesh.Mesh:
        return self.state.function_space.mesh

    def _effective(self) -> np.ndarray:
        energies = fem.assemble_vector(self._form("energies")).array.reshape(-1, self.loads, self.loads)
        return upper_triangle(energies.sum(axis=0) / self.volume)

    def _choose(self, method: Method) -> Voxels | None:
        """The grid, where the Fourier method is to be taken."""
        grid = None if method == "assembled" else voxels(self._spaces["field"])
        if isinstance(method, Fourier):
            if grid is None:
                raise ValueError(f"method={method}: expected a regular grid of Q1 cells; take method='assembled'")
            return grid
        if method not in ("auto", "assembled"):
            raise ValueError(f"method: expected 'auto', 'assembled' or Fourier(...), got {method!r}")
        small = self.dimension < 3 or grid is None or len(grid.cells) < VOXELS
        return None if small or self._options.petsc_options else grid

    def _unit_loads(self) -> np.ndarray:
        """Right-hand sides (dofs of the state,); zero where they only hold rounding errors (a homogeneous cell)."""
        rhs = fem.assemble_vector(self._form("loads")).array
        coefficients = self._coefficients()
        face = (self.volume / len(coefficients)) ** (1 - 1 / self.dimension)
        by_load = rhs.reshape(-1, self.loads, self._components)
        by_load[:, np.abs(by_load).max(axis=(0, 2)) < 1e-13 * face * np.abs(coefficients).max()] = 0.0
        return rhs

    def _columns(self, array: np.ndarray) -> np.ndarray:
        """One column of dofs a load (dofs, loads), zero at the pinned node."""
        columns = np.array(array).reshape(-1, self.loads, self._components)
        columns[0] = 0.0
        return columns.transpose(0, 2, 1).reshape(-1, self.loads)

    def _solve(self, rhs: np.ndarray) -> np.ndarray:
        columns, solver = self._columns(rhs), self._solver()
        if isinstance(solver, FourierSolver):  # the force at the pinned node balances the others
            columns[: self._components] = -columns.reshape(-1, self._components, self.loads).sum(axis=0)
        try:
            solution = solver.solve(columns).reshape(-1, self._components, self.loads)
        except ConvergenceError:
            self._factorised = None
            raise
        return (solution - solution[0]).transpose(0, 2, 1).ravel()

    def _solver(self) -> LinearSolver | FourierSolver:
        """The solver of the present moduli."""
        if self._system is not None and self._factorised is not None and self._factorised.holds():
            return self._system
        self._factorised = None
        if not self._mesh.holds():
            self._mesh, self._grid, self._system = Snapshot(self._domain, ()), self._choose(self._method), None
        if self._grid:
            if not isinstance(self._system, FourierSolver):
                settings = self._method if isinstance(self._method, Fourier) else Fourier()
                self._system = FourierSolver(self._grid, self._stencils(self._grid), self.loads, settings)
            self._system.factorise(self._coefficients())
        else:
            form = self._form("stiffness")
            if self._matrix is None:
                self._matrix = new_matrix(form)
            assemble(self._matrix, form, [self._pinned])
            if isinstance(self._system, LinearSolver):
                self._system.factorise()
            else:
                field = self._spaces["field"]
                self._system = LinearSolver(self._matrix, field, self._options, modes=self._translations())
        self._factorised = Snapshot(self._domain, self.controls.values())
        return self._system

    def _coefficients(self) -> np.ndarray:
        """Coefficients of the law in each cell (cells, coefficients)."""
        moduli = [control.x.array for control in self.controls.values()]
        cells = len(self._domain.geometry.dofmaps[0])
        return np.column_stack([array.reshape(cells, -1) for array in self.physics.coefficients(*moduli)])

    def _translations(self) -> np.ndarray:
        nodes = self._spaces["field"].dofmap.index_map.size_local
        return np.tile(np.eye(self._components), (nodes, 1))

    def _stencils(self, grid: Voxels) -> np.ndarray:
        """Rows of a node, one coefficient of one cell around it being 1, as `FourierSolver` takes them."""
        size = np.ptp(self._domain.geometry.x[:, : self.dimension], axis=0) / grid.shape
        create = mesh.create_rectangle if self.dimension == 2 else mesh.create_box
        corners, three = [0 * size, 3 * size], (3,) * self.dimension
        domain = create(MPI.COMM_SELF, corners, three, self._domain.topology.cell_type)
        symbols, space = (
            cell_symbols(*self._key),
            periodic_space(domain, (self.dimension,) if self.physics.vector else ()),
        )
        moduli = fem.functionspace(domain, symbols.elements["moduli"])
        cells = cast(Voxels, voxels(space)).cells
        units = {symbol: fem.Function(moduli) for symbol in symbols.coefficients}
        form = fem.create_form(compiled_cell_form("element", *self._key), [space, space], domain, {}, units, {})
        matrix, found = new_matrix(form), []
        for corner in np.ndindex((2,) * self.dimension):
            cell = cells[np.ravel_multi_index(np.array(corner) - 1, three, mode="wrap")]
            for unit, k in itertools.product(units.values(), range(moduli.dofmap.bs)):
                unit.x.array[cell * moduli.dofmap.bs + k] = 1.0
                assemble(matrix, form, [])
                unit.x.array[:] = 0.0
                found.append(matrix.to_dense()[: self._components])
        rows = np.reshape(found, (2**self.dimension, -1, self._components, *three, self._components))
        rows = np.roll(rows, 1, axis=tuple(range(3, 3 + self.dimension)))
        return rows.reshape(*rows.shape[:3], 3**self.dimension, self._components)

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

    def _check_solved(self, what: str) -> None:
        if self._solved is None or not self._solved.holds():
            raise ConvergenceError(f"{what} needs the solution of the present controls: call solve() first")

    def _form(self, name: str) -> fem.Form:
        if name not in self._forms:
            symbols = cell_symbols(*self._key)
            data = {
                **{symbol: self.controls[modulus] for modulus, symbol in symbols.moduli.items()},
                symbols.correctors: self.state,
                symbols.adjoint: self._adjoint,
                symbols.weights: self._weights,
            }
            spaces = [self._spaces[space] for space in symbols.arguments[name]]
            self._forms[name] = fem.create_form(
                compiled_cell_form(name, *self._key), spaces, self._domain, {}, data, {}
            )
        return self._forms[name]


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
