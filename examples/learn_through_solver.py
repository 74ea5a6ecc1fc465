"""A network that learns stiffness from measured displacements, with no stiffness in its training data.

The FEM solver is the last layer of the network: displacements on a grid -> network -> modulus of each
pixel -> DOLFINx -> displacements, and the loss compares displacements only. The plate is in plane
stress, clamped on the left and pulled on the right. Run it with  python examples/learn_through_solver.py
"""

from pathlib import Path

from genmech_fem.adapters import ProblemModel, cell_values, sample_state
from genmech_fem.adapters.torch import FEMLayer
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.plotting import to_png
from genmech_fem.problems import Clamped, Traction, elasticity  # loads the wheel of DOLFINx: import it before dolfinx

import numpy as np
import torch
from dolfinx import mesh
from matplotlib.figure import Figure
from mpi4py import MPI
from scipy.ndimage import zoom

PIXELS = 3


def plate() -> ProblemModel:
    """From moduli of the pixels [GPa] to displacements [mm] at the nodes of a grid."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, 9, 9, mesh.CellType.quadrilateral)
    left, right = (lambda x: np.isclose(x[0], 0)), (lambda x: np.isclose(x[0], 1))
    problem = elasticity(domain, [Clamped(left), Traction(right, (0.1, 0.05))], hypothesis="plane stress")
    modulus = FieldSpec("modulus", Grid((PIXELS, PIXELS), (0, 0), (1, 1)), (), "GPa")
    displacement = FieldSpec("displacement", Grid((9, 9), (0, 0), (1, 1), "nodes"), (2,), "mm")
    return ProblemModel(
        problem,
        (cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus"),),
        (sample_state(problem.state, displacement),),
    )


def picture(truth: np.ndarray, found: np.ndarray, displacement: np.ndarray) -> Figure:
    """True above found moduli (n, 3, 3) on plates as they were measured, enlarged, and all found over true ones."""
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1.0))
    axes, nodes = left.subplots(2, 4), np.linspace(0, 1, 13)
    for some, row, name in zip((truth, found), axes, ("true", "found"), strict=True):
        row[0].set_ylabel(name)
        for ax, modulus, u in zip(row, some, displacement, strict=False):
            x, y = np.meshgrid(nodes, nodes, indexing="ij") + zoom(u, (1, 13 / 9, 13 / 9), order=1)
            shown = ax.pcolormesh(x, y, np.kron(modulus, np.ones((4, 4))), vmin=1, vmax=6)
            ax.set(aspect="equal", xticks=[], yticks=[])
    left.colorbar(shown, ax=axes, label="Young's modulus [GPa]", extend="max")
    ax = right.subplots()
    ax.plot(truth.ravel(), found.ravel(), ".", label="network")
    ax.axhline(np.exp(1.0), color="C1", label="mean modulus")
    ax.axline((0, 0), slope=1, color="k", lw=0.8, label="exact")
    ax.set(
        aspect="equal",
        xlabel="true modulus [GPa]",
        ylabel="found modulus [GPa]",
        title=f"pixels of {len(truth)} unseen plates",
    )
    ax.legend()
    return figure


def main(folder: Path | None = None, *, samples: int = 256, steps: int = 400) -> dict[str, float]:
    """Return the median relative error of the modulus of unseen plates: of the network, and of the mean modulus.

    With a folder, a picture of them goes there.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, generator = plate(), np.random.default_rng(0)
    moduli = np.exp(generator.normal(1.0, 0.4, (samples + 16, PIXELS, PIXELS)))
    measured = torch.as_tensor(model({"modulus": moduli})["displacement"], dtype=torch.float32)
    scale, offset = measured.std(0), measured.mean(0)
    features = ((measured - offset) / scale.clamp_min(1e-6)).flatten(1)

    solver = FEMLayer(model)
    network = torch.nn.Sequential(
        torch.nn.Linear(features.shape[1], 128), torch.nn.SiLU(), torch.nn.Linear(128, PIXELS**2)
    )
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(steps):
        batch = torch.randint(samples, (8,))
        predicted = (1 + network(features[batch])).exp().unflatten(1, (PIXELS, PIXELS))
        misfit = (solver({"modulus": predicted})["displacement"] - measured[batch]) / scale.clamp_min(1e-6)
        optimizer.zero_grad()
        misfit.square().mean().backward()
        optimizer.step()

    with torch.no_grad():
        found = (1 + network(features[samples:])).exp().unflatten(1, (PIXELS, PIXELS)).numpy()
    truth, mean = moduli[samples:], np.exp(1.0)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plates.png").write_bytes(to_png(picture(truth, found, measured[samples:].numpy())))
    errors = {"network": found / truth - 1, "mean modulus": mean / truth - 1}
    return {name: float(np.median(np.abs(error))) for name, error in errors.items()}


if __name__ == "__main__":
    for name, error in main(Path("runs/learn_through_solver")).items():
        print(f"{name}: median error of the modulus {100 * error:.1f} %")
