"""Campaigns: what to sample and to solve. Sample i depends on the seed and on i only."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from genmech_fem.datasets.blocks import Failure
from genmech_fem.datasets.engines import Outcome
from genmech_fem.datasets.failures import failure_of, last_line_logged, summary
from genmech_fem.datasets.provenance import describe
from genmech_fem.datasets.samplers import Design
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec, check
from genmech_fem.forward import ForwardModel, LazyModel


@dataclass(frozen=True)
class Campaign:
    """What to compute.

    Args:
        model: The solver; a `LazyModel` if other processes have to build their own.
        sampler: Draws the model's inputs, a batch of one sample, from a generator; or a `Design`. If it has
            `outputs` (specs), those are stored too.
        size: Number of samples; more can be added later.
        seed: Sample i is drawn with ``numpy.random.default_rng([seed, i])``.
        title: What the data are, for people.
        licence: Under which licence they are.
    """

    model: ForwardModel
    sampler: Callable[[np.random.Generator], Arrays] | Design
    size: int
    seed: int = 0
    title: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if self.size < 1 or self.seed < 0:
            raise ValueError(f"Campaign: expected size >= 1 and seed >= 0, got {self.size} and {self.seed}")

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Specs of what is stored: what the sampler makes, the model's inputs and its outputs.

        Raises:
            ContractError: Sampler and model do not fit together.
        """
        drawn = {spec.name: spec for spec in getattr(self.sampler, "outputs", ())}
        for spec in self.model.inputs:
            if drawn.setdefault(spec.name, spec) != spec:
                raise ContractError(f"'{spec.name}': the sampler makes {drawn[spec.name]}, the model takes {spec}")
        return (*drawn.values(), *(spec for spec in self.model.outputs if spec.name not in drawn))

    @property
    def description(self) -> dict[str, Any]:
        """What makes the data, as JSON data."""
        return {"model": describe(self.model), "sampler": describe(self.sampler), "seed": self.seed}

    def draw(self, i: int) -> Arrays:
        """What the sampler makes for sample `i`, a batch of one."""
        if isinstance(self.sampler, Design):
            return self.sampler.draw(self.seed, i)
        return self.sampler(np.random.default_rng([self.seed, i]))

    def sample(self, i: int) -> dict[str, np.ndarray]:
        """Draw and solve sample `i`: everything that is stored, a batch of one."""
        return self._solved(self.draw(i))

    def outcome(self, i: int) -> Outcome:
        """Draw and solve sample `i`; an error becomes a `Failure`."""
        began = time.perf_counter()
        drawn: Arrays = {}
        with last_line_logged() as log:
            try:
                drawn = self.draw(i)
                result: Arrays | Failure = self._solved(drawn)
            except Exception as error:  # a failure is data: it is recorded with its reason
                result = failure_of(error, drawn, log.text)
                if isinstance(self.model, LazyModel):
                    self.model.forget()  # a bad sample may leave a solver that spoils the next ones
        return Outcome(i, result, time.perf_counter() - began)

    def parameters(self, i: int) -> dict[str, Any]:
        """What the sampler makes for sample `i` as JSON data (see `summary`)."""
        return summary(self.draw(i))

    def _solved(self, drawn: Arrays) -> dict[str, np.ndarray]:
        inputs = {name: drawn[name] for name in _names(self.model.inputs) if name in drawn}
        arrays = {**drawn, **self.model(check(inputs, self.model.inputs))}
        check(arrays, self.specs, "stored array")
        return arrays


def _names(specs: Collection[Spec]) -> list[str]:
    return [name for spec in specs for name in (spec.name, f"{spec.name}.mask")]
