"""Pictures of the pages about theory and verification; ``pictures.py`` draws them."""

import numpy as np
import torch
from matplotlib.figure import Figure

from genmech_fem.adapters import ResidualGuard, cantilever_structure, darcy, pixel_structure
from genmech_fem.design import Densities, DensityFilter, topology_optimization
from genmech_fem.generative.paths import PATHS
from genmech_fem.geometry import design_mesh
from genmech_fem.microstructure import (
    BasicShapes,
    DarcyPermeability,
    GaussianRandomField,
    MinimalSurface,
    PeriodicFibres,
    Spinodoid,
    Voronoi,
)
from genmech_fem.plotting import images

TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)


def noise_paths() -> Figure:
    """A cell on its way to noise, on both paths, and the shares of data and noise."""
    x_0 = torch.tensor(PeriodicFibres(32)(np.random.default_rng(1))["phase"][0])
    x_0 = (x_0 - x_0.mean()) / x_0.std()
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0), dtype=x_0.dtype)
    figure = Figure(figsize=(10, 3.7), layout="constrained")
    axes = figure.subplots(2, len(TIMES) + 1, width_ratios=[1] * len(TIMES) + [1.5])
    for row, path in zip(axes, PATHS.values(), strict=True):
        for ax, t in zip(row, TIMES, strict=False):
            x_t = path.mix(x_0[None], eps[None], torch.tensor([t]))[0]
            ax.imshow(x_t.T.numpy(), origin="lower", cmap="gray", vmin=-2, vmax=2)
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"t = {t:g}", fontsize=9)
        row[0].set_ylabel(path.name)
        t = torch.linspace(0, 1, 100)
        row[-1].plot(t.numpy(), path.alpha(t).numpy(), label=r"$\alpha_t$")
        row[-1].plot(t.numpy(), path.sigma(t).numpy(), label=r"$\sigma_t$")
        row[-1].legend(fontsize=8)
        row[-1].tick_params(labelsize=7)
    return figure


def samplers() -> Figure:
    """One cell of each sampler; of cells in 3D a cut."""
    cells = {
        "PeriodicFibres": PeriodicFibres(64),
        "BasicShapes": BasicShapes(64, count=(4, 4), size=(0.12, 0.16)),
        "GaussianRandomField": GaussianRandomField(64),
        "Voronoi, walls": Voronoi(64, seeds=(12, 12)),
        "Spinodoid, lamellar": Spinodoid(64, angles=(25.0, 0.0), wavenumber=6.0),
        "MinimalSurface, gyroid": MinimalSurface(48),
    }
    fields = [sampler(np.random.default_rng(2))["phase"][0] for sampler in cells.values()]
    cuts = [field if field.ndim == 2 else field[:, :, 10] for field in fields]
    permeability = DarcyPermeability(84)(np.random.default_rng(1))["permeability"][0]
    pictures, titles = [*cuts, permeability > 3], [*cells, "DarcyPermeability"]
    return images([pictures], [titles], colours="gray_r", limits=(0, 1), size=1.6)


def certificates() -> Figure:
    """True errors and their bounds, of wrong pressures of many kinds."""
    flow, draw, generator = darcy(24), DarcyPermeability(24), np.random.default_rng(0)
    permeability = np.concatenate([draw(np.random.default_rng(i))["permeability"] for i in range(40)])
    inputs = {"permeability": permeability}
    truth = flow(inputs)["pressure"]
    smooth = np.sin(np.pi * np.linspace(0, 1, 25))
    bump = np.outer(smooth, np.sin(2 * np.pi * np.linspace(0, 1, 25))) * truth.max()
    size = 10 ** generator.uniform(-3, 0, (40, 1, 1))
    noise = generator.standard_normal(truth.shape) * (smooth[:, None] * smooth) * truth.max()
    wrong = {
        "answer for another sample": np.roll(truth, 1, axis=0),
        "mean of all answers": np.broadcast_to(truth.mean(axis=0), truth.shape),
        "smooth error": truth + size * bump,
        "noise": truth + 0.1 * size * noise,
        "a constant factor": truth * (1 + size),
    }
    guard = ResidualGuard.around(flow, inputs, tolerance=1e3, steps=0)
    figure = Figure(figsize=(5.6, 4.6), layout="constrained")
    ax = figure.subplots()
    for name, pressure in wrong.items():
        answer = {"pressure": pressure}
        ax.loglog(
            guard.error(inputs, answer, {"pressure": truth}), guard.judge(inputs, answer).measure, ".", label=name
        )
    ax.plot(ax.get_xlim(), ax.get_xlim(), "k", lw=0.8, label="error = bound")
    ax.set(xlabel="true relative error, energy norm", ylabel="bound from the residual")
    ax.legend(fontsize=8)
    return figure


def topology() -> Figure:
    """Grey densities of an optimum, and the mesh of the solid that is verified."""
    beam = cantilever_structure((60, 30))
    densities = Densities(DensityFilter(beam.grid, 0.06 * beam.grid.upper[1]))
    found = topology_optimization(pixel_structure(beam), densities, 0.4, iterations=60)
    density = found.outputs["density"][0]
    mesh = design_mesh(density, lower=beam.grid.lower, upper=beam.grid.upper).mesh
    figure = Figure(figsize=(9.5, 2.7), layout="constrained")
    axes = figure.subplots(1, 2)
    axes[0].imshow(density.T, origin="lower", cmap="gray_r", vmin=0, vmax=1)
    axes[1].tripcolor(
        *mesh.points.T[:2], mesh.cells, facecolors=mesh.tags, cmap="Blues", vmin=-1, vmax=2, ec="0.3", lw=0.1
    )
    for ax, title in zip(axes, ("densities of the optimum", "mesh of the solid, of the same volume"), strict=True):
        ax.set(aspect="equal", xticks=[], yticks=[])
        ax.set_title(title, fontsize=10)
    return figure
