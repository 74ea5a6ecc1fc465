"""A verified cell beside the wanted stiffness and beside the surrogate's answer."""

from dataclasses import dataclass

import numpy as np

from genmech_fem.explorer.solving import Solved
from genmech_fem.explorer.source import ENTRIES
from genmech_fem.metrics import relative_frobenius


@dataclass(frozen=True, eq=False)
class Comparison:
    """Target, surrogate and solver of one cell.

    Args:
        solved: The verified cell.
        target: Wanted C* (6,) [GPa].
    """

    solved: Solved
    target: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """What the surrogate says (6,) [GPa]."""
        return np.asarray(self.solved.cell.predicted["stiffness"])

    @property
    def rows(self) -> list[tuple[str, float, float, float, float]]:
        """By entry: target, surrogate, solver and surrogate minus solver [GPa]."""
        verified = self.solved.stiffness
        columns = (self.target, self.predicted, verified, self.predicted - verified)
        return list(zip(ENTRIES, *(column.tolist() for column in columns), strict=True))

    @property
    def errors(self) -> dict[str, float]:
        """Relative errors of the whole tensor (Frobenius) and of the strain field (L2 of its fluctuation)."""
        verified = self.solved.stiffness
        errors = {
            "verified": float(relative_frobenius(verified, self.target)),
            "predicted": float(relative_frobenius(self.predicted, self.target)),
            "surrogate": float(relative_frobenius(self.predicted, verified)),
        }
        if "strain" in self.solved.cell.predicted:
            truth, guess = self.strains
            errors["strain"] = float(
                np.linalg.norm(guess - truth) / np.linalg.norm(truth - np.eye(3)[:, :, None, None])
            )
        return errors

    @property
    def strains(self) -> tuple[np.ndarray, np.ndarray]:
        """Strains (3 loads, 3 Mandel components, nx, ny) of the solver and of the surrogate."""
        return np.asarray(self.solved.answers["strain"][0]), np.asarray(self.solved.cell.predicted["strain"])

    def record(self) -> dict[str, object]:
        """What is written beside an exported mesh, as JSON data."""
        return {
            "target": self.target.tolist(),
            "predicted": self.predicted.tolist(),
            "verified": self.solved.stiffness.tolist(),
            "errors": self.errors,
            "refine": self.solved.refine,
            "seconds": self.solved.seconds,
            "volume_fraction": self.solved.cell.volume_fraction,
        }
