"""Any score as a term: of a network in a file, a model, or a function."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel
from genmech_fem.runtime import OnnxModel

type Score = Callable[[Arrays], np.ndarray]
"""From arrays by name to one number a sample (batch,)."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """A score, such as the taste of a network: minus it where large is good.

    Args:
        score: A model one of whose outputs is the score (batch, 1), the path of its ONNX file, or a function from
            arrays to (batch,). A model gets its inputs from the arrays by name.
        name: The output that is the score; None takes the only one.
        maximize: Whether large scores are good.

    Raises:
        ContractError: The score is nothing of these, the model has no such output, or the file cannot be used.
        FileNotFoundError: There is no such file.
    """

    score: ForwardModel | Score | Path | str
    name: str | None = None
    _: KW_ONLY
    maximize: bool = True

    def __post_init__(self) -> None:
        _ = self._output

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """The score (batch,), with the sign that makes small good."""
        return self._sign * self.measure(arrays)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the inputs of the model.

        Raises:
            ContractError: The score has no vjp.
        """
        model = self._model
        if not isinstance(model, DifferentiableForwardModel) or self._output is None:
            raise ContractError(
                "Scorer: expected a model with vjp for a gradient, got a score without: export the file with vjp=True, "
                "or use a gradient-free optimiser such as CMAES"
            )
        taken = self._taken(arrays)
        weight = np.full((len(next(iter(taken.values()))), *self._output.shape), self._sign)
        return model.vjp(taken, {self._output.name: weight})

    def measure(self, arrays: Arrays) -> np.ndarray:
        """The score itself (batch,)."""
        if self._model is not None and self._output is not None:
            return self._model(self._taken(arrays))[self._output.name].reshape(-1)
        values = np.asarray(self.score(arrays))  # type: ignore[operator]
        if values.ndim != 1:
            raise ContractError(f"Scorer: expected one number a sample (batch,), got shape {values.shape}")
        return values

    @property
    def _sign(self) -> float:
        return -1.0 if self.maximize else 1.0

    @cached_property
    def _model(self) -> ForwardModel | None:
        if isinstance(self.score, str | Path):
            return OnnxModel(self.score)
        if not callable(self.score):
            raise ContractError(f"Scorer: expected a model, a path or a function, got {type(self.score).__name__}")
        return self.score if isinstance(self.score, ForwardModel) else None

    @cached_property
    def _output(self) -> Spec | None:
        """The output that is the score; None for a function."""
        if self._model is None:
            return None
        outputs = self._model.outputs
        found = [spec for spec in outputs if self.name in (None, spec.name) and np.prod(spec.shape) == 1]
        if len(found) != 1 or (self.name is None and len(outputs) > 1):
            raise ContractError(
                f"Scorer: expected one output of one number named '{self.name}', got "
                f"{[(spec.name, spec.shape) for spec in outputs]}: name the output that is the score"
            )
        return found[0]

    def _taken(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """What the model takes, masks of fields on varying points included."""
        names = {spec.name for spec in self._model.inputs} if self._model else set()
        return {name: array for name, array in arrays.items() if name.removesuffix(".mask") in names}
