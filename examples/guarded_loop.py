"""A design loop in which every answer of the network is certified.

A block is clamped at one side and loaded at the other. Its Young's modulus, given by values at a few nodes, is sought
from its displacement: CMA-ES asks for the displacement of hundreds of blocks. An ONNX file answers; DOLFINx bounds the
error of each answer by one residual, improves it or solves the block. Run it with  python examples/guarded_loop.py
(two minutes).
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from genmech_fem.adapters import LinearMap, ProblemModel, ResidualGuard, interpolation_matrix, sample_state
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.datasets.torch import to_tensors
from genmech_fem.design import CMAES, DesignResult, FieldTarget, minimize
from genmech_fem.export import to_onnx
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import ForwardModel
from genmech_fem.plotting import to_png
from genmech_fem.problems import Clamped, Traction, elasticity
from genmech_fem.runtime import GuardedModel, OnnxModel
from genmech_fem.surrogates import Perceptron, TorchModel
from genmech_fem.training import Recipe, fit

import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

NODES = (3, 2, 2)
"""Nodes of the modulus along the axes."""
COARSE = Grid(NODES, (0, 0, 0), (1, 1, 1), "nodes")
LOW, HIGH = 1.0, 10.0
"""Range of the modulus [GPa]."""


def block(cells: int) -> ProblemModel:
    """Moduli at the nodes [GPa] to the displacement [m] of a unit cube under a downward traction of 1 MPa."""
    domain = pixel_mesh(cells, 3)
    conditions = Clamped(lambda x: np.isclose(x[0], 0.0)), Traction(lambda x: np.isclose(x[0], 1.0), (0.0, 0.0, -1e-3))
    problem = elasticity(domain, conditions)
    middles = problem.controls["youngs_modulus"].function_space.tabulate_dof_coordinates()
    moduli = ScalarSpec("moduli", int(np.prod(NODES)), "GPa")
    nodes = Grid((cells + 1,) * 3, (0, 0, 0), (1, 1, 1), "nodes")
    return ProblemModel(
        problem,
        (LinearMap(moduli, "youngs_modulus", interpolation_matrix(COARSE, middles)),),
        (sample_state(problem.state, FieldSpec("displacement", nodes, (3,), "m")),),
    )


def moduli(count: int, stream: int) -> Arrays:
    """Random moduli, evenly spread over their logarithm."""
    logarithms = np.random.default_rng(stream).uniform(np.log(LOW), np.log(HIGH), (count, int(np.prod(NODES))))
    return {"moduli": np.exp(logarithms)}


def trained(solver: ForwardModel, known: Arrays, labels: Arrays, path: Path, *, seconds: float, seed: int) -> OnnxModel:
    """A perceptron from the moduli to the principal modes of the displacement, as a file."""
    torch.manual_seed(seed)
    tensors = to_tensors({**known, **labels}, (*solver.inputs, *solver.outputs))
    modes = min(100, len(tensors["moduli"]) // 2)
    network = Perceptron(tensors["moduli"].shape[1], tensors["displacement"].shape[1:], hidden=(128, 128), modes=modes)
    data = {"x": tensors["moduli"], "y": tensors["displacement"]}
    recipe = Recipe(seconds=seconds, learning_rate=5e-3, weight_decay=1e-2, average=0.999, batch_size=16, seed=seed)
    for _ in fit(network, data, recipe):
        pass
    to_onnx(TorchModel(network, solver.inputs, solver.outputs), path, known)
    return OnnxModel(path)


def loop(model: ForwardModel, target: np.ndarray, *, calls: int, seed: int) -> tuple[DesignResult, float]:
    """Seek the moduli of a displacement; the result, and the CPU seconds that it took."""
    began = time.process_time()
    start = {"moduli": np.full((1, int(np.prod(NODES))), np.sqrt(LOW * HIGH))}
    found = minimize(
        model,
        FieldTarget(target, "displacement"),
        start,
        CMAES(sigma=2.0, seed=seed, population=10),
        bounds={"moduli": (LOW, HIGH)},
        iterations=calls // 10,
    )
    return found, time.process_time() - began


def picture(blocks: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Moduli (12,) [GPa] on bent blocks, whose displacements (3, *nodes) [m] are enlarged."""
    figure = Figure(figsize=(3.0 * len(blocks), 3.3), layout="constrained")
    axes = figure.subplots(1, len(blocks), subplot_kw={"projection": "3d"})
    colours = ScalarMappable(LogNorm(LOW, HIGH), "viridis")
    largest = max(np.abs(displacement).max() for _, displacement in blocks.values())
    for ax, (name, (moduli, displacement)) in zip(axes, blocks.items(), strict=True):
        grid = Grid(displacement.shape[1:], (0, 0, 0), (1, 1, 1), "nodes")
        shades = colours.to_rgba(interpolation_matrix(COARSE, grid.points()) @ moduli).reshape(*grid.shape, 4)
        places = grid.points().T.reshape(displacement.shape) + 0.25 / largest * displacement
        for axis, end in ((0, -1), (1, 0), (2, -1)):  # the faces that are seen
            face = places.take(end, axis + 1)
            ax.plot_surface(*face, facecolors=shades.take(end, axis), rstride=1, cstride=1, shade=False)
        ax.view_init(22, -50)
        ax.set(aspect="equal", title=name)
        ax.set_box_aspect(None, zoom=1.3)
        ax.set_axis_off()
    figure.colorbar(colours, ax=axes, label="Young's modulus [GPa]", shrink=0.7, ticks=(1, 2, 5, 10), format="%g")
    return figure


def main(
    folder: Path | None = None,
    *,
    cells: int = 12,
    labels: int = 200,
    seconds: float = 30.0,
    calls: int = 300,
    tolerance: float = 0.02,
) -> dict[str, dict[str, float]]:
    """Run the loop with solver, network and guarded network; print and return the rows, and draw them in a folder."""
    torch.set_num_threads(1)
    solver = block(cells)
    known, wanted = moduli(labels, 0), moduli(1, 1)
    target = solver(wanted)["displacement"][0]
    with TemporaryDirectory() as place:
        network = trained(solver, known, solver(known), Path(place) / "block.onnx", seconds=seconds, seed=0)
    guarded = GuardedModel(network, solver, [ResidualGuard.around(solver, known, tolerance, steps=3)])
    rows, blocks = {}, {"wanted": (wanted["moduli"][0], target)}
    for name, model in {"solver": solver, "network": network, "guarded network": guarded}.items():
        found, spent = loop(model, target, calls=calls, seed=0)
        truth = solver(found.design)
        error = guarded.guards[0].error(found.design, found.outputs, truth)[0]
        rows[name] = {
            "CPU time [s]": spent,
            "distance to the target [%]": 100 * float(FieldTarget(target, "displacement")(truth)[0]) ** 0.5,
            "error of the answer [%]": 100 * float(error),
        }
        title = f"{name}: {spent:.2g} s,\n{rows[name]['distance to the target [%]']:.1f} % from the target"
        blocks[title] = found.design["moduli"][0], truth["displacement"][0]
        print(name, {what: round(value, 3) for what, value in rows[name].items()})
    counts = guarded.counts
    print(f"{counts.accepted} answers accepted, {counts.polished} polished, {sum(counts.fallen_back.values())} solved")
    rows["guarded network"] |= {"solved": float(sum(counts.fallen_back.values())), "answers": float(counts.samples)}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "blocks.png").write_bytes(to_png(picture(blocks)))
    return rows


if __name__ == "__main__":
    main(Path("runs/guarded_loop"))
