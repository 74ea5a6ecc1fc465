"""Errors of a surrogate that are bounded with a chosen probability.

Vovk, Gammerman, Shafer, Algorithmic learning in a random world (2005), doi:10.1007/b106715.
"""

from dataclasses import dataclass

import numpy as np

from genmech_fem.fields import Arrays
from genmech_fem.runtime.guards import Verdict


@dataclass(frozen=True)
class ConformalGuard:
    """Accept where the error stays below a tolerance with the probability of a calibration on solved samples.

    Where an ensemble says its standard deviation, the radius is a multiple of that.

    Args:
        radius: From `conformal_radius`; relative L2 error, or its ratio to the relative L2 norm of `spread`.
        tolerance: Relative L2 error that is accepted.
        output: Name of the output that is judged.
        spread: Name of the output with its standard deviation.
    """

    radius: float
    tolerance: float
    output: str
    spread: str | None = None
    name: str = "conformal"

    def judge(self, inputs: Arrays, outputs: Arrays) -> Verdict:  # noqa: ARG002
        """Compare the radius of each answer with the tolerance."""
        answers = outputs[self.output]
        scale = np.ones(len(answers)) if self.spread is None else _relative(outputs[self.spread], answers)
        return Verdict(self.radius * scale <= self.tolerance, self.radius * scale)

    def error(self, inputs: Arrays, outputs: Arrays, truth: Arrays) -> np.ndarray:  # noqa: ARG002
        """Relative L2 errors (batch,)."""
        return _relative(outputs[self.output] - truth[self.output], truth[self.output])


def conformal_radius(
    outputs: np.ndarray, truth: np.ndarray, level: float = 0.95, spread: np.ndarray | None = None
) -> float:
    """Radius that the error of a new sample like these stays below with the probability `level`.

    Args:
        outputs: Answers (samples, ...) for samples that the surrogate has not been trained on.
        truth: What the solver says.
        level: Probability.
        spread: Standard deviations of the answers.

    Raises:
        ValueError: The level is no probability, or there are too few samples for it.
    """
    scores = _relative(outputs - truth, truth)
    if spread is not None:
        scores = scores / np.maximum(_relative(spread, outputs), 1e-12)
    rank = int(np.ceil((len(scores) + 1) * level)) if 0 < level < 1 else 0
    if not 0 < rank <= len(scores):
        raise ValueError(
            f"conformal_radius: expected a level in (0, 1) and at least level / (1 - level) samples, got {level} "
            f"and {len(scores)}"
        )
    return float(np.sort(scores)[rank - 1])


def _relative(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Norm (batch,) of a part (batch, ...) over that of the whole (batch, ...)."""
    size, scale = (np.linalg.norm(a.reshape(len(a), -1), axis=1) for a in (part, whole))
    return size / np.maximum(scale, np.finfo(float).tiny)
