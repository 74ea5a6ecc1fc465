"""Rims of wheels by a generator that has learnt from optimal topologies.

Spoked wheels are references. Each is optimised at several weights of its likeness, all at one volume; a variational
autoencoder learns the optima and draws new wheels. Those that are one body, nowhere thin and far from every optimum in
every orientation are ranked by a solve on pixels; the best are meshed, solved, and improved by a few steps. Blends of
two optima, which need no training, go the same way. After Oh, Jung, Kim, Lee and Kang, Deep generative design (2019),
doi:10.1115/1.4044229, with a VAE for their boundary equilibrium GAN.

Run it with  python examples/wheel_rims.py FOLDER  (a bit more than a minute), which then holds meshes and a picture.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from genmech_fem.adapters import Wheel
from genmech_fem.adapters.wheel import Arc
from genmech_fem.design import (
    AtVolume,
    Candidates,
    Densities,
    DensityFilter,
    Moduli,
    Objective,
    Value,
    Weighted,
    inverse_design,
    topology_optimization,
)
from genmech_fem.design.connectivity import Connected
from genmech_fem.design.diversity import Diversity
from genmech_fem.design.inverse import Acceptance
from genmech_fem.design.manufacturability import MinimumFeature
from genmech_fem.design.novelty import Novelty
from genmech_fem.design.similarity import Similarity
from genmech_fem.fields import Arrays, FieldSpec, take
from genmech_fem.forward import ForwardModel, FunctionModel, compose
from genmech_fem.generative import VAE, Architecture
from genmech_fem.geometry import export_design
from genmech_fem.plotting import images, to_png
from genmech_fem.training import Recipe, fit

import numpy as np
import torch
from scipy.ndimage import map_coordinates, rotate
from scipy.optimize import brentq

VOLUME = 0.38  # of the square, rim and hub included
THIN = 0.03  # most cells that an opening or a closing changes
NEW = 1.0  # least novelty: 1 is as far as half of the optima are from the nearest other one
COMPLIANCE, FEATURE = Value("compliance"), MinimumFeature(1.0)


@dataclass(frozen=True, eq=False)
class Studio:
    """What all designs of one wheel share.

    Args:
        wheel: The wheel.
        kept: Designs of a group that are meshed and solved again.
    """

    wheel: Wheel
    kept: int

    @cached_property
    def solver(self) -> ForwardModel:
        """From moduli to compliances."""
        return self.wheel.model()

    @cached_property
    def densities(self) -> Densities:
        """From variables to moduli, with rim and hub."""
        smooth = DensityFilter(self.wheel.grid, 1.5 / self.wheel.resolution)
        return Densities(smooth, solid=self.wheel.solid, void=self.wheel.void)

    @cached_property
    def finish(self) -> ForwardModel:
        """From any ``field`` to a smooth ``density`` of the volume with rim and hub, the last step of every design."""
        field, level = (FieldSpec(name, self.wheel.grid) for name in ("field", "level"))
        smooth = FunctionModel(lambda arrays: {"level": self.densities.filter(arrays["field"])}, (field,), (level,))
        return compose(smooth, AtVolume(level, VOLUME, solid=self.wheel.solid, void=self.wheel.void))

    def reference(self, spokes: int, sweep: float) -> np.ndarray:
        """Density (nx, ny) of a wheel whose spokes turn by `sweep` [degree] on their way to the rim."""
        width = brentq(lambda width: self.wheel.spoked(spokes, width).mean() - VOLUME, 0.02, 0.4)
        x, y = self.wheel.grid.points().T - 0.5
        radius = np.hypot(x, y)
        angle = np.arctan2(y, x) + np.radians(sweep) * (radius - self.wheel.hub) / (self.wheel.radius - self.wheel.hub)
        places = (0.5 + radius * np.array([np.cos(angle), np.sin(angle)])) * self.wheel.resolution - 0.5
        return map_coordinates(self.wheel.spoked(spokes, width), places, order=1).reshape(self.wheel.grid.shape)

    def steps(
        self, start: np.ndarray | None, iterations: int, objective: Objective = COMPLIANCE
    ) -> dict[str, np.ndarray]:
        """Density (1, nx, ny) and compliances (1, cases) after so many steps of topology optimisation."""
        return topology_optimization(
            self.solver, self.densities, VOLUME, objective=objective, start=start, iterations=iterations
        ).outputs

    def optima(
        self, references: Sequence[np.ndarray], weights: Sequence[float], iterations: int, *, scale: float
    ) -> np.ndarray:
        """Densities (references * weights, nx, ny) that are as stiff as a likeness of these weights allows."""
        found = []
        for picture in references:
            start = 0.25 * VOLUME + 0.75 * picture  # leaves some material to take and to give everywhere
            goals = [Weighted((1 / scale, COMPLIANCE), (weight, Similarity(picture))) for weight in weights]
            found += [self.steps(start, iterations, goal)["density"] for goal in goals]
        return self.finish({"field": np.concatenate(found)})["density"]

    def search(self, fields: np.ndarray, accept: Acceptance | None = None) -> Candidates:
        """The stiffest of fields (draws, nx, ny), by a solve on pixels of each and one on a mesh of the best few."""
        return inverse_design(
            self.finish,
            compose(Moduli(FieldSpec("youngs_modulus", self.wheel.grid)), self.solver),
            self.wheel.conforming(VOLUME, refine=2),
            COMPLIANCE,
            {"field": fields},
            solves=self.kept,
            accept=accept,
        )


class Judge:
    """Tells whether a wheel can be made, and whether it is new.

    Args:
        wheel: The wheel.
        known: Densities (optima, nx, ny).
    """

    def __init__(self, wheel: Wheel, known: np.ndarray) -> None:
        self.wheel, self.novelty = wheel, Novelty(known)
        self.diversity = Diversity(width=5 * self.novelty.scale)  # some median distance of two optima
        self.one_body = Connected(Arc(0.0, wheel.hub)(wheel.grid.points().T).reshape(wheel.grid.shape))

    def new(self, densities: np.ndarray) -> np.ndarray:
        """Novelty (batch,) in the orientation in which a wheel is most like one of the optima, mirrored or not."""
        turns = (rotate(densities, angle, axes=(1, 2), reshape=False, order=1) for angle in np.arange(0, 360, 7.5))
        both = (image for turned in turns for image in (turned, turned[:, ::-1]))
        return np.min([self.novelty.measure({"density": image}) for image in both], axis=0)

    def accept(self, arrays: Arrays) -> np.ndarray:
        """Whether each wheel (batch,) is one body, nowhere thin, and new; prints how many are."""
        sound = (self.one_body.measure(arrays) == 0) & (FEATURE.measure(arrays) < THIN)
        taken = sound & (self.new(arrays["density"]) > NEW)
        print(f"{len(sound)} draws, {sound.sum()} of one body without thin parts, {taken.sum()} of these new")
        return taken

    def row(self, found: Candidates, *, new: bool = False) -> dict[str, float]:
        """Figures of the stiffest wheel, with `new` of the stiffest new one if there is any, on a finer mesh too."""
        novelty = self.new(found.designs["density"])
        k = int(np.lexsort((found.values, (novelty <= NEW) & new))[0])
        best = take(found.designs, [k])
        compliance = float(COMPLIANCE(self.wheel.conforming(VOLUME, refine=3)(best))[0])
        return {
            "number": k,
            "compliance": compliance,
            "change on the finer mesh [%]": 100 * abs(compliance / float(found.values[k]) - 1),
            "bodies": 1 + len(self.wheel.conforming(VOLUME, refine=2).mesh(best["density"][0]).islands),
            "novelty": float(novelty[k]),
            "thin [%]": 100 * float(FEATURE.measure(best)[0]),
            "new [%]": 100 * float((novelty > NEW).mean()),
            "Vendi score": float(self.diversity.measure(found.designs)[0]),
        }


def sampled(training: np.ndarray, draws: int, *, latent: int, steps: int) -> np.ndarray:
    """Fields (draws, nx, ny) of a variational autoencoder trained on densities (samples, nx, ny)."""
    torch.manual_seed(0)
    model = VAE((1, *training.shape[1:]), latent, network=Architecture((16, 32), patch=4, padding_mode="zeros"))
    recipe = Recipe(steps, batch_size=min(24, len(training)))
    for _ in fit(model, {"x": torch.as_tensor(training[:, None]).float()}, recipe):
        pass
    return model.sample(draws, generator=torch.Generator().manual_seed(0))[:, 0].double().numpy()


def blended(training: np.ndarray, draws: int) -> np.ndarray:
    """Weighted means (draws, nx, ny) of two densities each out of (samples, nx, ny)."""
    generator = np.random.default_rng(0)
    one, two = training[generator.integers(len(training), size=(2, draws))]
    share = generator.uniform(0.25, 0.75, (draws, 1, 1))
    return share * one + (1 - share) * two


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """The rows as text."""
    heads = "compliance  /reference  /plain optimum  finer mesh [%]  novelty  thin [%]  new [%]  Vendi score"
    reference, plain = (rows[name]["compliance"] for name in ("reference", "plain optimum"))
    lines = [f"{'the best of':22}{heads}"]
    for name, row in rows.items():
        c = row["compliance"]
        lines.append(
            f"{name:22}{c:10.1f}{c / reference:12.2f}{c / plain:16.2f}{row['change on the finer mesh [%]']:16.2f}"
            f"{row['novelty']:9.2f}{row['thin [%]']:10.1f}{row['new [%]']:9.0f}{row['Vendi score']:13.1f}"
        )
    return "\n".join(lines)


def write(
    folder: Path, wheel: Wheel, groups: Mapping[str, Candidates], rows: Mapping[str, Mapping[str, float]]
) -> None:
    """Write meshes of the best wheels, and a picture of all that were solved on meshes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, row in rows.items():
        density = groups[name].designs["density"][int(row["number"])]
        export_design(wheel.conforming(VOLUME, refine=2).mesh(density), folder / f"{name.replace(' ', '_')}.msh")
    most = max(len(found.values) for found in groups.values())
    columns = sorted(groups.items(), key=lambda group: -len(group[1].values))  # short ones at the right
    table = [[(name, found) for name, found in columns if k < len(found.values)] for k in range(most)]
    pictures = [[found.designs["density"][k] for _, found in line] for k, line in enumerate(table)]
    titles = [[f"{name}: {found.values[k]:.0f}" for name, found in line] for k, line in enumerate(table)]
    (folder / "wheels.png").write_bytes(to_png(images(pictures, titles, colours="gray_r", limits=(0, 1))))


def main(
    folder: Path | None = None,
    *,
    resolution: int = 48,
    spokes: Sequence[int] = (3, 5, 6, 7),
    sweeps: Sequence[float] = (0.0, 30.0, 60.0),
    weights: Sequence[float] = (0.3, 2.0),
    iterations: int = 20,
    steps: int = 600,
    draws: int = 128,
    kept: int = 5,
) -> dict[str, dict[str, float]]:
    """Return figures of the best wheel of each group.

    Args:
        folder: Where meshes and a picture are written, if anywhere.
        resolution: Cells along the wheel.
        spokes: Numbers of spokes of the references.
        sweeps: Angles by which their spokes turn [degree].
        weights: Of the likeness, against the compliance over that of the plain optimum.
        iterations: Steps of each optimisation.
        steps: Steps of the training.
        draws: Of the generator, and of blends.
        kept: Designs of each group that are meshed and solved.
    """
    torch.set_num_threads(1)
    studio = Studio(Wheel(resolution, angles=12), kept)  # so many forces that no spoke number is at an advantage
    references = np.stack([studio.reference(number, sweep) for number in spokes for sweep in sweeps])
    plain = studio.steps(None, 2 * iterations)  # it starts from an even grey
    known = studio.optima(references, weights, iterations, scale=float(plain["compliance"].sum()))
    judge = Judge(studio.wheel, known)
    groups = {
        "reference": studio.search(references),
        "plain optimum": studio.search(plain["density"]),
        "optimum like one": studio.search(known),
    }
    training = np.concatenate([known, known[:, :, ::-1]])  # the mirror image of a wheel is as stiff
    for name, fields in {
        "blend": blended(training, draws),
        "VAE": sampled(training, draws, latent=4, steps=steps),
    }.items():
        print(name, end=": ")
        groups[name] = studio.search(fields, judge.accept)
        improved = [studio.steps(density, 10)["density"] for density in groups[name].designs["density"]]
        groups[f"{name} and 10 steps"] = studio.search(np.concatenate(improved))
    rows = {name: judge.row(found, new=name.startswith(("blend", "VAE"))) for name, found in groups.items()}
    print(table(rows))
    if folder is not None:
        write(Path(folder), studio.wheel, groups, rows)
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
