"""A surrogate of heat conduction on conforming meshes: what it says, what DOLFINx says, and what its guard says.

A network learns the temperature in cells of fibres and matrix from DOLFINx solves on pixels. Its ONNX file then answers
for two triangle meshes that it has not seen: cells like those of the training, and one thick inclusion, which leaves
the training data. The solver checks both answers. Run it with
python plugins/genmech-pyvista/example.py picture.png  (a minute)
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyvista
import torch

from genmech_fem.adapters import conduction, to_pyvista
from genmech_fem.export import to_onnx
from genmech_fem.fields import Arrays
from genmech_fem.forward import ForwardModel
from genmech_fem.geometry import random_inclusions
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.runtime import Domain, Passport
from genmech_fem.surrogates import GridSurrogate, TorchModel
from genmech_fem.training import Recipe, fit

FIBRES = {"count": 6, "radius": (0.1, 0.16)}
THICK = {"count": 1, "radius": (0.44, 0.45)}


def trained(solver: ForwardModel, phase: np.ndarray, steps: int) -> TorchModel:
    """A U-Net from phases (samples, nx, ny) to temperatures, exact where they are prescribed."""
    inputs, (temperature, _) = solver.inputs, solver.outputs
    x, y = (torch.as_tensor(a, dtype=torch.float32)[:, None] for a in (phase, solver({"phase": phase})["temperature"]))
    torch.manual_seed(0)
    settings = {"channels": (16, 32, 48), "padding_mode": "zeros"}
    network = GridSurrogate(1, temperature.channel_shape, settings=settings, coordinates=True)
    known = torch.zeros_like(y[0], dtype=torch.bool)
    known[:, [0, -1]] = True
    network.hold(y[0], known)
    for _ in fit(network, {"x": x, "y": y}, Recipe(steps=steps, batch_size=8)):
        pass
    return TorchModel(network.eval(), inputs, (temperature,))


def write(solver: ForwardModel, path: Path, *, resolution: int, samples: int, steps: int) -> None:
    """Train a surrogate and write its file, with the range of its training data."""
    sampler = PeriodicFibres(resolution, volume_fraction=(0.1, 0.45))
    smooth = np.concatenate([sampler(np.random.default_rng([0, i]))["phase"] for i in range(samples)])
    phase = (smooth > 0.5).astype(float)  # as a mesh has it, sampled at the centres of pixels
    domain = {"phase": Domain.of(phase, solver.inputs[0])}
    to_onnx(trained(solver, phase, steps), path, {"phase": phase[:3]}, passport=Passport(domain=domain))


def judged(mesh: pyvista.DataSet, path: Path, solver: ForwardModel) -> tuple[pyvista.DataSet, Arrays]:
    """The mesh with prediction and solution, and the numbers."""
    found = mesh.genmech.predict(path).genmech.compare(solver)
    straight = mesh.copy()
    straight["temperature"] = 1 - mesh.points[:, 0]
    baseline = straight.genmech.compare(solver)
    return found, {
        "error [%]": 100 * float(found.field_data["temperature relative L2 error"][0]),
        "error of 1 - x [%]": 100 * float(baseline.field_data["temperature relative L2 error"][0]),
        "guard distance": float(found.field_data["temperature guard distance"][0]),
        "accepted": float(found.field_data["temperature accepted"][0]),
    }


def draw(rows: dict[str, tuple[pyvista.DataSet, Arrays]], path: Path) -> None:
    """Draw inclusions, prediction and error of each mesh as one picture."""
    plotter = pyvista.Plotter(off_screen=True, shape=(len(rows), 3), window_size=(1350, 480 * len(rows)))
    limit = max(abs(mesh["temperature difference [K]"]).max() for mesh, _ in rows.values())
    for row, (name, (mesh, numbers)) in enumerate(rows.items()):
        verdict = "accepted" if numbers["accepted"] else f"refused (distance {numbers['guard distance']:.2f})"
        panels = {
            "phase": {"title": name, "cmap": "Greys", "clim": (0, 1.5), "show_edges": True, "show_scalar_bar": False},
            "temperature [K]": {"title": f"surrogate: {verdict}", "cmap": "inferno", "clim": (0, 1)},
            "temperature difference [K]": {
                "title": f"less solver: {numbers['error [%]']:.1f} %", "cmap": "RdBu_r", "clim": (-limit, limit)
            },
        }  # fmt: skip
        for column, (array, style) in enumerate(panels.items()):
            plotter.subplot(row, column)
            plotter.add_text(style.pop("title"), position="upper_edge", font_size=11)
            bar = {"title": " " * row + array, "position_x": 0.2, "position_y": 0.01, "height": 0.1, "n_labels": 3}
            plotter.add_mesh(mesh, scalars=array, scalar_bar_args=bar, line_width=0.3, lighting=False, **style)
            plotter.view_xy()
            plotter.camera.zoom(1.1)
    plotter.screenshot(path)
    plotter.close()


def main(
    picture: Path | str | None = None, *, resolution: int = 32, samples: int = 200, steps: int = 500
) -> dict[str, Arrays]:
    """Return the numbers of both meshes; save the picture if a path is given."""
    torch.set_num_threads(1)
    solver = conduction(resolution)
    bodies = {
        name: random_inclusions(np.random.default_rng(1), size=0.04, periodic=False, **shape)
        for name, shape in (("fibres", FIBRES), ("thick inclusion", THICK))
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "temperature.onnx"
        write(solver, path, resolution=resolution, samples=samples, steps=steps)
        rows = {name: judged(to_pyvista(body), path, solver) for name, body in bodies.items()}
    if picture is not None:
        draw(rows, Path(picture))
    return {name: numbers for name, (_, numbers) in rows.items()}


if __name__ == "__main__":
    for name, row in main(*sys.argv[1:2]).items():
        print(f"{name}: " + ", ".join(f"{what} {value:.3g}" for what, value in row.items()))
