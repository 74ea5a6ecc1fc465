"""Topology optimisation at a given volume.

Bendsøe and Sigmund, Topology Optimization (2004), doi:10.1007/978-3-662-05086-6.
"""

from pathlib import Path

import numpy as np

from genmech_fem.design.constraints import Constraint
from genmech_fem.design.densities import Densities
from genmech_fem.design.loop import Progress
from genmech_fem.design.minimize import DesignResult, minimize
from genmech_fem.design.objectives import Mean, Objective, Value
from genmech_fem.design.optimality import OptimalityCriteria
from genmech_fem.design.search import Optimizer
from genmech_fem.errors import ContractError
from genmech_fem.forward import ForwardModel, compose

_COMPLIANCE = Value("compliance")


def topology_optimization(
    model: ForwardModel,
    densities: Densities,
    fraction: float,
    *,
    objective: Objective = _COMPLIANCE,
    optimizer: Optimizer | None = None,
    start: np.ndarray | None = None,
    iterations: int = 200,
    journal: Path | str | None = None,
    progress: Progress | None = None,
) -> DesignResult:
    """Make `objective` small by the densities of grid cells, at most `fraction` of which is solid.

    The result holds ``variables``, and ``density``, the modulus and the outputs of the model.

    Args:
        model: Differentiable, from the moduli of the cells.
        densities: From variables to densities and moduli.
        fraction: Volume of the solid over that of the grid.
        objective: By default the sum of the output ``compliance``, over load cases if there are several.
        optimizer: By default optimality criteria.
        start: First variables (*grid); by default the fraction everywhere.
        iterations: Most solves.
        journal: As of `minimize`.
        progress: As of `minimize`.

    Raises:
        ValueError: The fraction is not between 0 and 1.
        ContractError: Model, densities and start do not fit each other, or passive cells leave no such volume.
        GenmechError: The first design cannot be solved.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction: expected a volume fraction between 0 and 1, got {fraction}")
    solid, void = (0.0 if mask is None else float(mask.mean()) for mask in (densities.solid, densities.void))
    if not solid < fraction <= 1 - void:
        raise ContractError(
            f"fraction: {solid:.3g} of the grid is always solid and {void:.3g} always void, a volume of {fraction} "
            "cannot be reached: change the masks or the fraction"
        )
    first = np.full(densities.grid.shape, fraction) if start is None else np.asarray(start, dtype=float)
    if first.shape != densities.grid.shape or not ((first >= 0) & (first <= 1)).all() or not first.any():
        raise ContractError(
            f"start: expected variables from 0 to 1, not all 0, of shape {densities.grid.shape}, got {first.shape}"
        )
    return minimize(
        compose(densities, model, keep=True),
        objective,
        {"variables": first[None]},
        optimizer or OptimalityCriteria(),
        constraints=[Constraint(Mean("density"), most=fraction)],
        bounds={"variables": (0.0, 1.0)},
        iterations=iterations,
        journal=journal,
        progress=progress,
    )
