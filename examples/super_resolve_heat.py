"""Coarse sequences of a temperature made fine: tempoGAN, beside the same network trained frame by frame.

A source runs around in a plate of fibres and matrix; DOLFINx gives the fine sequences, and means over 8 x 8 points the
coarse ones. Which fibre the heat flows around is below the resolution of the coarse frames: the networks have to
invent it, and the temporal discriminator sees to it that they invent the same thing in every frame.
Run it with  python examples/super_resolve_heat.py FOLDER
"""

import sys
from pathlib import Path

from genmech_fem.adapters import ProblemModel, as_vector, cell_values, sample_history
from genmech_fem.fields import FieldSpec, ScalarSpec
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.tempo_gan import TempoGAN, flicker, temporal_error
from genmech_fem.microstructure import PeriodicFibres, phase_grid
from genmech_fem.plotting import to_png
from genmech_fem.problems import Source, TimeSteps, transient_heat  # loads the wheel of DOLFINx: before dolfinx
from genmech_fem.training import Recipe, fit, save_model

import numpy as np
import torch
from dolfinx import mesh
from matplotlib.figure import Figure
from mpi4py import MPI

POINTS, FACTOR, STEPS, SOURCES = 32, 8, 12, 8
FIBRE, MATRIX = 1.0, 0.05  # conductivities [W/(m K)]


def plate() -> ProblemModel:
    """From the conductivity [W/(m K)] and the powers [W/m^3] of a ring of sources to temperatures [K] in time [s]."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, POINTS, POINTS, mesh.CellType.quadrilateral)
    angles = 2 * np.pi * np.arange(SOURCES) / SOURCES
    sources = [
        Source(0.0, where=lambda x, angle=angle: in_disc(x, angle), name=f"source{i}") for i, angle in enumerate(angles)
    ]
    names = [source.name for source in sources]
    problem = transient_heat(domain, TimeSteps(0.01, STEPS, theta=1.0), sources, series=names)
    conductivity = FieldSpec("conductivity", phase_grid(POINTS), (), "W/(m K)")
    history = FieldSpec("temperature", phase_grid(POINTS), (STEPS + 1,), "K")
    return ProblemModel(
        problem,
        (
            cell_values(problem.controls["conductivity"], conductivity, "conductivity"),
            *(as_vector(ScalarSpec(name, STEPS, "W/m^3"), name) for name in names),
        ),
        (sample_history(problem, history),),
    )


def in_disc(x: np.ndarray, angle: float) -> np.ndarray:
    """Which points (3, n) lie in the disc at this angle [rad] of the ring."""
    return np.hypot(x[0] - 0.5 - 0.28 * np.cos(angle), x[1] - 0.5 - 0.28 * np.sin(angle)) < 0.1


def sequences(samples: int, seed: int) -> dict[str, torch.Tensor]:
    """Fine sequences ``x`` (samples, frames, 1, 32, 32) and ``coarse`` ones (samples, frames, 1, 4, 4) [K]."""
    model, draw = plate(), PeriodicFibres(POINTS)
    generators = [np.random.default_rng([seed, i]) for i in range(samples)]
    phase = np.concatenate([draw(generator)["phase"] for generator in generators])
    start, turns = (np.array([generator.uniform(0, 1) for generator in generators])[:, None] for _ in range(2))
    place = start + np.where(turns < 0.5, -1, 1) * (0.5 + turns % 0.5) * np.linspace(0, 1, STEPS)
    powers = {
        f"source{i}": 1000 * np.maximum(0, np.cos(2 * np.pi * (place - i / SOURCES))) ** 8 for i in range(SOURCES)
    }
    inputs = {"conductivity": np.where(phase > 0.5, FIBRE, MATRIX), **powers}
    x = torch.as_tensor(model(inputs)["temperature"][:, 1:, None], dtype=torch.float32)
    coarse = torch.nn.functional.avg_pool2d(x.flatten(0, 1), FACTOR).unflatten(0, x.shape[:2])
    return {"x": x, "coarse": coarse}


def figures(fine: torch.Tensor, truth: torch.Tensor) -> dict[str, float]:
    """Relative errors of frames and of their changes, and the energy of second differences over the true one."""
    return {
        "error": float((fine - truth).norm() / truth.norm()),
        "temporal error": float(temporal_error(fine, truth).mean()),
        "flicker": float(flicker(fine, truth).mean()),
    }


def picture(rows: dict[str, torch.Tensor]) -> Figure:
    """Every third frame of sequences (frames, 1, nx, ny), one below the other, in the colours of the last one."""
    frames = range(2, STEPS, 3)
    figure = Figure(figsize=(1.9 * len(frames) + 0.9, 1.9 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(frames))
    limit = float(list(rows.values())[-1].max())
    for line, (name, sequence) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name)
        for ax, frame in zip(line, frames, strict=True):
            shown = ax.imshow(sequence[frame, 0].numpy().T, origin="lower", cmap="inferno", vmin=0, vmax=limit)
            ax.set(xticks=[], yticks=[])
    for ax, frame in zip(axes[0], frames, strict=True):
        ax.set_title(f"{0.01 * (frame + 1):.2f} s")
    figure.colorbar(shown, ax=axes, label="temperature [K]", shrink=0.5)
    return figure


def main(folder: str | Path, *, samples: int = 256, steps: int = 600, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return the figures of unseen sequences for bilinear interpolation, frame by frame, and tempoGAN."""
    torch.set_num_threads(1)
    data, unseen = sequences(samples, 0), sequences(32, 1)
    coarse, truth = unseen["coarse"].flatten(0, 1), unseen["x"]
    bilinear = torch.nn.functional.interpolate(coarse, scale_factor=FACTOR, mode="bilinear")
    shown = {"coarse": unseen["coarse"][0], "bilinear": bilinear.reshape(truth.shape)[0]}
    found = {"bilinear": figures(bilinear.reshape(truth.shape), truth)}
    for name, temporal in (("frame by frame", 0.0), ("tempoGAN", 1.0)):
        torch.manual_seed(seed)
        sizes = Architecture(widths=(16, 32), padding_mode="zeros")
        model = TempoGAN((1, POINTS // FACTOR, POINTS // FACTOR), FACTOR, temporal=temporal, network=sizes)
        for progress in fit(model, data, Recipe(steps=steps, batch_size=8, learning_rate=2e-3, seed=seed)):
            if progress.step % 100 == 0:
                print(f"{name}: step {progress.step} of {steps}, {progress.seconds_left:.0f} s left")
        save_model(model, Path(folder) / f"{name}.safetensors")
        with torch.no_grad():
            fine = model.refine(coarse).reshape(truth.shape)
        found[name], shown[name] = figures(fine, truth), fine[0]
    (Path(folder) / "frames.png").write_bytes(to_png(picture({**shown, "DOLFINx": truth[0]})))
    return found


if __name__ == "__main__":
    for name, row in main(sys.argv[1]).items():
        print(name, ", ".join(f"{figure} {value:.3f}" for figure, value in row.items()))
