"""The search of ``genmech design cell``: draw, rank and verify, then flip pixels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from tqdm import tqdm

from genmech_fem.adapters import pixel_homogenization
from genmech_fem.cli.cell_source import Source
from genmech_fem.design import Candidates, TensorTarget, inverse_design, verify
from genmech_fem.design.manufacturability import MinimumFeature
from genmech_fem.design.novelty import Novelty
from genmech_fem.design.pixel_flips import PixelFlips
from genmech_fem.design.refinement import refine_cell
from genmech_fem.fields import Arrays
from genmech_fem.forward import ForwardModel, FunctionModel, compose
from genmech_fem.microstructure import sharpen

VERIFY_REFINE = 2  # mesh cells per pixel of the verification
FINER_REFINE = 4  # and of the second one
TOO_SMALL = 0.01  # share of pixels in features below the smallest size that is let pass


@dataclass(frozen=True)
class Settings:
    """What a run does."""

    networks: tuple[str, ...]
    phases: tuple[tuple[float, float], ...]
    target: tuple[float, ...]
    draws: int
    solves: int
    refine_by_adjoint: int
    min_feature: float | None
    seed: int

    def __post_init__(self) -> None:
        if min(self.draws, self.solves) < 1 or min(self.refine_by_adjoint, self.seed) < 0:
            raise ValueError(
                "expected --draws and --solves >= 1, --refine-by-adjoint and --seed >= 0, got "
                f"{self.draws}, {self.solves}, {self.refine_by_adjoint} and {self.seed}"
            )


class Task:
    """The search of a run, and how its answers are judged.

    Args:
        source: Networks and solver.
        settings: What to do.

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(self, source: Source, settings: Settings) -> None:
        self.source, self.settings = source, settings
        self.objective = TensorTarget(np.array(settings.target))
        size = settings.min_feature
        self.feature = None if size is None else MinimumFeature(size, name="phase")

    @cached_property
    def training(self) -> dict[str, np.ndarray]:
        """What the networks have learned from."""
        return self.source.training()

    @cached_property
    def novelty(self) -> Novelty:
        """Distance to the training set."""
        return Novelty(self.training["phase"], name="phase")

    def accepted(self, arrays: Arrays) -> np.ndarray:
        """Whether cells have no features that are too small (batch,)."""
        if self.feature is None:
            return np.ones(len(arrays["phase"]), dtype=bool)
        return np.asarray(self.feature.measure(arrays) <= TOO_SMALL)

    def search(self, verifier: ForwardModel, finer: ForwardModel, bar: "tqdm[Any]") -> Candidates:
        """The most promising of the generator's cells, verified."""
        s, flow = self.settings, self.source.flow

        def clean(arrays: Arrays) -> Arrays:
            bar.update(len(arrays["phase"]))
            return {"phase": sharpen(arrays["phase"])}

        decoder = compose(flow, FunctionModel(clean, flow.outputs, flow.outputs))
        noise = np.random.default_rng(s.seed).standard_normal((s.draws, *flow.inputs[0].shape))
        draws = {"noise": noise, "stiffness": np.repeat(self.objective.target[None], s.draws, axis=0)}
        return inverse_design(
            decoder,
            self.source.surrogate,
            verifier,
            self.objective,
            draws,
            solves=s.solves,
            accept=self.accepted,
            finer=finer,
        )

    def refined(self, found: Candidates, verifier: ForwardModel, finer: ForwardModel) -> dict[str, Candidates]:
        """The best cells with pixels flipped by the adjoint on pixels, verified; nothing where it is not accepted.

        Pixels are stiffer than a mesh: the wanted stiffness is moved by the difference of the best cell.
        """
        s = self.source.settings
        pixels, moduli = pixel_homogenization(s.resolution, s.matrix[1]), (s.matrix[0], s.inclusion[0])
        starts = found.designs["phase"] > 0.5
        meshed = verifier({"phase": starts[:1].astype(float)})["stiffness"][0]
        excess = pixels({"youngs_modulus": np.where(starts[:1], *moduli[::-1])})["stiffness"][0] - meshed
        end = refine_cell(
            pixels,
            self.objective.target + excess,
            starts,
            PixelFlips(moduli),
            solves=self.settings.refine_by_adjoint,
        )
        cell = {"phase": end.phase[None].astype(float)}
        if not self.accepted(cell).all():
            return {}
        predicted = {"stiffness": (end.tensor - excess)[None]}
        return {"refined": verify(verifier, cell, self.objective, predicted, finer=finer)}
