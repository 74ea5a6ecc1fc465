"""Problems against their peers: effective stiffness, gradients, and campaigns of solves.

Run it with  uv run python tests/benchmarks/problems.py [--quick]

All times are CPU seconds of one thread, after a first call that compiles and allocates.
The peers run in environments of their own (peers/environment.py), on the same fields of moduli.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import reporting
import ufl
from peers import environment
from peers.tasks import Moduli, Task, gradient_task, homogenization_task, random_moduli, refined

from genmech_fem.metrics import symmetric_matrix
from genmech_fem.problems import Fourier, Problem, SolverOptions, VariationalProblem, periodic_elasticity
from genmech_fem.problems.forms import JIT_OPTIONS, assemble, compiled, new_matrix
from genmech_fem.problems.solver_options import preset

# isort: split
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc

type Rows = list[dict[str, Any]]

HOMOGENIZATION = {"fedoo": "fedoo_homogenization.py", "muspectre": "muspectre_homogenization.py"}
GRADIENT = {"dolfinx_adjoint": "dolfinx_adjoint_gradient.py", "torch_fem": "torch_fem_gradient.py"}
SAME_ELEMENTS = ("fedoo", "muSpectre bilinear")
WARM_UP = 2
"""First calls, in which problems compile and allocate."""
LOOSE = Fourier(tolerance=1e-3)
"""As loose as the peers' iterations: 1e-6 of C*."""
DEMOS = {"ksp_type": "preonly", "pc_type": "lu", "ksp_error_if_not_converged": True}
MUMPS = preset(symmetric=True, dimension=2, size=1)


def timed(function: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """CPU seconds of a call, and what it returned."""
    began = time.process_time()
    result = function(*args)
    return time.process_time() - began, result


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """Frobenius norm of a - b over that of b."""
    return float(np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(b))


def row(part: str, seed: int | None, what: str, seconds: list[float], **more: Any) -> dict[str, Any]:
    """Median of the times of one seed, and the largest, in ms."""
    milliseconds = 1000 * np.array(seconds)
    return {
        "part": part,
        "seed": seed,
        "what": what,
        "value": median(milliseconds),
        "largest": max(milliseconds),
    } | more


def ask(part: str, label: str, scripts: Mapping[str, str], task: Task, limit: float) -> tuple[dict[str, Any], Rows]:
    """What each peer's script returned; a row for each peer that is missing."""
    results, rows = {}, []
    for peer, script in scripts.items():
        print(f"        {peer}", flush=True)
        try:
            results[peer] = environment.run(peer, script, task, limit=limit)
        except environment.PeerError as error:
            rows.append({"part": part, "what": f"{label}, {peer}: not measured", "how": str(error)})
    return results, rows


# Effective stiffness -------------------------------------------------------------------------


def periodic_problem(shape: tuple[int, ...], method: str | Fourier) -> Problem:
    """Periodic cell of one Q1 element a pixel or voxel; controls youngs_modulus, poisson_ratio."""
    if len(shape) == 2:
        domain = mesh.create_unit_square(MPI.COMM_SELF, *shape, mesh.CellType.quadrilateral)
    else:
        domain = mesh.create_unit_cube(MPI.COMM_SELF, *shape, mesh.CellType.hexahedron)
    return periodic_elasticity(domain, method=method)


def our_tensors(task: Task, method: str | Fourier = "auto") -> dict[str, Any]:
    """As the scripts of the peers: times from new moduli to C* on a problem made before, and all C*."""
    shape = task["youngs_modulus"].shape[1:]
    problem = periodic_problem(shape, method)
    moduli = Moduli(problem.controls["youngs_modulus"].function_space, shape)

    def stiffness(sample: int) -> np.ndarray:
        problem.set_controls({name: moduli(task[name][sample]) for name in ("youngs_modulus", "poisson_ratio")})
        problem.solve()
        return symmetric_matrix(problem.observe(["stiffness"])["stiffness"])

    for _ in range(WARM_UP):
        stiffness(0)
    samples = range(len(task["youngs_modulus"]))
    found = [timed(stiffness, sample) for sample in int(task["repeats"]) * list(samples)]
    seconds, tensors = zip(*found, strict=True)
    if method == LOOSE:
        name, solver = "genmech_fem, Fourier", f"CG to {LOOSE.tolerance:g}, 1e-6 of C*, Fourier preconditioner"
    else:
        direct = len(shape) == 2
        name, solver = "genmech_fem", "MUMPS L D L^T" if direct else "CG to 1e-6, 1e-12 of C*, Fourier preconditioner"
    how = f"same elements; {solver}; re-used: mesh, forms, pattern, symbolic factorisation or symbol"
    return {"method": name, "how": how, "seconds": seconds, "tensors": tensors[: len(samples)]}


def homogenization(
    label: str, n: int, dimension: int, seeds: list[int], repeats: int, limit: float
) -> tuple[dict[str, Any], Rows]:
    """Ratios of the best peer's time to ours, and a row for every method and seed."""
    part, task = "effective stiffness", homogenization_task(n, dimension, seeds, repeats)
    results, rows = ask(part, label, HOMOGENIZATION, task, limit)
    ours = our_tensors(task)
    finer = our_tensors(refined(task))["tensors"][0] if n in (16, 64) else None
    times = {}
    for result in [ours, our_tensors(task, LOOSE), *itertools.chain.from_iterable(results.values())]:
        times[result["method"]] = median(result["seconds"])
        for k, seed in enumerate(seeds):
            more = {"difference": relative(result["tensors"][k], ours["tensors"][k])}
            if k == 0:
                more["how"] = result["how"]
                more["discretisation error"] = None if finer is None else relative(result["tensors"][0], finer)
            what = f"{label}, {result['method']}: CPU time [ms]"
            rows.append(row(part, seed, what, list(result["seconds"][k :: len(seeds)]), **more))
    own, peers = ([found for method, found in times.items() if ("genmech" in method) == mine] for mine in (True, False))
    name = f"homogenization_{label.replace('^2', '').replace('^3', 'cubed')}_ratio"
    same = [times[method] for method in SAME_ELEMENTS if method in times]
    return {
        name: min(peers) / min(own) if peers else None,
        f"{name}_same_elements": min(same) / min(own) if same else None,
    }, rows


# One elastic problem for gradients and campaigns ---------------------------------------------


@dataclass(frozen=True)
class Cantilever:
    """Unit square in plane strain, clamped at x = 0, sheared by a unit traction at x = 1: a(u, v; E) = L(v)."""

    space: fem.FunctionSpace
    E: fem.Function
    a: ufl.Form
    L: ufl.Form
    bcs: list[fem.DirichletBC]

    def problem(self) -> VariationalProblem:
        """The problem of this project; observables int u.u dx and the compliance L(u)."""
        state = fem.Function(self.space, name="displacement")
        return VariationalProblem(
            ufl.action(self.a, state) - self.L,
            state,
            controls={"youngs_modulus": self.E},
            bcs=self.bcs,
            observables={
                "square": ufl.inner(state, state) * ufl.dx(metadata={"quadrature_degree": 2}),
                "compliance": ufl.action(self.L, state),
            },
            solver=SolverOptions(symmetric=True, definite=True),
        )


def cantilever(n: int, nu: float = 0.3, degree: int | None = 2) -> Cantilever:
    """Cantilever of n x n Q1 elements, by a quadrature of given degree or that of UFL's estimate."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, n, n, mesh.CellType.quadrilateral)
    space = fem.functionspace(domain, ("Lagrange", 1, (2,)))
    E = fem.Function(fem.functionspace(domain, ("DG", 0)), name="youngs_modulus")
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    strain = ufl.sym(ufl.grad(u))
    stress = E * nu / ((1 + nu) * (1 - 2 * nu)) * ufl.tr(strain) * ufl.Identity(2) + E / (1 + nu) * strain
    right = np.sort(mesh.locate_entities_boundary(domain, 1, lambda x: np.isclose(x[0], 1.0)))
    ds = ufl.ds(domain=domain, subdomain_data=mesh.meshtags(domain, 1, right, np.ones(len(right), dtype=np.int32)))
    left = fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0], 0.0))
    dx = ufl.dx if degree is None else ufl.dx(metadata={"quadrature_degree": degree})
    a = ufl.inner(stress, ufl.sym(ufl.grad(v))) * dx
    L = ufl.inner(ufl.as_vector([0.0, -1.0]), v) * ds(1)
    return Cantilever(space, E, a, L, [fem.dirichletbc(np.zeros(2), left, space)])


# Gradients -----------------------------------------------------------------------------------


def our_gradients(task: Task, observable: str = "square") -> dict[str, Any]:
    """As the scripts of the peers: int u.u dx, its gradient with respect to E, and the times of both."""
    fields = task["youngs_modulus"]
    given = cantilever(fields.shape[1])
    problem, moduli = given.problem(), Moduli(given.E.function_space, fields.shape[1:])

    def forward(sample: int) -> float:
        problem.set_controls({"youngs_modulus": moduli(fields[sample])})
        problem.solve()
        return float(problem.observe([observable])[observable][0])

    result: dict[str, Any] = {name: [] for name in ("forward", "backward", "values", "gradients")}
    for sample in [*WARM_UP * [0], *int(task["repeats"]) * list(range(len(fields)))]:
        solved, value = timed(forward, sample)
        pulled, back = timed(problem.pull_back, {observable: np.ones(1)})
        gradient = np.empty_like(fields[0])
        gradient[moduli.cells] = back["youngs_modulus"]
        for found, measured in zip(result.values(), (solved, pulled, value, gradient), strict=True):
            found.append(measured)
    return {name: found[WARM_UP:] for name, found in result.items()}


def gradients(n: int, seeds: list[int], repeats: int, limit: float) -> tuple[dict[str, Any], Rows]:
    """Our time of the backward over the forward solve, and rows for every method and seed."""
    part, task = "gradient", gradient_task(n, seeds, repeats)
    results, rows = ask(part, f"{n}^2", GRADIENT, task, limit)
    ours, compliance = our_gradients(task), our_gradients(task, "compliance")
    for method, result in {"genmech_fem": ours, "genmech_fem, compliance": compliance, **results}.items():
        for k, seed in enumerate(seeds):
            what = f"{2 * (n + 1) ** 2} dofs, {method}"
            for name, compared in (("forward", "values"), ("backward", "gradients")):
                same = None if result is compliance else relative(result[compared][k], ours[compared][k])
                times = result[name][k :: len(seeds)]
                rows.append(row(part, seed, f"{what}: {name} [ms]", times, difference=same))
    return {
        "backward_over_forward": median(compliance["backward"]) / median(compliance["forward"]),
        "backward_over_forward_of_a_volume_integral": median(ours["backward"]) / median(ours["forward"]),
    }, rows


# Campaigns -----------------------------------------------------------------------------------


def by_this_project(given: Cantilever) -> Callable[[np.ndarray], np.ndarray]:
    problem = given.problem()

    def solve(E: np.ndarray) -> np.ndarray:
        problem.set_controls({"youngs_modulus": E})
        problem.solve()
        return problem.observe()["state"]

    return solve


def by_hand(given: Cantilever) -> Callable[[np.ndarray], np.ndarray]:
    """As little as DOLFINx and MUMPS need: load assembled once, symbolic factorisation kept, nothing checked."""
    form = compiled(given.a)
    matrix, load = new_matrix(form), fem.assemble_vector(compiled(given.L)).array
    load[given.bcs[0].dof_indices()[0]] = 0.0
    arrays = (matrix.indptr.astype(PETSc.IntType), matrix.indices, matrix.data)
    wrapped = PETSc.Mat().createAIJWithArrays((len(load), len(load)), arrays, comm=MPI.COMM_SELF)
    wrapped.setOption(PETSc.Mat.Option.SPD, True)
    ksp = PETSc.KSP().create(MPI.COMM_SELF)
    ksp.setOptionsPrefix("by_hand_")
    for name, value in MUMPS.items():
        PETSc.Options().setValue(f"by_hand_{name}", value)
    ksp.setFromOptions()
    right, left = PETSc.Vec().createWithArray(load, comm=MPI.COMM_SELF), wrapped.createVecLeft()

    def solve(E: np.ndarray) -> np.ndarray:
        given.E.x.array[:] = E
        assemble(matrix, form, given.bcs)
        wrapped.stateIncrease()
        ksp.setOperators(wrapped)
        ksp.solve(right, left)
        return left.getArray().copy()

    return solve


def by_linear_problem(given: Cantilever, **options: Any) -> Callable[[np.ndarray], np.ndarray]:
    """As users write it: a new LinearProblem a sample."""

    def solve(E: np.ndarray) -> np.ndarray:
        given.E.x.array[:] = E
        problem = petsc.LinearProblem(given.a, given.L, bcs=given.bcs, petsc_options_prefix="campaign_", **options)
        return problem.solve().x.array.copy()

    return solve


def campaign(n: int, count: int, block: int) -> tuple[dict[str, Any], Rows]:
    """Times of a campaign in several ways, in turns of ``block`` solves against drifts of the machine."""
    given = cantilever(n)
    solvers = {
        "genmech_fem": by_this_project(given),
        "by hand": by_hand(given),
        "new LinearProblem a sample, our solver, quadrature and flags": by_linear_problem(
            given, petsc_options=MUMPS, jit_options=JIT_OPTIONS
        ),
        "new LinearProblem a sample, as in the DOLFINx demos": by_linear_problem(
            cantilever(n, degree=None), petsc_options=DEMOS
        ),
    }
    shape = given.E.x.array.shape

    def solve_all(solve: Callable[[np.ndarray], np.ndarray], fields: list[np.ndarray]) -> np.ndarray:
        return [solve(E) for E in fields][-1]

    fields = [random_moduli(shape, seed) for seed in range(count)]
    answers = {name: solve_all(solve, fields[:WARM_UP]) for name, solve in solvers.items()}
    times: dict[str, list[float]] = {name: [] for name in solvers}
    for start, (name, solve) in itertools.product(range(0, count, block), solvers.items()):
        times[name].append(timed(solve_all, solve, fields[start : start + block])[0] / block)
    rows = []
    for name, found in times.items():
        more = {"difference": relative(answers[name], answers["genmech_fem"])}
        rows.append(row("campaign", None, f"{n}^2, {count} solves, {name}: a solve [ms]", found, **more))
    ours, bare, same, demos = (np.array(found) for found in times.values())
    ratios = {
        "campaign_over_bare": ours / bare,
        "campaign_speedup_vs_linearproblem": demos / ours,
        "campaign_speedup_vs_linearproblem_with_our_settings": same / ours,
    }
    return {name: float(np.median(ratio)) for name, ratio in ratios.items()}, rows


def main() -> None:
    """Run the parts one after the other."""
    args = reporting.arguments("problems against their peers")
    if any(os.environ.get(name) != value for name, value in environment.THREADS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | environment.THREADS)  # noqa: S606
    seeds = [0, 1] if args.quick else [0, 1, 2]
    limit = 60.0 if args.quick else 240.0
    parts: list[tuple[str, float, Callable[[], tuple[dict[str, Any], Rows]]]] = [
        ("campaign", 10 if args.quick else 30, lambda: campaign(64, 60 if args.quick else 200, 10)),
        ("gradients", 50, lambda: gradients(100, seeds, 3 if args.quick else 5, limit)),
        ("64^2", 25, lambda: homogenization("64^2", 64, 2, seeds, 3 if args.quick else 5, limit)),
        ("16^3", 30, lambda: homogenization("16^3", 16, 3, seeds, 1 if args.quick else 2, limit)),
    ]
    if not args.quick:
        parts += [
            ("128^2", 45, lambda: homogenization("128^2", 128, 2, seeds, 3, limit)),
            ("32^3", 170, lambda: homogenization("32^3", 32, 3, seeds[:2], 1, limit)),
        ]
    figures: dict[str, Any] = dict.fromkeys(f"homogenization_{size}_ratio" for size in ("64", "128", "32cubed"))
    rows: Rows = []
    began, done, total = time.perf_counter(), 0.0, sum(seconds for _, seconds, _ in parts)
    for name, seconds, part in parts:
        gone = time.perf_counter() - began
        left = (total - done) * (gone / done if done else 1.0)
        print(f"{gone:5.0f} s gone, about {left:.0f} s left: {name}", flush=True)
        found, measured = part()
        figures |= found
        rows += measured
        done += seconds
    reporting.write("problems", figures, rows, seeds, quick=args.quick)


if __name__ == "__main__":
    main()
