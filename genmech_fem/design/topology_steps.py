"""Steps of topology optimisation for the least compliance, through any model with gradients.

Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from genmech_fem.design.densities import Densities
from genmech_fem.design.optimality import OptimalityCriteria
from genmech_fem.errors import ContractError, NotFiniteError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel, linearize

_COMPLIANCE = "compliance"


@dataclass(frozen=True, eq=False)
class TopologyStep:
    """A design that was solved.

    Attributes:
        iteration: Its number, from 1.
        variables: Design variables (*grid), from which an optimisation can go on.
        density: Densities (*grid).
        compliance: Its compliance, in the unit of the model.
        volume: Its volume fraction.
        change: Largest change of a variable by the update that follows.
    """

    iteration: int
    variables: np.ndarray
    density: np.ndarray
    compliance: float
    volume: float
    change: float


def topology_steps(
    model: ForwardModel, densities: Densities, *, update: OptimalityCriteria, start: np.ndarray | None = None
) -> Iterator[TopologyStep]:
    """Yield one solved design after another, without end; see `topology_optimization`."""
    solver, name = _checked(model, densities.filter.grid)
    x = _first(densities.filter.grid, update.fraction, start)
    for iteration in count(1):
        density = densities(x)
        compliance, slope = _solved(solver, {name: densities.interpolation(density)[None]}, iteration)
        gradient = densities.sensitivity(x, slope * densities.interpolation.derivative(density))
        new = update(x, gradient, volume=densities.volume, volume_gradient=densities.volume_gradient(x))
        yield TopologyStep(iteration, x, density, compliance, float(density.mean()), float(np.abs(new - x).max()))
        x = new


def _checked(model: ForwardModel, grid: Grid) -> tuple[DifferentiableForwardModel, str]:
    """The model, and the name of its input."""
    if not isinstance(model, DifferentiableForwardModel):
        raise ContractError("topology optimisation: expected a model with vjp, as a ProblemModel, got one without")
    wanted = [
        spec for spec in model.inputs if isinstance(spec, FieldSpec) and (spec.place, spec.value_shape) == (grid, ())
    ]
    if len(model.inputs) != 1 or not wanted:
        raise ContractError(f"topology optimisation: expected one input, a scalar on {grid}, got {model.inputs}")
    if not any(isinstance(s, ScalarSpec) and (s.name, s.size) == (_COMPLIANCE, 1) for s in model.outputs):
        raise ContractError(f"topology optimisation: expected the output 'compliance' of size 1, got {model.outputs}")
    return model, wanted[0].name


def _first(grid: Grid, fraction: float, start: np.ndarray | None) -> np.ndarray:
    if start is None:
        return np.full(grid.shape, fraction)
    x = np.asarray(start, dtype=float)
    if x.shape != grid.shape or not ((x >= 0) & (x <= 1)).all():
        raise ContractError(f"start: expected variables from 0 to 1 of shape {grid.shape}, got shape {x.shape}")
    if not x.any():
        raise ContractError("start: expected some material, got zero volume")
    return x.copy()


def _solved(
    model: DifferentiableForwardModel, moduli: dict[str, np.ndarray], iteration: int
) -> tuple[float, np.ndarray]:
    """Compliance, and its derivative by the moduli (*grid)."""
    outputs, pull_back = linearize(model, moduli)
    compliance = float(outputs[_COMPLIANCE].item())
    (slope,) = pull_back({_COMPLIANCE: np.ones((1, 1))}).values()
    if not (np.isfinite(compliance) and np.isfinite(slope).all()):
        raise NotFiniteError(f"iteration {iteration}: the compliance {compliance} or its gradient is not finite")
    return compliance, slope[0]
