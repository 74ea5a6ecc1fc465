"""A rubber mount as an FMU: its force from a network that DOLFINx has taught, with the verdict of its guard.

A block of rubber between two plates, clamped below; the upper plate moves by a displacement. The solver says the force
on the plate, the derivative of the strain energy. A small network learns it and becomes an ONNX file, the file an FMU
for co-simulation (FMI 2.0) that any simulation tool can run beside its own models. FMPy drives it through a preload
and a growing shear, at last beyond the displacements of the training, and DOLFINx solves the same path. Run it with
python examples/fmu.py  (half a minute); it needs  pip install pythonfmu fmpy.
"""

import time
from pathlib import Path

from genmech_fem.adapters import ProblemModel, as_vector
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.datasets.torch import to_tensors
from genmech_fem.export import to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.plotting import to_png
from genmech_fem.problems import Clamped, Dirichlet, hyperelasticity, lame
from genmech_fem.runtime import Domain, Passport
from genmech_fem.surrogates import Perceptron, TorchModel
from genmech_fem.training import Recipe, fit

import numpy as np
import torch
from dolfinx import mesh
from fmpy import simulate_fmu
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation
from mpi4py import MPI
from pythonfmu import FmuBuilder

SLAVE = Path(__file__).parent / "fmu_slave" / "onnx_slave.py"
WIDTH, HEIGHT = 40.0, 20.0  # [mm]
LOWER, UPPER = np.array([-8.0, -4.0]), np.array([8.0, 1.0])
"""Displacements of the training: shear, and compression as negative [mm]."""


def strain_energy(cells: tuple[int, int]) -> ProblemModel:
    """From the displacement of the upper plate [mm] to the energy of the rubber [mJ/mm], in plane strain."""
    corners = [np.zeros(2), np.array([WIDTH, HEIGHT])]
    block = mesh.create_rectangle(MPI.COMM_SELF, corners, cells, mesh.CellType.quadrilateral)
    lmbda, mu = lame(1.8, 0.45)  # [MPa]
    plates = (
        Clamped(lambda x: np.isclose(x[1], 0.0)),
        Dirichlet(lambda x: np.isclose(x[1], HEIGHT), (0.0, 0.0), name="displacement"),
    )
    problem = hyperelasticity(block, plates, material={"mu": mu, "lmbda": lmbda})
    displacement, energy = ScalarSpec("displacement", 2, "mm"), ScalarSpec("energy", 1, "mJ/mm")
    return ProblemModel(problem, (as_vector(displacement, "displacement"),), (as_vector(energy, "strain_energy"),))


def mount(cells: tuple[int, int]) -> FunctionModel:
    """From the displacement to the force on the plate [N/mm], by the adjoint of the solver."""
    energy = strain_energy(cells)

    def force(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        weight = np.ones((len(arrays["displacement"]), 1))
        return {"force": energy.vjp(arrays, {"energy": weight})["displacement"]}

    return FunctionModel(force, energy.inputs, (ScalarSpec("force", 2, "N/mm"),))


def trained(solver: FunctionModel, path: Path, *, samples: int, steps: int) -> None:
    """Solve a campaign, teach a network, and write it as an ONNX file that says where it was trained."""
    campaign = Campaign(solver, lambda g: {"displacement": g.uniform(LOWER, UPPER, (1, 2))}, samples)
    generate(campaign, path.parent / "data")
    _, data = Store.open(path.parent / "data").read()
    tensors = to_tensors(data, (*solver.inputs, *solver.outputs))
    torch.manual_seed(0)
    network = Perceptron(2, (2,), hidden=(32, 32))
    for _ in fit(network, {"x": tensors["displacement"], "y": tensors["force"]}, Recipe(steps)):
        pass
    passport = Passport({"displacement": Domain.of(data["displacement"], solver.inputs[0])}, form="neo-Hookean block")
    model = TorchModel(network, solver.inputs, solver.outputs)
    to_onnx(model, path, {"displacement": data["displacement"][:8]}, passport=passport)


def drive(rows: int) -> np.ndarray:
    """Displacements in time: the plate is pressed down by 3 mm, then shaken, ever further."""
    t = np.linspace(0.0, 2.0, rows)
    shear = 12.0 * np.clip((t - 0.4) / 1.6, 0.0, 1.0) * np.sin(2 * np.pi * (t - 0.4))
    columns = {"time": t, "displacement[1]": shear, "displacement[2]": -3.0 * np.clip(t / 0.4, 0.0, 1.0)}
    signals = np.empty(rows, dtype=[(name, float) for name in columns])
    for name, column in columns.items():
        signals[name] = column
    return signals


def picture(
    cells: tuple[int, int], time: np.ndarray, path: np.ndarray, forces: dict[str, np.ndarray], inside: np.ndarray
) -> Figure:
    """The rubber where it is sheared most, and the forces (rows, 2) in time; grey where the FMU warns."""
    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    energy = strain_energy(cells)
    energy({"displacement": path[[np.abs(path[:, 0]).argmax()]]})
    state = energy.problem.state
    x, u = state.function_space.tabulate_dof_coordinates()[:, :2], state.x.array.reshape(-1, 2)
    rubber = Triangulation(*x.T)
    rubber.x, rubber.y = (x + u).T
    shown = left.tripcolor(rubber, np.linalg.norm(u, axis=1), shading="gouraud")
    left.triplot(rubber, color="k", lw=0.2)
    left.set(aspect="equal", xlabel="x [mm]", ylabel="y [mm]", title="largest shear, by DOLFINx")
    figure.colorbar(shown, ax=left, label="displacement [mm]", shrink=0.7)
    right.fill_between(time, 0, 1, ~inside, color="0.85", transform=right.get_xaxis_transform(), label="FMU warns")
    for k, name in enumerate(("shear", "normal")):
        right.plot(time, forces["FMU"][:, k], f"C{k}", label=f"{name}, FMU")
        right.plot(time[::2], forces["DOLFINx"][::2, k], f"C{k}.", label=f"{name}, DOLFINx")
    right.set(xlabel="time [s]", ylabel="force on the plate [N/mm]")
    right.legend(fontsize=8)
    return figure


def main(
    folder: Path = Path("runs/fmu"),
    *,
    cells: tuple[int, int] = (16, 8),
    samples: int = 300,
    steps: int = 3000,
    rows: int = 101,
) -> dict[str, float]:
    """Return errors of the force inside and outside the training domain, relative to the largest, and the times.

    ``inside`` and ``outside`` are the largest errors of the FMU there by its own verdict, ``rows outside`` how many it
    warned of, ``mesh`` what a finer mesh changes of the solver's forces; ``step`` and ``solve`` are times [ms].
    """
    folder.mkdir(parents=True, exist_ok=True)
    solver, onnx = mount(cells), folder / "mount.onnx"
    trained(solver, onnx, samples=samples, steps=steps)
    fmu = FmuBuilder.build_FMU(SLAVE, dest=folder / "mount.fmu", project_files=[onnx])
    signals = drive(rows)
    names = [f"{name}[{k}]" for name in ("displacement", "force") for k in (1, 2)]
    began = time.perf_counter()
    found = simulate_fmu(
        str(fmu),
        stop_time=float(signals["time"][-1]),
        output_interval=float(signals["time"][1]),
        input=signals,
        output=[*names, "inside_training_domain"],
    )
    middle = time.perf_counter()
    path, force = (np.stack([found[name] for name in pair], axis=1) for pair in (names[:2], names[2:]))
    expected = solver({"displacement": path})["force"]
    solved = time.perf_counter()
    error = np.linalg.norm(force - expected, axis=1) / np.linalg.norm(expected, axis=1).max()
    inside, fine = found["inside_training_domain"].astype(bool), mount((2 * cells[0], 2 * cells[1]))
    some = np.linspace(0, rows - 1, 5).astype(int)
    change = fine({"displacement": path[some]})["force"] - expected[some]
    result = {
        "inside": float(error[inside].max()),
        "outside": float(error[~inside].max()),
        "rows outside": int((~inside).sum()),
        "mesh": float(np.linalg.norm(change, axis=1).max() / np.linalg.norm(expected, axis=1).max()),
        "step": 1000 * (middle - began) / rows,
        "solve": 1000 * (solved - middle) / rows,
    }
    drawn = picture(cells, found["time"], path, {"FMU": force, "DOLFINx": expected}, inside)
    (folder / "forces.png").write_bytes(to_png(drawn))
    print({name: float(f"{value:.3g}") for name, value in result.items()})
    return result


if __name__ == "__main__":
    main()
