"""A campaign over a design of experiments: fibre composites of every volume fraction, each on its own mesh.

Run it with  python examples/campaign.py
"""

from pathlib import Path

from genmech_fem.adapters import ConformingHomogenization, Material
from genmech_fem.datasets import Campaign, Processes, Range, Sobol, Store, generate
from genmech_fem.fields import Arrays
from genmech_fem.geometry import mesh_of
from genmech_fem.metrics import isotropic_stiffness
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.plotting import to_png

import numpy as np
from matplotlib.figure import Figure


def fibres(parameters: Arrays, generator: np.random.Generator) -> Arrays:
    """Fibres of the wanted volume fraction."""
    fraction = float(parameters["fraction"][0, 0])
    return PeriodicFibres(resolution=24, volume_fraction=(fraction, fraction))(generator)


def bounds(fractions: np.ndarray, phases: tuple[Material, Material]) -> tuple[np.ndarray, np.ndarray]:
    """C11 [GPa] of the means of Voigt and Reuss for fractions (n,) of the second phase."""
    matrix, fibre = (isotropic_stiffness(one.youngs_modulus, one.poisson_ratio) for one in phases)
    shares = fractions[:, None, None]
    reuss = np.linalg.inv((1 - shares) * np.linalg.inv(matrix) + shares * np.linalg.inv(fibre))
    return ((1 - shares) * matrix + shares * fibre)[:, 0, 0], reuss[:, 0, 0]


def picture(arrays: Arrays, phases: tuple[Material, Material]) -> Figure:
    """Meshes from few to many fibres, and C11 of all samples between its bounds."""
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 1.2))
    meshes = [mesh_of(arrays, i) for i in range(len(arrays["stiffness"]))]
    fraction = np.array([mesh.measures()[mesh.tags == 1].sum() for mesh in meshes])  # a mesh may miss the wanted one
    order = fraction.argsort()[np.linspace(0, len(meshes) - 1, 4).astype(int)]
    for ax, i in zip(left.subplots(2, 2).ravel(), order, strict=True):
        ax.tripcolor(*meshes[i].points.T, meshes[i].cells, facecolors=meshes[i].tags, cmap="coolwarm", ec="k", lw=0.1)
        ax.set(aspect="equal", title=f"{100 * fraction[i]:.0f} % fibres")
        ax.set_axis_off()
    ax, line = right.subplots(), np.linspace(fraction.min(), fraction.max())
    ax.plot(fraction, arrays["stiffness"][:, 0], ".", label="DOLFINx")
    for values, style, name in zip(bounds(line, phases), ("k--", "k:"), ("Voigt", "Reuss"), strict=True):
        ax.plot(line, values, style, label=name)
    ax.set(xlabel="volume fraction of the meshed fibres", ylabel="C11 [GPa]")
    ax.legend()
    return figure


def main(folder: Path = Path("runs/campaign"), *, samples: int = 64, workers: int = 2) -> float:
    """Return the slope of log C11 over the fibre fraction, from samples that each have a mesh of their own."""
    design = Sobol((Range("fraction", 0.1, 0.4),), build=fibres)
    model = ConformingHomogenization(24, refine=1, keep_mesh=True)
    campaign = Campaign(model, design, samples, title="Glass fibres in epoxy", licence="CC BY 4.0")
    report = generate(campaign, folder, engine=Processes(workers, time_limit=60))
    print(f"{report.finished} samples, {len(report.failures)} failed, {1000 * report.solve_seconds:.0f} ms each")
    store = Store.open(folder)
    _, arrays = store.read(names=["fraction", "stiffness", "mesh.points", "mesh.cells", "mesh.tags"])
    cells = arrays["mesh.cells.mask"].sum(axis=1)
    print(f"{cells.min()} to {cells.max()} triangles; data card: {folder / 'README.md'}")
    (folder / "stiffness.png").write_bytes(to_png(picture(arrays, (model.matrix, model.inclusion))))
    slope, _ = np.polyfit(arrays["fraction"][:, 0], np.log(arrays["stiffness"][:, 0]), 1)
    print(f"C11 grows by {np.expm1(0.1 * slope):.0%} for 10 % more fibres")
    return float(slope)


if __name__ == "__main__":
    main()
