"""A campaign over a design of experiments: fibre composites of every volume fraction, each on its own mesh.

Run it with  python examples/campaign.py
"""

from pathlib import Path

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.datasets import Campaign, Processes, Range, Sobol, Store, generate
from genmech_fem.fields import Arrays
from genmech_fem.microstructure import PeriodicFibres

import numpy as np


def fibres(parameters: Arrays, generator: np.random.Generator) -> Arrays:
    """Fibres of the wanted volume fraction."""
    fraction = float(parameters["fraction"][0, 0])
    return PeriodicFibres(resolution=24, volume_fraction=(fraction, fraction))(generator)


def main(folder: Path = Path("runs/campaign"), *, samples: int = 64, workers: int = 2) -> float:
    """Return the slope of log C11 over the fibre fraction, from samples that each have a mesh of their own."""
    design = Sobol((Range("fraction", 0.1, 0.4),), build=fibres)
    model = ConformingHomogenization(24, refine=1, keep_mesh=True)
    campaign = Campaign(model, design, samples, title="Glass fibres in epoxy", licence="CC BY 4.0")
    report = generate(campaign, folder, engine=Processes(workers, time_limit=60))
    print(f"{report.finished} samples, {len(report.failures)} failed, {1000 * report.solve_seconds:.0f} ms each")
    store = Store.open(folder)
    _, arrays = store.read(names=["fraction", "stiffness", "mesh.cells"])
    cells = arrays["mesh.cells.mask"].sum(axis=1)
    print(f"{cells.min()} to {cells.max()} triangles; data card: {folder / 'README.md'}")
    slope, _ = np.polyfit(arrays["fraction"][:, 0], np.log(arrays["stiffness"][:, 0]), 1)
    print(f"C11 grows by {np.expm1(0.1 * slope):.0%} for 10 % more fibres")
    return float(slope)


if __name__ == "__main__":
    main()
