"""A user's own UFL problem, its surrogate as an ONNX file, and the same design loop with all three.

Nonlinear heat conduction with three sources of unknown strength; the loop looks for the
strengths that give a wanted temperature field. Run it with  python examples/own_problem.py
"""

from pathlib import Path

from genmech_fem.adapters import ProblemModel, as_vector, sample_state
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.datasets.torch import to_tensors
from genmech_fem.design import CMAES, FieldTarget, minimize
from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.plotting import to_png
from genmech_fem.problems import VariationalProblem  # loads the wheel of DOLFINx: import it before dolfinx
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import Perceptron, TorchModel
from genmech_fem.training import Recipe, fit

import numpy as np
import ufl
from dolfinx import fem, mesh
from matplotlib.figure import Figure
from mpi4py import MPI

CENTRES = ((0.3, 0.3), (0.7, 0.4), (0.4, 0.75))  # of the sources


def solver(cells: int = 24) -> ProblemModel:
    """The problem as a model from source strengths [W/m^3] to temperatures [K] on a 16 x 16 grid."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, cells, cells)
    V = fem.functionspace(domain, ("Lagrange", 1))
    u, v, x = fem.Function(V), ufl.TestFunction(V), ufl.SpatialCoordinate(domain)
    strength = fem.Constant(domain, np.zeros(3))
    heat = sum(strength[k] * ufl.exp(-40 * ((x[0] - a) ** 2 + (x[1] - b) ** 2)) for k, (a, b) in enumerate(CENTRES))
    residual = ((1 + u) * ufl.inner(ufl.grad(u), ufl.grad(v)) - heat * v) * ufl.dx(metadata={"quadrature_degree": 3})
    domain.topology.create_connectivity(1, 2)
    edge = fem.locate_dofs_topological(V, 1, mesh.exterior_facet_indices(domain.topology))
    problem = VariationalProblem(residual, u, controls={"strength": strength}, bcs=[fem.dirichletbc(0.0, edge, V)])
    inputs = (as_vector(ScalarSpec("strength", 3, "W/m^3"), "strength"),)
    return ProblemModel(problem, inputs, (sample_state(u, FieldSpec("u", Grid((16, 16), (0, 0), (1, 1)), (), "K")),))


def picture(wanted: np.ndarray, temperature: np.ndarray, found: dict[str, np.ndarray]) -> Figure:
    """The wanted temperature (nx, ny), and the strengths (3,) of its sources as each model in the loop found them."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = left.imshow(temperature.T, origin="lower", extent=(0, 1, 0, 1), cmap="inferno", interpolation="bilinear")
    for k, (x, y) in enumerate(CENTRES, 1):
        left.annotate(f"source {k}", (x, y), color="w", ha="center", va="center")
    left.set(xlabel="x [m]", ylabel="y [m]", title="wanted temperature")
    figure.colorbar(shown, ax=left, label="[K]")
    for k, (name, strengths) in enumerate({"wanted": wanted, **found}.items()):
        right.bar(np.arange(3) + 0.2 * (k - 1.5), strengths, 0.18, label=name, color=f"C{k - 1}" if k else "0.3")
    right.set(xticks=range(3), xticklabels=["source 1", "source 2", "source 3"], ylabel="strength [W/m$^3$]")
    right.set_title("sources found with each model")
    right.legend()
    return figure


def main(folder: Path = Path("runs/own_problem"), *, samples: int = 200, steps: int = 1500) -> dict[str, float]:
    """Return, for each model in the loop, the largest error of the recovered strengths, relative to the largest."""
    model = solver()
    generate(Campaign(model, lambda g: {"strength": g.uniform(0, 60, (1, 3))}, samples), folder / "data")
    _, data = Store.open(folder / "data").read()
    tensors = to_tensors(data, (*model.inputs, *model.outputs))
    network = Perceptron(3, tensors["u"].shape[1:])
    for _ in fit(network, {"x": tensors["strength"], "y": tensors["u"]}, Recipe(steps)):
        pass
    surrogate = TorchModel(network, model.inputs, model.outputs)
    to_onnx(surrogate, folder / "surrogate.onnx", {"strength": data["strength"][:8]})

    wanted = np.array([[40.0, 15.0, 25.0]])
    objective = FieldTarget(model({"strength": wanted})["u"][0], "u")
    errors, strengths = {}, {}
    for name, candidate in {"DOLFINx": model, "torch": surrogate, "ONNX": OnnxModel(folder / "surrogate.onnx")}.items():
        found = minimize(
            candidate, objective, {"strength": np.full((1, 3), 30.0)}, CMAES(sigma=10.0), bounds={"strength": (0, 60)}
        )
        errors[name] = float(np.abs(found.design["strength"] - wanted).max() / wanted.max())
        strengths[name] = found.design["strength"][0]
        print(f"{name:8} found {found.design['strength'][0].round(2)} after {found.evaluations} evaluations")
    drawn = picture(wanted[0], objective.target, strengths)
    (folder / "sources.png").write_bytes(to_png(drawn))
    return errors


if __name__ == "__main__":
    main()
