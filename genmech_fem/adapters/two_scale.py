"""Structures on two scales: a box of cells, each with a microstructure of its own, homogenised or fully resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem
from scipy import sparse

from genmech_fem.adapters.homogenization import EPOXY, GLASS, Material
from genmech_fem.adapters.meshes import dolfinx_mesh, phase_field
from genmech_fem.adapters.pixel_structure import box_mesh
from genmech_fem.adapters.problem_model import LinearMap, ProblemModel, as_vector, cell_values
from genmech_fem.errors import ContractError, ConvergenceError, MeshingError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec, check
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel
from genmech_fem.geometry import conforming_mesh
from genmech_fem.problems import SolverOptions, VariationalProblem, elasticity
from genmech_fem.problems.applied import apply, cell_control, stiffness_degree
from genmech_fem.problems.conditions import Condition, Load
from genmech_fem.problems.elasticity import MECHANICAL
from genmech_fem.problems.physics import mandel_basis

_LOADS = 3  # Mandel components of a strain in the plane


def each_cell(model: ForwardModel, cells: Grid) -> ForwardModel:
    """Make a model of one cell one of all cells of a structure, which are one batch to it.

    An array (*shape,) of the model becomes a field with the value shape `shape` on the cells, whatever its place is in
    a cell. The result has `vjp` if the model has.

    Args:
        model: From what describes a cell to, say, its phase field or its stiffness.
        cells: The cells of the structure.
    """
    return (_DifferentiableCells if isinstance(model, DifferentiableForwardModel) else _Cells)(model, cells)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Cells:
    model: ForwardModel
    cells: Grid

    @property
    def inputs(self) -> tuple[Spec, ...]:
        return tuple(FieldSpec(spec.name, self.cells, spec.shape, spec.unit) for spec in self.model.inputs)

    @property
    def outputs(self) -> tuple[Spec, ...]:
        return tuple(FieldSpec(spec.name, self.cells, spec.shape, spec.unit) for spec in self.model.outputs)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._joined(self.model(self._apart(check(inputs, self.inputs))))

    def _apart(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """Arrays (batch, *shape, *cells) as (batch * number of cells, *shape)."""
        last, first = range(-self.cells.dimension, 0), range(1, 1 + self.cells.dimension)
        moved = {name: np.moveaxis(array, last, first) for name, array in arrays.items()}
        return {name: array.reshape(-1, *array.shape[1 + self.cells.dimension :]) for name, array in moved.items()}

    def _joined(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """The inverse of `_apart`."""
        last, first = range(-self.cells.dimension, 0), range(1, 1 + self.cells.dimension)
        apart = {name: array.reshape(-1, *self.cells.shape, *array.shape[1:]) for name, array in arrays.items()}
        return {name: np.moveaxis(array, first, last) for name, array in apart.items()}


@dataclass(frozen=True)
class _DifferentiableCells(_Cells):
    model: DifferentiableForwardModel

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        given = check(cotangents, tuple(spec for spec in self.outputs if spec.name in cotangents), "cotangent")
        return self._joined(self.model.vjp(self._apart(check(inputs, self.inputs)), self._apart(given)))


def homogenized_structure(
    cells: Grid, conditions: Sequence[Condition], *, refine: int = 2, degree: int = 2
) -> ProblemModel:
    """A plane structure whose cells have an anisotropic stiffness each, differentiable.

    Input ``stiffness`` (batch, 6, *cells) [GPa], the upper triangle of the Mandel matrix of each cell, which has to be
    positive definite; output ``compliance`` (batch, 1), the work of the loads.

    Args:
        cells: The cells of the structure.
        conditions: What holds and what loads it, as of `problems.elasticity`; at least one load.
        refine: Quadrilaterals along each side of a cell.
        degree: Polynomial degree of the displacement.

    Raises:
        TypeError, ValueError: A condition does not fit, or nothing loads the structure.
        ContractError: The cells are not those of a plane box.
    """
    _check(cells, conditions)
    domain = box_mesh(Grid(tuple(refine * n for n in cells.shape), cells.lower, cells.upper))
    applied = apply(conditions, domain, allowed=MECHANICAL, shape=(2,), degree=degree)
    C = cell_control(domain, "stiffness", np.eye(_LOADS))
    state, v = fem.Function(applied.space, name="displacement"), ufl.TestFunction(applied.space)
    units = [ufl.as_matrix(unit.tolist()) for unit in mandel_basis(2)]
    strain, virtual = (ufl.as_vector([ufl.inner(ufl.grad(w), unit) for unit in units]) for w in (state, v))
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": stiffness_degree(domain, degree)})
    problem = VariationalProblem(
        ufl.inner(C * strain, virtual) * dx - applied.work(v),
        state,
        controls=applied.controls_with({"stiffness": C}),
        bcs=applied.bcs,
        observables={"compliance": applied.work(state)},
        positive={
            "stiffness": C[0, 0],
            "stiffness, second minor": C[0, 0] * C[1, 1] - C[0, 1] ** 2,
            "determinant of the stiffness": ufl.det(C),
        },
        solver=SolverOptions(symmetric=True, definite=True),
    )
    return ProblemModel(problem, (_tensors(C, cells),), (as_vector(ScalarSpec("compliance"), "compliance"),))


def _tensors(control: fem.Function, cells: Grid) -> LinearMap:
    """From upper triangles (6, *cells) to a symmetric control, whose dofs in a cell are the lower triangle."""
    spec = FieldSpec("stiffness", cells, (_LOADS * (_LOADS + 1) // 2,), "GPa")
    by_cell = cell_values(control, FieldSpec("stiffness", cells), "stiffness").matrix
    upper = {pair: k for k, pair in enumerate(zip(*np.triu_indices(_LOADS), strict=True))}
    order = [upper[j, i] for i, j in zip(*np.tril_indices(_LOADS), strict=True)]
    places = np.arange(by_cell.shape[1] * len(order)).reshape(-1, len(order)).T.ravel()
    matrix = sparse.kron(by_cell, np.eye(len(order))[order], format="csr")[:, places]
    return LinearMap(spec, "stiffness", sparse.csr_array(matrix))


def assembled(phases: np.ndarray) -> np.ndarray:
    """Put images (batch, nx, ny, *cells) of the cells of plane structures together to one image of each structure."""
    batch, nx, ny, columns, rows = phases.shape
    return phases.transpose(0, 3, 1, 4, 2).reshape(batch, columns * nx, rows * ny)


@dataclass(frozen=True)
class ResolvedStructure:
    """A plane structure with all its microstructure, meshed conformingly; the judge of a `homogenized_structure`.

    Input ``phase`` (batch, resolution, resolution, *cells), the phase field of each cell; outputs ``compliance``
    (batch, 1), the work of the loads in plane strain, and ``volume`` (batch, 1), the share of phase 1 in the mesh.

    Args:
        cells: The cells of the structure.
        resolution: Pixels along each side of a cell.
        conditions: What holds and what loads it, as of `problems.elasticity`; at least one load.
        matrix: Material of phase 0.
        inclusion: Material of phase 1.
        refine: Mesh cells per pixel and direction.

    Raises:
        ContractError: The cells are not those of a plane box.
        ValueError: Nothing loads it.
    """

    cells: Grid
    resolution: int
    conditions: tuple[Condition, ...]
    matrix: Material = EPOXY
    inclusion: Material = GLASS
    refine: int = 1

    def __post_init__(self) -> None:
        _check(self.cells, self.conditions)

    @property
    def inputs(self) -> tuple[FieldSpec]:
        """The phase fields."""
        return (FieldSpec("phase", self.cells, (self.resolution,) * 2),)

    @property
    def outputs(self) -> tuple[ScalarSpec, ScalarSpec]:
        """Compliance and volume."""
        return ScalarSpec("compliance"), ScalarSpec("volume")

    def problem(self, phases: np.ndarray) -> VariationalProblem:
        """The solved problem of one structure (resolution, resolution, *cells).

        Raises:
            MeshingError, ConvergenceError: It cannot be meshed or solved.
        """
        return self._solved(phases)[0]

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Mesh and solve every sample.

        Raises:
            ContractError: The input does not match its spec.
            MeshingError, ConvergenceError: A sample failed; the message names it.
        """
        samples = [self._sample(i, phases) for i, phases in enumerate(check(inputs, self.inputs)["phase"])]
        return {spec.name: np.stack([sample[spec.name] for sample in samples]) for spec in self.outputs}

    def _sample(self, i: int, phases: np.ndarray) -> dict[str, np.ndarray]:
        try:
            problem, volume = self._solved(phases)
        except (MeshingError, ConvergenceError) as error:
            raise type(error)(f"sample {i}: {error}") from error
        return {"compliance": problem.observe(["compliance"])["compliance"], "volume": np.array([volume])}

    def _solved(self, phases: np.ndarray) -> tuple[VariationalProblem, float]:
        image = assembled(phases[None])[0]
        mesh = conforming_mesh(
            image, lower=self.cells.lower, upper=self.cells.upper, periodic=False, refine=self.refine
        )
        domain, tags = dolfinx_mesh(mesh)
        problem = elasticity(domain, self.conditions)
        for name in ("youngs_modulus", "poisson_ratio"):
            values = np.array([getattr(m, name) for m in (self.matrix, self.inclusion)])
            phase_field(domain, tags, values, problem.controls[name])
        problem.solve()
        sizes = mesh.measures()
        return problem, float(sizes[mesh.tags == 1].sum() / sizes.sum())


def _check(cells: Grid, conditions: Sequence[Condition]) -> None:
    if cells.dimension != 2 or cells.at != "cells":
        raise ContractError(f"cells: expected a Grid of cells in 2D, got {cells}")
    if not any(isinstance(condition, Load) for condition in conditions):
        raise ValueError(f"conditions: expected at least one load, as Traction, got {list(conditions)}")
