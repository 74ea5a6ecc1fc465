"""Topology optimisation as a ForwardModel, so that a campaign makes a set of optimal topologies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from genmech_fem.design.densities import Densities
from genmech_fem.design.topology import topology_optimization
from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, Spec, check, take
from genmech_fem.forward import ForwardModel


@dataclass(frozen=True, eq=False)
class OptimalTopology:
    """From conditions and ``volume`` (batch, 1) to ``density`` (batch, *grid) and ``compliance`` of the optimum.

    Args:
        solver: Makes the differentiable solver, from the moduli of the cells to ``compliance``, of the conditions of
            one sample: builds a structure for them, or holds them as ``lambda load: hold(model, load)``.
        conditions: Specs of these, such as the place and the angle of a load.
        densities: From variables to moduli.
        cases: Number of compliances.
        iterations: Most solves of each optimum.
    """

    solver: Callable[[Arrays], ForwardModel]
    conditions: tuple[Spec, ...]
    densities: Densities
    cases: int = 1
    iterations: int = 100

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """The conditions and the volume fraction."""
        return (*self.conditions, ScalarSpec("volume"))

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """Density and compliance."""
        return FieldSpec("density", self.densities.grid), ScalarSpec("compliance", self.cases)

    def description(self) -> dict[str, Any]:
        """What the outputs depend on besides the conditions, as JSON data."""
        parts = self.densities.filter, self.densities.interpolation, self.densities.projection
        name = getattr(self.solver, "__qualname__", type(self.solver).__qualname__)
        return {"solver": name, "densities": [repr(part) for part in parts], "iterations": self.iterations}

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Optimise every sample.

        Raises:
            ContractError: The inputs do not match the specs, or a volume is not between 0 and 1.
            GenmechError: A design could not be solved.
        """
        arrays = check(inputs, self.inputs)
        volumes = arrays.pop("volume")[:, 0]
        found = [self._optimum(take(arrays, slice(i, i + 1)), volume) for i, volume in enumerate(volumes)]
        return {spec.name: np.concatenate([one[spec.name] for one in found]) for spec in self.outputs}

    def _optimum(self, conditions: Arrays, volume: float) -> Arrays:
        result = topology_optimization(
            self.solver(conditions), self.densities, float(volume), iterations=self.iterations
        )
        if result.stopped is not None:
            raise result.stopped
        return result.outputs
