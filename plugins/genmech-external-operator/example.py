"""A nonlinear composite learned from its cell, in a structure, against FE^2; an exact law, against its UFL form.

The cell holds stiff bricks in a mortar that yields (deformation theory of plasticity, whose energy is convex). A
network that is convex in the strain learns the stress of the homogenised cell and becomes an ONNX file, which serves a
cantilever as its law. The same cantilever is solved with the cell itself at each quadrature point, and with simpler
laws from solves of the cell.

Run it with  python example.py [SEED]  (about a minute).
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import genmech_fem.problems  # noqa: F401  isort: skip

import numpy as np
import torch
import ufl
from dolfinx import fem, mesh
from genmech_external_operator import (
    OperatorProblem,
    PointLaw,
    brick_and_mortar,
    energy_table,
    external_operator,
    mandel,
    read_law,
)
from genmech_external_operator.convex import ConvexEnergy, fit_energy
from genmech_external_operator.files import energy_to_onnx
from mpi4py import MPI

from genmech_fem.export import law_to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.problems import Newton, SolverOptions, neo_hookean
from genmech_fem.runtime.domain import Domain

STRAIN, STRESS = ScalarSpec("strain", 3), ScalarSpec("stress", 3, "GPa")
LIMIT = 0.02  # largest strain component of the training [1], four times that at which the mortar yields


@dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Args:
        samples: Solves of the cell that the network learns from.
        tested: Solves of the cell that it is tested on.
        iterations: Steps of its training.
        cells: Elements along and across the structure.
        tables: Points of splines along each strain; the third powers are the solves of the cell that they take.
    """

    samples: int = 200
    tested: int = 100
    iterations: int = 1500
    cells: tuple[int, int] = (6, 2)
    tables: tuple[int, ...] = (6, 9)


def draw(generator: np.random.Generator, count: int) -> np.ndarray:
    """Strains (count, 3) in the box of `LIMIT`, more of them near its centre."""
    direction = generator.uniform(-1, 1, (count, 3))
    return LIMIT * generator.random((count, 1)) * direction / np.abs(direction).max(axis=1, keepdims=True)


def train(path: Path, strains: np.ndarray, stresses: np.ndarray, iterations: int, seed: int) -> PointLaw:
    """A convex network of the cell, as an opened file."""
    model = ConvexEnergy(3, generator=torch.Generator().manual_seed(seed))
    for _ in fit_energy(model, strains, stresses, iterations=iterations):
        pass
    energy_to_onnx(model, path, strains, strain=STRAIN, stress=STRESS)
    return read_law(path)


def linear(tangent: np.ndarray) -> PointLaw:
    """The law of a constant tangent (3, 3) [GPa]."""
    return PointLaw(lambda e: (e @ tangent.T, np.tile(tangent, (len(e), 1, 1))), STRAIN, STRESS, name="linear law")


def nearest(strains: np.ndarray, stresses: np.ndarray, tangents: np.ndarray) -> PointLaw:
    """The first-order expansion of the nearest sample; it jumps between samples."""

    def evaluate(asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k = np.square(asked[:, None] - strains).sum(2).argmin(1)
        return stresses[k] + np.einsum("pij,pj->pi", tangents[k], asked - strains[k]), tangents[k]

    return PointLaw(evaluate, STRAIN, STRESS, name="nearest sample")


def cantilever(law: PointLaw, cells: tuple[int, int], traction: float = 0.003) -> OperatorProblem:
    """A cantilever in plane strain, 3 by 1, under a downward traction [GPa] at its end."""
    domain = mesh.create_rectangle(MPI.COMM_SELF, [[0, 0], [3, 1]], cells, mesh.CellType.quadrilateral)
    u = fem.Function(fem.functionspace(domain, ("Lagrange", 2, (2,))), name="displacement")
    v = ufl.TestFunction(u.function_space)
    strain, virtual = (mandel(ufl.sym(ufl.grad(w))) for w in (u, v))
    T = fem.Constant(domain, (0.0, -traction))
    facets = mesh.locate_entities_boundary(domain, 1, lambda x: np.isclose(x[0], 3.0))
    ds = ufl.ds(domain=domain, subdomain_data=mesh.meshtags(domain, 1, facets, np.ones(len(facets), np.int32)))
    stress = external_operator(law, strain, degree=3)  # 2 x 2 points, as usual for this element
    residual = ufl.inner(stress, virtual) * ufl.dx - ufl.inner(T, v) * ds(1)
    options = SolverOptions(symmetric=True, newton=Newton(tolerance=1e-8))  # the cell's own tolerance is felt below
    return OperatorProblem(residual, u, bcs=[held(u, 0.0, (0.0, 0.0))], loads={"traction": T}, options=options)


def held(u: fem.Function, x: float, value: tuple[float, float]) -> fem.DirichletBC:
    """A given displacement of one side."""
    V = u.function_space
    facets = mesh.locate_entities_boundary(V.mesh, 1, lambda points: np.isclose(points[0], x))
    return fem.dirichletbc(np.array(value), fem.locate_dofs_topological(V, 1, facets), V)


def block(stress: Callable[[Any], Any]) -> OperatorProblem:
    """A block in plane strain, 2 by 1, stretched by 40 % and sheared, of a stress P(F)."""
    domain = mesh.create_rectangle(MPI.COMM_SELF, [[0, 0], [2, 1]], (8, 4), mesh.CellType.quadrilateral)
    u = fem.Function(fem.functionspace(domain, ("Lagrange", 2, (2,))), name="displacement")
    v, F = ufl.TestFunction(u.function_space), ufl.variable(ufl.Identity(2) + ufl.grad(u))
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 4})
    bcs = [held(u, 0.0, (0.0, 0.0)), held(u, 2.0, (0.8, 0.3))]
    return OperatorProblem(ufl.inner(stress(F), ufl.grad(v)) * dx, u, bcs=bcs, options=SolverOptions(symmetric=True))


def exact(path: Path) -> PointLaw:
    """The neo-Hookean energy of `genmech_fem.problems.neo_hookean` in plane strain, as an opened file."""

    def energy(F: torch.Tensor) -> torch.Tensor:
        J = F[:, 0] * F[:, 3] - F[:, 1] * F[:, 2]
        return 0.5 * (F.square().sum(1) - 2 - 2 * J.log()) + 0.5 * ((J**2 - 1) / 2 - J.log())

    strains = np.eye(2).ravel() + np.random.default_rng(0).uniform(-0.2, 0.2, (5, 4))
    law_to_onnx(energy, path, {"F": strains}, strain=ScalarSpec("F", 4), stress=ScalarSpec("P", 4, "GPa"), energy=True)
    return read_law(path)


def neo_hookean_stress(F: Any) -> Any:
    """The same stress in UFL."""
    inside = ufl.as_matrix([[F[0, 0], F[0, 1], 0.0], [F[1, 0], F[1, 1], 0.0], [0.0, 0.0, 1.0]])
    return ufl.diff(neo_hookean(inside, 1.0, 1.0), F)


def order(norms: tuple[float, ...]) -> float:
    """Order of convergence that three residuals show, the last before rounding."""
    a, b, c = np.log([norm for norm in norms if norm > 1e-12 * norms[0]][-3:])
    return float((c - b) / (b - a))


def difference(found: np.ndarray, reference: np.ndarray) -> float:
    """Relative error in the Euclidean norm."""
    return float(np.linalg.norm(found - reference) / np.linalg.norm(reference))


def against_ufl(folder: Path) -> dict[str, float]:
    """An exported law in place of its UFL form."""
    law = exact(folder / "neo_hookean.onnx")
    by_law, by_ufl = block(lambda F: external_operator(law, F, degree=4)), block(neo_hookean_stress)
    (run,), (other,) = by_law.solve(), by_ufl.solve()
    return {
        "exact law: error of the displacement [1]": difference(by_law.state.x.array, by_ufl.state.x.array),
        "exact law: Newton iterations": run.iterations,
        "exact law, in UFL: Newton iterations": other.iterations,
        "exact law: order of Newton's method [1]": order(run.norms),
    }


def against_fe2(folder: Path, seed: int, sizes: Sizes) -> Iterator[tuple[str, float]]:
    """A trained law and simpler ones in place of the cell."""
    cell, generator = brick_and_mortar(), np.random.default_rng([seed, 1])
    cell(np.zeros((1, 3)))  # compiles its forms
    strains, asked = draw(generator, sizes.samples), draw(generator, sizes.tested)
    began = time.process_time()
    stresses, tangents = cell(strains)
    labels = time.process_time() - began
    began = time.process_time()
    network = train(folder / "composite.onnx", strains, stresses, sizes.iterations, seed)
    training = time.process_time() - began
    domain = Domain((-LIMIT,) * 3, (LIMIT,) * 3)
    laws = {
        "convex network": network,
        **{
            f"spline of {n**3} energies": energy_table(cell.energies, domain, n, strain=STRAIN, stress=STRESS)
            for n in sizes.tables
        },
        "nearest sample": nearest(strains, stresses, tangents),
        "linear homogenisation": linear(cell(np.zeros((1, 3)))[1][0]),
    }
    expected, exact_tangents = cell(asked)
    for name, law in laws.items():
        found, slopes = law(asked)
        yield f"composite, {name}: error of the stress [1]", difference(found, expected)
        yield f"composite, {name}: error of the tangent [1]", difference(slopes, exact_tangents)
        beyond = np.linalg.eigvalsh(law(2 * asked)[1]).min()
        yield f"composite, {name}: least eigenvalue of the tangent at twice the strains [GPa]", float(beyond)
    slopes = network(asked)[1]
    yield "composite, convex network: asymmetry of the tangent [1]", difference(np.swapaxes(slopes, 1, 2), slopes)
    yield "composite, convex network: labels [CPU s]", labels
    yield "composite, convex network: training [CPU s]", training
    del laws["nearest sample"]  # Newton's method does not converge with its jumps
    reference, seconds, iterations = solved(cell.law, sizes)
    yield "composite, FE^2: solve [CPU s]", seconds
    yield "composite, FE^2: Newton iterations", iterations
    for name, law in laws.items():
        displacement, own, iterations = solved(law, sizes)
        yield f"composite, {name}: error of the displacement [1]", difference(displacement, reference)
        yield f"composite, {name}: solve [CPU s]", own
        yield f"composite, {name}: Newton iterations", iterations
        if name == "convex network":
            yield "composite, convex network: speed-up over FE^2 [1]", seconds / own
            yield "composite, convex network: solves until it has paid", (labels + training) / (seconds - own)


def solved(law: PointLaw, sizes: Sizes) -> tuple[np.ndarray, float, int]:
    """Displacement (dofs,) of the cantilever, CPU seconds of its solve, and Newton iterations."""
    problem = cantilever(law, sizes.cells)
    began = time.process_time()
    history = problem.solve()
    return problem.state.x.array, time.process_time() - began, sum(run.iterations for run in history)


def rows(seed: int, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Everything that is measured, one row ``{"what", "seed", "value"}`` each."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, value in (*against_ufl(folder).items(), *against_fe2(folder, seed, sizes)):
            yield {"what": what, "seed": seed, "value": value}


def main(seed: int = 0, sizes: Sizes | None = None) -> dict[str, float]:
    """Print and return what is measured."""
    found = {}
    for row in rows(seed, sizes or Sizes()):
        print(f"{row['what']:90} {row['value']:.3g}")
        found[row["what"]] = row["value"]
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
