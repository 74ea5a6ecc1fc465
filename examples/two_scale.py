"""A structure whose cells are designed by a generator and answered by a surrogate, verified with all its detail.

A cantilever of square cells of epoxy, each reinforced by four glass struts: along x, along y and along both diagonals.
All pass through the middle of the cell, and those of neighbours meet in the middle of their common side or in their
common corner whatever their widths are, so any cell fits to any other. A VAE learns the family from images, and its
latents are the variables of every cell:

latents -> decoder (ONNX) -> phase fields -> surrogate (ONNX) -> stiffnesses -> structure (DOLFINx) -> compliance

The loop differentiates through both files and the solver. Then the decoded cells are put together to one image, which
is meshed conformingly and solved: does the gain that homogenisation promised hold in the structure itself? Run it with
python examples/two_scale.py  (two minutes).
"""

from pathlib import Path

from genmech_fem.adapters import (
    EPOXY,
    GLASS,
    ConformingHomogenization,
    ResolvedStructure,
    each_cell,
    homogenized_structure,
)
from genmech_fem.design import Constraint, Mean, TrustConstr, Value, minimize
from genmech_fem.export import generator_model, to_onnx
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import DifferentiableForwardModel, compose
from genmech_fem.generative import VAE
from genmech_fem.metrics import relative_frobenius
from genmech_fem.microstructure import phase_from_distance, phase_grid, phase_spec
from genmech_fem.problems import Clamped, Traction, lame
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import PropertySurrogate, TorchModel
from genmech_fem.training import Recipe, fit

import numpy as np
import torch
from matplotlib.figure import Figure

WIDTHS = (0.08, 0.28)
"""Of the struts [cell length]."""
LATENTS = 4
STIFFNESS = ScalarSpec("stiffness", 6, "GPa")


def struts(widths: np.ndarray, resolution: int) -> torch.Tensor:
    """Phase fields (n, 1, resolution, resolution) of cells with struts of some widths (n, 4) [cell length]."""
    x, y = phase_grid(resolution).points().T - 0.5
    diagonals = [np.abs((x + sign * y + 0.5) % 1 - 0.5) / np.sqrt(2) for sign in (-1, 1)]
    distance = np.stack([np.abs(y), np.abs(x), *diagonals]) - widths[:, :, None] / 2
    phase = phase_from_distance(distance.min(axis=1), 1 / resolution)
    return torch.tensor(phase).float().reshape(-1, 1, resolution, resolution)


def inside(z: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Latents (batch, latent, ...) moved into the ball that those of the family fill."""
    return z / torch.sqrt(1 + z.square().sum(1, keepdim=True) / radius**2)


def generator(resolution: int, steps: int) -> tuple[VAE, torch.Tensor]:
    """A VAE of the family, and the radius within which 95 percent of its latents are."""
    x = struts(np.random.default_rng(0).uniform(*WIDTHS, (1500, 4)), resolution)
    vae = VAE(x.shape[1:], LATENTS, network={"widths": (32,), "patch": 4})
    for _ in fit(vae, {"x": x}, Recipe(steps, batch_size=32)):
        pass
    return vae, vae.encode(x).detach().norm(dim=1).quantile(0.95)


def surrogate(phase: np.ndarray, stiffness: np.ndarray, steps: int) -> PropertySurrogate:
    """A network from phase fields to stiffnesses between the means of Voigt and Reuss."""
    lames = [lame(material.youngs_modulus, material.poisson_ratio) for material in (EPOXY, GLASS)]
    phases = [(2 * mu * np.eye(3) + lmbda * np.outer([1, 1, 0], [1, 1, 0])).tolist() for mu, lmbda in lames]
    x, y = torch.tensor(phase).float()[:, None], torch.tensor(stiffness).float()
    network = PropertySurrogate(x.shape[1:], 6, head="voigt_reuss", phases=phases, widths=(64,), patch=4)
    for _ in fit(network, {"x": x, "y": y}, Recipe(steps, batch_size=32)):
        pass
    return network


def trained(folder: Path, vae: VAE, radius: torch.Tensor, samples: int, steps: int) -> tuple[OnnxModel, OnnxModel]:
    """Decoder, and the surrogate of the cells that it draws, as files with gradients."""
    resolution = vae.shape[-1]
    decoder = generator_model(vae, field=phase_spec(resolution))
    draw, known = np.random.default_rng(1), slice(samples)
    arrow = draw.standard_normal((samples + 50, LATENTS))
    share = draw.uniform(size=(len(arrow), 1)) ** (1 / LATENTS) / np.linalg.norm(arrow, axis=1, keepdims=True)
    latent = float(radius) * share * arrow
    phase = decoder({"latent": latent})["phase"]
    solver = ConformingHomogenization(resolution, refine=2)
    stiffness = solver({"phase": phase})["stiffness"]
    network = TorchModel(surrogate(phase[known], stiffness[known], steps), solver.inputs, (STIFFNESS,))
    to_onnx(decoder, folder / "decoder.onnx", {"latent": latent[:3]}, vjp=True)
    to_onnx(network, folder / "surrogate.onnx", {"phase": phase[:3]}, vjp=True)
    found = OnnxModel(folder / "surrogate.onnx")({"phase": phase[samples:]})["stiffness"]
    error = 100 * relative_frobenius(found, stiffness[samples:])
    print(
        f"surrogate on {len(error)} cells it has not seen: error {np.median(error):.1f} %, at most {error.max():.1f} %"
    )
    return OnnxModel(folder / "decoder.onnx"), OnnxModel(folder / "surrogate.onnx")


def freedoms(vae: VAE, radius: torch.Tensor, cells: Grid) -> dict[str, DifferentiableForwardModel]:
    """What may vary, as models from variables to the latents of all cells.

    All cells alike; one width for the four struts of each cell, a grading of the volume; or all latents of each cell.
    Variables are from -1 to 1.
    """
    widths = np.linspace(*WIDTHS, 9)
    encoded = vae.encode(struts(np.repeat(widths[:, None], 4, axis=1), vae.shape[-1])).detach()
    cubic = torch.tensor(np.polyfit(np.linspace(-1, 1, len(widths)), encoded, 3)).float()

    def of_width(x: torch.Tensor) -> torch.Tensor:
        return sum(c[:, None, None] * x ** (3 - k) for k, c in enumerate(cubic))

    wide = 2 * radius
    latents = {
        "uniform": (ScalarSpec("variables", LATENTS), lambda x: wide * x[..., None, None].expand(-1, -1, *cells.shape)),
        "graded": (FieldSpec("variables", cells), of_width),
        "designed": (FieldSpec("variables", cells, (LATENTS,)), lambda x: wide * x),
    }
    spec = FieldSpec("latent", cells, (LATENTS,))
    return {
        name: TorchModel(lambda x, function=function: inside(function(x), radius), (variables,), (spec,))
        for name, (variables, function) in latents.items()
    }


def picture(structure: ResolvedStructure, phases: dict[str, np.ndarray]) -> Figure:
    """The structures (resolution, resolution, *cells), each as it is and deformed."""
    figure = Figure(figsize=(11, 2.9 * len(phases)), layout="constrained")
    for row, (name, phase) in zip(figure.subplots(len(phases), 2), phases.items(), strict=True):
        problem = structure.problem(phase)
        space, moduli = problem.state.function_space, problem.controls["youngs_modulus"]
        x, u = space.tabulate_dof_coordinates()[:, :2], problem.state.x.array.reshape(-1, 2)
        by_cell = moduli.x.array[moduli.function_space.dofmap.list[:, 0]]
        for ax, scale in zip(row, (0.0, 0.1 * np.ptp(x) / np.abs(u).max()), strict=True):
            ax.tripcolor(*(x + scale * u).T, space.dofmap.list, facecolors=by_cell, cmap="bone_r")
            ax.set_aspect("equal")
            ax.set_axis_off()
        row[0].set_title(name)
        row[1].set_title("deformed")
    return figure


def main(
    folder: Path = Path("runs/two_scale"),
    *,
    shape: tuple[int, int] = (8, 4),
    resolution: int = 24,
    samples: int = 300,
    steps: int = 800,
    iterations: int = 60,
    volume: float = 0.55,
) -> dict[str, dict[str, float]]:
    """Make the structure stiff with three freedoms at one volume of glass; print and return a row of each.

    The compliance [J/mm] under 1 kN/mm is that which the loop predicts, that of cells homogenised by DOLFINx, and those
    of the structure with all its detail on a mesh and on a finer one. The folder gets the files and a picture.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cells = Grid(shape, (0.0, 0.0), shape)
    load = Traction(lambda x: np.isclose(x[0], shape[0]), (0.0, -1.0 / shape[1]))
    conditions = (Clamped(lambda x: np.isclose(x[0], 0.0)), load)
    vae, radius = generator(resolution, steps)
    folder.mkdir(parents=True, exist_ok=True)
    decoder, network = trained(folder, vae, radius, samples, steps)
    structure = homogenized_structure(cells, conditions)
    model = compose(each_cell(decoder, cells), each_cell(network, cells), structure, keep=True)
    homogenized = compose(each_cell(ConformingHomogenization(resolution), cells), structure)
    resolved, finer = (ResolvedStructure(cells, resolution, conditions, refine=refine) for refine in (2, 3))
    rows, phases = {}, {}
    for name, latents in freedoms(vae, radius, cells).items():
        found = minimize(
            compose(latents, model, keep=True),
            Value("compliance"),
            {"variables": np.zeros((1, *latents.inputs[0].shape))},
            TrustConstr(),
            constraints=[Constraint(Mean("phase"), most=volume)],
            bounds={"variables": (-1.0, 1.0)},
            iterations=iterations,
        ).verified(resolved, Value("compliance"), finer=finer)
        phases[name] = found.outputs["phase"]
        rows[name] = {
            "predicted": found.value,
            "homogenised": float(homogenized({"phase": phases[name]})["compliance"][0, 0]),
            "resolved": float(found.candidates.values[0]),
            "finer": float(found.candidates.finer_values[0]),
            "volume": float(found.candidates.verified["volume"][0, 0]),
        }
        print(f"{name:8}", {what: round(value, 4) for what, value in rows[name].items()})
    for what in ("predicted", "resolved", "finer"):
        gains = [f"{100 * (1 - rows['designed'][what] / rows[other][what]):.1f} %" for other in ("uniform", "graded")]
        print(f"{what}: less compliance than uniform by {gains[0]}, than graded by {gains[1]}")
    sharp = ResolvedStructure(cells, resolution, conditions)
    picture(sharp, {name: phase[0] for name, phase in phases.items()}).savefig(folder / "structures.png", dpi=150)
    return rows


if __name__ == "__main__":
    main()
