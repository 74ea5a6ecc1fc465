"""The problem of ``genmech design structure``: structure, densities, optimiser, and the figures that are reported."""

from functools import cached_property

import numpy as np

from genmech_fem.adapters.conforming_structure import ConformingStructure
from genmech_fem.adapters.pixel_structure import pixel_structure
from genmech_fem.adapters.wheel import Wheel
from genmech_fem.cli.structure_settings import Settings
from genmech_fem.design import (
    RAMP,
    SIMP,
    Densities,
    DensityFilter,
    OptimalityCriteria,
    Optimizer,
    Projection,
)
from genmech_fem.design.connectivity import Connected, EnclosedVoids
from genmech_fem.design.manufacturability import MinimumFeature
from genmech_fem.design.nlopt import MMA
from genmech_fem.design.overhang import Overhang
from genmech_fem.errors import require
from genmech_fem.forward import ForwardModel
from genmech_fem.geometry.standard_structures import cantilever_structure, mbb_structure
from genmech_fem.geometry.structures import Structure, node_grid

LAWS: dict[str, type[SIMP] | type[RAMP]] = {"simp": SIMP, "ramp": RAMP}
METHODS: dict[str, type[Optimizer]] = {"oc": OptimalityCriteria, "mma": MMA}
NAMES = ("x", "y", "z")

type Term = MinimumFeature | Connected | EnclosedVoids | Overhang


class Task:
    """The problem of a run, and how its answer is judged.

    Args:
        settings: What to do.

    Raises:
        ValueError: A setting is out of its range.
        MissingExtraError: The optimiser is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, solid, void = settings, None, None
        if settings.load == "wheel":
            wheel = Wheel(settings.shape[0])
            self.structure, solid, void = wheel.structure, wheel.solid, wheel.void
            if not solid.mean() < settings.volume < 1 - void.mean():
                raise ValueError(
                    f"--volume: expected a share of the square between {solid.mean():.3f}, that of rim and hub, and "
                    f"{1 - void.mean():.3f}, that of the wheel, got {settings.volume}"
                )
        else:
            self.structure = beam(settings)
        if settings.optimizer == "mma":
            require("nlopt", "nlopt")
        self.optimizer = METHODS[settings.optimizer]()
        smooth = DensityFilter(self.structure.grid, settings.radius * self.structure.grid.spacing[0])
        kind = LAWS[settings.interpolation]
        law = kind() if settings.penalty is None else kind(settings.penalty)
        projections = [None, *(Projection(beta) for beta in settings.sharpness)]
        self.densities = [Densities(smooth, law, projection, solid, void) for projection in projections]
        self.terms: dict[str, Term] = {
            "min_feature": MinimumFeature(settings.min_feature),
            "disconnected": Connected(self._supported),
            "enclosed_voids": EnclosedVoids(),
            **{f"overhang_{NAMES[axis]}": Overhang(axis) for axis in range(len(settings.shape))},
        }

    @cached_property
    def model(self) -> ForwardModel:
        """From moduli to compliances on the grid cells."""
        return pixel_structure(self.structure)

    def solid(self, refine: int = 1) -> ConformingStructure:
        """The solver on conforming meshes."""
        return ConformingStructure(self.structure, self.settings.volume, refine)

    @property
    def meanings(self) -> dict[str, str]:
        """What each figure is a share of."""
        ways = [f"overhang_{name}" for name in NAMES]
        return {
            "min_feature": f"cells that opening or closing with the radius {self.settings.min_feature:g} changes",
            "disconnected": "solid in pieces that touch no support",
            "enclosed_voids": "void that is enclosed",
            **{way: f"solid without support from below, built along {way[-1]}" for way in ways},
        }

    @property
    def _supported(self) -> np.ndarray:
        """Cells (*grid) with a corner that a support holds."""
        nodes = node_grid(self.structure.grid)
        points = np.pad(nodes.points().T, ((0, 3 - nodes.dimension), (0, 0)))
        held = np.any([self.structure.place(s.where)(points) for s in self.structure.supports], axis=0)
        held = held.reshape(nodes.shape)
        for axis in range(held.ndim):
            held = np.delete(held, -1, axis) | np.delete(held, 0, axis)
        return held


def beam(settings: Settings) -> Structure:
    """A beam with loads on patches of two cells or more, which meshes of any design can carry."""
    length, height = settings.shape[:2]
    if settings.load == "mbb":
        return mbb_structure(settings.shape, max(0.05, 2 / length))
    return cantilever_structure(settings.shape, max(0.1, 2 / height))
