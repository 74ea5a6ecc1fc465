"""Plane-stress structures on pixels, one Q1 element each: from moduli to compliance and displacement."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from skfem import Basis
from skfem.models.elasticity import linear_elasticity, plane_stress

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec, to_json
from genmech_skfem.pixel_model import PixelModel, PullBack
from genmech_skfem.stiffness import Stiffness

_OUTPUTS = ("compliance", "displacement")


def pixel_structure(
    basis: Basis,
    fixed: np.ndarray,
    loads: np.ndarray,
    *,
    poisson_ratio: float = 0.3,
    outputs: Sequence[str] = ("compliance",),
) -> PixelModel:
    """A structure in plane stress, of a unit thickness, whose cells have a modulus each.

    Input ``youngs_modulus`` (batch, nx, ny). Outputs, of which some are chosen: ``compliance`` (batch, load cases), the
    work of each load, and ``displacement`` (batch, load cases, 2, nx + 1, ny + 1) at the corners of the cells, without
    the axis of the load cases where there is only one.

    Args:
        basis: A `pixel_basis` of ``ElementVector(ElementQuad1())``.
        fixed: Dofs that are zero.
        loads: Nodal forces (load cases, dofs), or those of one case (dofs,).
        poisson_ratio: Poisson's ratio [1].
        outputs: Names of the outputs.

    Raises:
        ValueError: An output is unknown, or the ratio is not in (-1, 1).
        ContractError: The basis is another one, the fixed dofs do not hold the body, or a load is zero or does not fit.
    """
    if not outputs or not set(outputs) <= set(_OUTPUTS) or not -1 < poisson_ratio < 1:
        raise ValueError(
            f"pixel_structure: expected outputs among {_OUTPUTS} and a Poisson's ratio in (-1, 1), "
            f"got {list(outputs)} and {poisson_ratio}"
        )
    return PixelModel(_Structure(basis, np.unique(fixed), np.atleast_2d(loads), poisson_ratio, tuple(outputs)))


class _Structure:
    """The `genmech_skfem.pixel_model.Solver` of a structure; its load cases share a factorisation."""

    def __init__(
        self, basis: Basis, fixed: np.ndarray, loads: np.ndarray, poisson_ratio: float, outputs: tuple[str, ...]
    ) -> None:
        grid = _grid(basis)
        _check_held(basis, fixed)
        if loads.shape[1:] != (basis.N,) or not np.isfinite(loads).all() or not loads.any(axis=1).all():
            raise ContractError(f"loads: expected finite forces (cases, {basis.N}), none of them 0, got {loads.shape}")
        self._settings = {"fixed": fixed, "loads": loads, "poisson_ratio": poisson_ratio}
        self._loads, self._nodes = loads.T, basis.nodal_dofs
        form = linear_elasticity(*plane_stress(1.0, poisson_ratio))
        self._stiffness = Stiffness(basis, [form], dofs=basis.element_dofs.T, fixed=fixed)
        nodes = Grid(tuple(n + 1 for n in grid.shape), grid.lower, grid.upper, at="nodes")
        cases = (len(loads),) if len(loads) > 1 else ()
        known = ScalarSpec("compliance", len(loads)), FieldSpec("displacement", nodes, (*cases, 2))
        self.inputs = (FieldSpec("youngs_modulus", grid),)
        self.outputs: tuple[Spec, ...] = tuple(known[_OUTPUTS.index(name)] for name in outputs)

    def description(self) -> dict[str, Any]:
        """Grid, supports, loads and material."""
        return {"input": to_json(self.inputs[0]), **self._settings}

    def solve(self, coefficients: np.ndarray) -> tuple[Arrays, PullBack]:
        """Outputs, and their adjoint: that of the compliance is the displacement itself."""
        solve, local = self._stiffness.factorise(coefficients), self._stiffness.local
        u = solve(self._loads)
        outputs = {"compliance": (self._loads * u).sum(axis=0), "displacement": np.moveaxis(u[self._nodes], -1, 0)}

        def pull_back(cotangents: Arrays) -> np.ndarray:
            adjoint = cotangents.get("compliance", 0.0) * u
            if "displacement" in cotangents:
                forces = np.zeros(u.shape)
                forces[self._nodes] = np.moveaxis(cotangents["displacement"].reshape(-1, *self._nodes.shape), 0, -1)
                adjoint += solve(forces)
            return -np.trace(self._stiffness.energies(local(adjoint), local(u)), axis1=-2, axis2=-1)

        return outputs, pull_back


def _grid(basis: Basis) -> Grid:
    """The grid of a basis of displacements."""
    axes = [np.unique(x) for x in basis.mesh.p]
    nodes = [len(axis) for axis in axes]
    cells = tuple(n - 1 for n in nodes)
    if len(axes) != 2 or np.prod(cells) != basis.mesh.nelements or 2 * np.prod(nodes) != basis.N:
        raise ContractError(
            f"basis: expected pixel_basis(grid, ElementVector(ElementQuad1())), got {basis.mesh.nelements} cells "
            f"and {basis.N} dofs of {type(basis.elem).__name__}"
        )
    return Grid(cells, tuple(axis[0] for axis in axes), tuple(axis[-1] for axis in axes))


def _check_held(basis: Basis, fixed: np.ndarray) -> None:
    """Demand dofs of the basis, and no rigid motion that leaves all of them where they are."""
    motions = np.zeros((basis.N, 3))
    (x, y), (along, across) = basis.mesh.p, basis.nodal_dofs
    motions[along, 0] = motions[across, 1] = 1.0
    motions[along, 2], motions[across, 2] = -y, x
    if not np.isin(fixed, np.arange(basis.N)).all() or np.linalg.matrix_rank(motions[fixed]) < 3:
        raise ContractError(
            f"fixed: expected dofs from 0 to {basis.N - 1} that hold the body in x, y and rotation, got {fixed}"
        )
