"""The same design loop and the same campaign with DOLFINx and with scikit-fem: the answers, and what they cost.

    python plugins/genmech-skfem/example.py

``ForwardModel`` is all that loops and campaigns know of a solver, so that changing it takes one name.
"""

import tempfile
from pathlib import Path

import genmech_skfem
import numpy as np
from genmech_skfem import benchmark
from tabulate import tabulate

from genmech_fem import adapters
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.microstructure import PeriodicFibres

BACK_ENDS = {"DOLFINx": adapters, "scikit-fem": genmech_skfem}


def stores(folder: Path, resolution: int, size: int) -> dict[str, np.ndarray]:
    """The stiffnesses (size, 6) [GPa] that the same campaign stores with each back-end."""
    found = {}
    for name, back_end in BACK_ENDS.items():
        generate(Campaign(back_end.pixel_stiffness(resolution), PeriodicFibres(resolution), size), folder / name)
        found[name] = Store.open(folder / name).read()[1]["stiffness"]
    return found


def main(
    beams: tuple[tuple[int, int, int], ...] = ((60, 20, 40), (120, 40, 20)), cells: tuple[int, ...] = (32, 64)
) -> tuple[list[benchmark.Row], dict[str, np.ndarray]]:
    """Compare both back-ends.

    Args:
        beams: Cells along the beams and over their height, and iterations.
        cells: Pixels along each side of the cells.

    Returns:
        The rows of the benchmark, and the stored stiffnesses by back-end.
    """
    rows = [row for beam in beams for row in benchmark.rows(*beam, adapters.mbb_beam)]
    rows += [row for n in cells for row in benchmark.cell_rows(n, 12, adapters.pixel_stiffness)]
    with tempfile.TemporaryDirectory() as folder:
        stored = stores(Path(folder), cells[0], 10)
    return rows, stored


if __name__ == "__main__":
    rows, stored = main()
    table = [(row["what"], row["value"]) for row in rows]
    table += [("stored stiffnesses, largest difference [GPa]", np.ptp([*stored.values()], axis=0).max())]
    print(tabulate(table, ("measured", "value"), tablefmt="github", floatfmt=".3g"))
