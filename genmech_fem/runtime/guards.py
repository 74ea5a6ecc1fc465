"""What decides whether an answer of a surrogate may be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec
from genmech_fem.forward import ForwardModel
from genmech_fem.runtime.domain import Domain


@dataclass(frozen=True)
class Verdict:
    """What a guard says of a batch of answers.

    Attributes:
        accepted: Which may be used (batch,).
        measure: What the guard compared with its limit (batch,): a distance, a score, the bound of an error.
        outputs: All answers that it accepted (accepted, ...), where the guard may have improved or completed them.
        polished: Which answers it has tried to improve (batch,).
    """

    accepted: np.ndarray
    measure: np.ndarray
    outputs: Arrays | None = None
    polished: np.ndarray | None = None


@runtime_checkable
class Guard(Protocol):
    """Judges answers of a surrogate.

    Attributes:
        name: What reports call it.
    """

    name: str

    def judge(self, inputs: Arrays, outputs: Arrays) -> Verdict:
        """Judge the outputs (batch, ...) for the inputs (batch, ...)."""


@runtime_checkable
class Bounding(Guard, Protocol):
    """A guard whose measure bounds the error of accepted answers."""

    def error(self, inputs: Arrays, outputs: Arrays, truth: Arrays) -> np.ndarray:
        """True errors (batch,) of outputs, of the kind that `Verdict.measure` bounds."""


@runtime_checkable
class Differentiating(Guard, Protocol):
    """A guard that knows the derivatives of the answers that it has accepted."""

    def vjp(self, inputs: Arrays, outputs: Arrays, cotangents: Arrays) -> Arrays:
        """Gradient of ``sum(cotangents * outputs)`` with respect to the inputs."""


@dataclass(frozen=True)
class RangeGuard:
    """Refuse inputs that are unlike those of the training.

    Args:
        domain: Where the inputs lay, by name, such as ``OnnxModel(...).passport.domain``.
        inputs: Specs of the inputs.
        margin: How far they may leave it, in widths of the range.

    Raises:
        ContractError: There is nothing to compare with, or an input is unknown.
    """

    domain: Mapping[str, Domain]
    inputs: Sequence[Spec]
    margin: float = 0.0
    name: str = "range"

    def __post_init__(self) -> None:
        names = {spec.name for spec in self.inputs}
        if not self.domain or not set(self.domain) <= names:
            raise ContractError(
                f"RangeGuard: expected the training domain of inputs among {sorted(names)}, got {sorted(self.domain)}: "
                "export with a passport, or use another guard"
            )

    def judge(self, inputs: Arrays, outputs: Arrays) -> Verdict:  # noqa: ARG002
        """Measure how far each sample leaves the training domain, 0 inside."""
        far = [self.domain[s.name].outside(inputs[s.name], s) for s in self.inputs if s.name in self.domain]
        distance = np.max(far, axis=0)
        return Verdict(distance <= self.margin, distance)


@dataclass(frozen=True)
class DetectorGuard:
    """Refuse inputs, or answers, that raise the alarm of an anomaly detector.

    Args:
        detector: Model with the outputs ``score`` and ``alarm``, such as a file of `export.detector_to_onnx`.

    Raises:
        ContractError: It has no such outputs.
    """

    detector: ForwardModel
    name: str = "detector"

    def __post_init__(self) -> None:
        found = [spec.name for spec in self.detector.outputs]
        if not {"score", "alarm"} <= set(found):
            raise ContractError(f"DetectorGuard: expected a model with the outputs score and alarm, got {found}")

    def judge(self, inputs: Arrays, outputs: Arrays) -> Verdict:
        """Ask the detector about the fields that it knows by name."""
        known = {**outputs, **inputs}
        missing = [spec.name for spec in self.detector.inputs if spec.name not in known]
        if missing:
            raise ContractError(f"DetectorGuard: the detector asks for {missing}, there are {sorted(known)}")
        found = self.detector({spec.name: known[spec.name] for spec in self.detector.inputs})
        return Verdict(found["alarm"][:, 0] < 0.5, found["score"][:, 0])
