"""The filter in a VTK pipeline: the temperature in a block with spheres, and where the surrogate must not be trusted.

A network learns heat conduction through a cube with conducting spheres from DOLFINx solves on voxels, and is written as
an ONNX file. The filter of this package, as ParaView runs it, then answers for two meshes of tetrahedra: one with
spheres like those of the training, one with spheres that conduct three times better. DOLFINx checks both answers, by
the accessor of genmech-pyvista. Run it with  python plugins/genmech-paraview/example.py picture.png  (a minute)
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyvista
import torch
from genmech_paraview.genmech_onnx_filter import ONNXSurrogate

from genmech_fem.adapters import ProblemModel, cell_values, sample_state
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.problems import Dirichlet, diffusion
from genmech_fem.runtime import Domain, Passport
from genmech_fem.surrogates import GridSurrogate, TorchModel
from genmech_fem.training import Recipe, fit

MATRIX, SPHERE, BETTER = 1.0, 10.0, 30.0  # conductivities [W/(m K)]
SEED = 5
LOWER, UPPER = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def block(resolution: int) -> ProblemModel:
    """Conductivity on voxels [W/(m K)] to the temperature [K] of a cube, 1 K at its left and 0 K at its right side."""
    sides = [Dirichlet(lambda x, at=at: np.isclose(x[0], at), 1 - at, name=f"side{at:.0f}") for at in (0.0, 1.0)]
    problem = diffusion(pixel_mesh(resolution, 3), sides)
    conductivity = FieldSpec("conductivity", Grid((resolution,) * 3, LOWER, UPPER), (), "W/(m K)")
    temperature = FieldSpec("temperature", Grid((resolution + 1,) * 3, LOWER, UPPER, "nodes"), (), "K")
    given = cell_values(problem.controls["conductivity"], conductivity, "conductivity")
    return ProblemModel(problem, (given,), (sample_state(problem.state, temperature),))


def outside(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Distance of points (n, 3) from three random spheres, negative inside."""
    centres, radii = generator.uniform(0.2, 0.8, (3, 3)), generator.uniform(0.12, 0.28, 3)
    return (np.linalg.norm(points[:, None] - centres, axis=2) - radii).min(axis=1)


def write(solver: ProblemModel, path: Path, *, samples: int, steps: int) -> None:
    """Train a surrogate and write its file, with the range of its training data."""
    given, answer = solver.inputs[0], solver.outputs[0]
    distance = np.array([outside(given.place.points(), np.random.default_rng([0, i])) for i in range(samples)])
    conductivity = np.where(distance < 0, SPHERE, MATRIX).reshape(-1, *given.shape)
    x = torch.as_tensor(conductivity, dtype=torch.float32)[:, None]
    y = torch.as_tensor(solver({given.name: conductivity})[answer.name], dtype=torch.float32)[:, None]
    torch.manual_seed(0)
    settings = {"channels": (16, 32), "padding_mode": "zeros"}
    network = GridSurrogate(1, answer.channel_shape, settings=settings, coordinates=True)
    known = torch.zeros_like(y[0], dtype=torch.bool)
    known[:, [0, -1]] = True
    network.hold(y[0], known)
    for _ in fit(network, {"x": x, "y": y}, Recipe(steps=steps, batch_size=8)):
        pass
    model = TorchModel(network.eval(), solver.inputs, solver.outputs)
    passport = Passport(domain={given.name: Domain.of(conductivity, given)})
    to_onnx(model, path, {given.name: conductivity[:3]}, passport=passport)


def tetrahedra(cells: int, sphere: float) -> pyvista.UnstructuredGrid:
    """A cube with spheres that the network has not seen, in a mesh that it does not know."""
    mesh = pyvista.ImageData(dimensions=(cells + 1,) * 3, spacing=(1 / cells,) * 3).triangulate()
    distance = outside(mesh.cell_centers().points, np.random.default_rng(SEED))
    mesh.cell_data["conductivity [W/(m K)]"] = np.where(distance < 0, sphere, MATRIX)
    mesh.point_data["distance"] = outside(mesh.points, np.random.default_rng(SEED))
    return mesh


def filtered(mesh: pyvista.UnstructuredGrid, path: Path) -> pyvista.UnstructuredGrid:
    """What ParaView does with the filter."""
    surrogate = ONNXSurrogate()
    surrogate.SetInputDataObject(mesh)
    surrogate.SetFileName(str(path))
    surrogate.Update()
    return pyvista.wrap(surrogate.GetOutputDataObject(0))


def numbers(mesh: pyvista.UnstructuredGrid, solver: ProblemModel) -> dict[str, float]:
    """What the guard says, and what the solver says, by the accessor of genmech-pyvista."""
    checked = mesh.genmech.compare(solver)
    return {
        "error [%]": 100 * float(checked.field_data["temperature relative L2 error"][0]),
        "guard distance": float(mesh.field_data["temperature guard distance"][0]),
        "accepted": float(mesh.field_data["temperature accepted"][0]),
    }


def draw(rows: dict[str, tuple[pyvista.UnstructuredGrid, dict[str, float]]], path: Path) -> None:
    """Draw the temperature behind a cut, and the spheres, red where they leave the training data."""
    plotter = pyvista.Plotter(off_screen=True, shape=(1, len(rows)), window_size=(700 * len(rows), 700))
    for column, (name, (mesh, row)) in enumerate(rows.items()):
        plotter.subplot(0, column)
        verdict = "accepted" if row["accepted"] else f"refused (distance {row['guard distance']:.1f})"
        plotter.add_text(f"{name}: {verdict}, error {row['error [%]']:.1f} %", position="upper_edge", font_size=11)
        bar = {"title": "temperature [K]" + " " * column, "position_x": 0.2, "position_y": 0.02, "n_labels": 3}
        style = {"scalars": "temperature [K]", "cmap": "inferno", "clim": (0, 1), "scalar_bar_args": bar}
        plotter.add_mesh(mesh.clip("y", invert=False), lighting=False, **style)
        plotter.add_mesh(mesh.slice("y").contour(np.linspace(0.05, 0.95, 19), "temperature [K]"), color="white")
        leaves = mesh.cell_data["conductivity outside range"].any()
        spheres = mesh.contour([0.0], "distance").clip("y")
        plotter.add_mesh(spheres, color="firebrick" if leaves else "steelblue", smooth_shading=True, specular=0.5)
        plotter.camera_position = [(1.3, -2.4, 1.3), (0.5, 0.5, 0.45), (0, 0, 1)]
    plotter.screenshot(path)
    plotter.close()


def main(
    picture: Path | str | None = None, *, resolution: int = 12, samples: int = 100, steps: int = 200, cells: int = 24
) -> dict[str, dict[str, float]]:
    """Return the numbers of both meshes; save the picture if a path is given."""
    torch.set_num_threads(1)
    solver = block(resolution)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "block.onnx"
        write(solver, path, samples=samples, steps=steps)
        meshes = {"like the training": tetrahedra(cells, SPHERE), "better conductors": tetrahedra(cells, BETTER)}
        found = {name: filtered(mesh, path) for name, mesh in meshes.items()}
    rows = {name: (mesh, numbers(mesh, solver)) for name, mesh in found.items()}
    if picture is not None:
        draw(rows, Path(picture))
    return {name: row for name, (_, row) in rows.items()}


if __name__ == "__main__":
    for name, row in main(*sys.argv[1:2]).items():
        print(f"{name}: " + ", ".join(f"{what} {value:.3g}" for what, value in row.items()))
