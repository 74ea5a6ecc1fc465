"""Structures on two scales: a plane box of cells, each with a stiffness of its own."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem
from scipy import sparse

from genmech_fem.adapters.linear_maps import LinearMap, as_vector, cell_values
from genmech_fem.adapters.pixel_structure import box_mesh
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.problems import VariationalProblem
from genmech_fem.problems.applied import apply, cell_control, cell_measure, stiffness_degree
from genmech_fem.problems.conditions import Condition, Load
from genmech_fem.problems.elasticity import MECHANICAL
from genmech_fem.problems.physics import mandel_basis
from genmech_fem.problems.solver_options import positive_definite

_LOADS = 3  # Mandel components of a strain in the plane


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
    check_cells(cells, conditions)
    domain = box_mesh(Grid(tuple(refine * n for n in cells.shape), cells.lower, cells.upper))
    applied = apply(conditions, domain, allowed=MECHANICAL, shape=(2,), degree=degree)
    C = cell_control(domain, "stiffness", np.eye(_LOADS))
    state, v = fem.Function(applied.space, name="displacement"), ufl.TestFunction(applied.space)
    units = [ufl.as_matrix(unit.tolist()) for unit in mandel_basis(2)]
    strain, virtual = (ufl.as_vector([ufl.inner(ufl.grad(w), unit) for unit in units]) for w in (state, v))
    dx = cell_measure(domain, stiffness_degree(domain, degree))
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
        solver=positive_definite(None),
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


def check_cells(cells: Grid, conditions: Sequence[Condition]) -> None:
    """Refuse cells that are not those of a plane box, and structures without a load.

    Raises:
        ContractError, ValueError: They are.
    """
    if cells.dimension != 2 or cells.at != "cells":
        raise ContractError(f"cells: expected a Grid of cells in 2D, got {cells}")
    if not any(isinstance(condition, Load) for condition in conditions):
        raise ValueError(f"conditions: expected at least one load, as Traction, got {list(conditions)}")
