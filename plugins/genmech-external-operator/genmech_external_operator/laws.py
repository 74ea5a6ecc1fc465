"""Constitutive laws at points: files, cells, tables and functions under one signature."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.runtime import OnnxLaw
from genmech_fem.runtime.domain import Domain

type Response = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class PointLaw:
    """A law between strain and stress of any kind, such as temperature gradient and flux.

    Args:
        evaluate: From strains (points, n) to stresses (points, m) and consistent tangents (points, m, n).
        strain: Name, number n and unit of the strains.
        stress: Name, number m and unit of the stresses.
        domain: Range of the strains that it was trained on; None for a law that holds everywhere.
        name: What messages call it.
    """

    evaluate: Callable[[np.ndarray], Response]
    strain: ScalarSpec
    stress: ScalarSpec
    domain: Domain | None = None
    name: str = "law"

    def __call__(self, strains: np.ndarray) -> Response:
        """Stresses (points, m) and tangents (points, m, n) of strains (points, n).

        Raises:
            ContractError: The strains are not finite, or the law returns arrays of other shapes.
            ConvergenceError: The law returned NaN or infinity, or did not converge.
        """
        if not np.isfinite(strains).all():
            bad = int((~np.isfinite(strains)).any(axis=1).argmax())
            raise ContractError(f"{self.name}: expected finite strains, point {bad} has {strains[bad].tolist()}")
        stress, tangent = self.evaluate(strains)
        points, m, n = len(strains), self.stress.size, self.strain.size
        if np.shape(stress) != (points, m) or np.shape(tangent) != (points, m, n):
            raise ContractError(
                f"{self.name}: expected stresses {(points, m)} and tangents {(points, m, n)}, "
                f"got {np.shape(stress)} and {np.shape(tangent)}"
            )
        if not (np.isfinite(stress).all() and np.isfinite(tangent).all()):
            raise ConvergenceError(f"{self.name} returned NaN or infinity at strains up to {np.abs(strains).max():.3g}")
        return stress, tangent

    def outside(self, strains: np.ndarray) -> np.ndarray:
        """How far strains (points, n) leave the domain (points,), in widths of its ranges; 0 inside."""
        return np.zeros(len(strains)) if self.domain is None else self.domain.outside(strains, self.strain)


def read_law(path: Path | str, *, threads: int = 1, batch: int | None = None) -> PointLaw:
    """Open a file of `genmech_fem.export.law_to_onnx`, with the domain of its passport if it has one.

    Args:
        path: The file.
        threads: Threads of one evaluation.
        batch: Most points of one evaluation; by default all are evaluated at once.

    Raises:
        ContractError: The file is damaged, unsafe, or holds no law.
        FileNotFoundError: There is no such file.
    """
    return as_point_law(OnnxLaw(path, threads=threads, batch=batch))


def as_point_law(law: PointLaw | OnnxLaw) -> PointLaw:
    """The law of an opened file under the signature of all others."""
    if isinstance(law, PointLaw):
        return law
    passport = law.model.passport
    domain = passport.domain.get(law.strain.name) if passport else None
    return PointLaw(law, law.strain, law.stress, domain, str(law.model.path))
