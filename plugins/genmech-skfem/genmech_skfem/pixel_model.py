"""A solver of single samples as a differentiable ForwardModel."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import Arrays, FieldSpec, Spec, check

type PullBack = Callable[[Arrays], np.ndarray]
"""From cotangents of one sample by name of output to the gradient by its coefficients (inputs, cells)."""


class Solver(Protocol):
    """What a `PixelModel` asks of a solver."""

    @property
    def inputs(self) -> tuple[FieldSpec, ...]:
        """Coefficients on the cells of one grid, all above zero."""

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """What is observed."""

    def solve(self, coefficients: np.ndarray) -> tuple[Arrays, PullBack]:
        """Outputs of one sample with coefficients (inputs, cells), and their adjoint."""

    def description(self) -> dict[str, Any]:
        """Settings that the outputs depend on, as data that `genmech_fem.datasets` can describe."""


class PixelModel:
    """Solve sample after sample; gradients use the factorisation of the solve.

    Args:
        solver: Solver of one sample.
    """

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.inputs: tuple[Spec, ...] = solver.inputs
        self.outputs: tuple[Spec, ...] = solver.outputs

    def description(self) -> dict[str, Any]:
        """What the outputs depend on besides the inputs."""
        return {"solver": type(self.solver).__name__, **self.solver.description()}

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Solve every sample.

        Raises:
            ContractError: The inputs do not match the specs, or are not positive.
            ConvergenceError: A solve failed; the message names the sample.
        """
        return self._gather([self._solve(i, sample)[0] for i, sample in enumerate(self._samples(inputs))])

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` with respect to the inputs."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Outputs, and the function from cotangents to gradients, for which all factorisations are kept."""
        samples = self._samples(inputs)
        solved = [self._solve(i, sample) for i, sample in enumerate(samples)]

        def pull_back(cotangents: Arrays) -> dict[str, np.ndarray]:
            given = check(cotangents, [spec for spec in self.outputs if spec.name in cotangents], "cotangent")
            sizes = {len(array) for array in given.values()}
            if sizes - {len(solved)}:
                raise ContractError(
                    f"cotangents: expected a batch of {len(solved)}, as of the inputs, got {max(sizes)}"
                )
            slopes = [back({name: array[i] for name, array in given.items()}) for i, (_, back) in enumerate(solved)]
            gradients = np.moveaxis(np.reshape(slopes, samples.shape), 1, 0)
            return {s.name: g.reshape(len(solved), *s.shape) for s, g in zip(self.inputs, gradients, strict=True)}

        return self._gather([outputs for outputs, _ in solved]), pull_back

    def _samples(self, inputs: Arrays) -> np.ndarray:
        """Coefficients (batch, inputs, cells)."""
        arrays = check(inputs, self.inputs)
        for name, array in arrays.items():
            if not array.min(initial=np.inf) > 0:
                i, *cell = np.unravel_index(array.argmin(), array.shape)
                raise ContractError(
                    f"input '{name}': expected values above 0, got {array.min():g} in sample {i}, "
                    f"cell {tuple(map(int, cell))}: give voids a small one"
                )
        fields = np.stack([arrays[spec.name] for spec in self.inputs], axis=1, dtype=float)
        return fields.reshape(*fields.shape[:2], math.prod(fields.shape[2:]))

    def _solve(self, i: int, sample: np.ndarray) -> tuple[Arrays, PullBack]:
        try:
            return self.solver.solve(sample)
        except ConvergenceError as error:
            raise ConvergenceError(f"sample {i}: {error}") from error

    def _gather(self, samples: list[Arrays]) -> dict[str, np.ndarray]:
        return {s.name: np.reshape([one[s.name] for one in samples], (len(samples), *s.shape)) for s in self.outputs}
