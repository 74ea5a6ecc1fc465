"""One linear solve for each material: a cube of two random phases, clamped at one side and loaded at the opposite one.

One network is a U-Net on the nodes, from the diagonal of the matrix to the displacements under six loads, three on the
end and three on the whole body: the directions for the start, or for the preconditioner. Another one is a perceptron,
from the residual and the diagonal to a correction. Beside them are the principal modes of the same labels, and
polynomials, which need none.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import genmech_petsc  # noqa: F401  isort: skip

import numpy as np
import torch
import ufl
from dolfinx import fem, mesh
from dolfinx.fem.petsc import LinearProblem
from genmech_petsc.encoders import grid_places
from genmech_petsc.layout import diagonal, layout
from genmech_petsc.networks import Modes, grid_network, modal_network
from genmech_petsc.snapshots import Snapshots
from genmech_petsc.training import principal_modes, train, write
from mpi4py import MPI
from petsc4py import PETSc
from petsc_timing import Options, Row, assemble, assemble_vector, linear_rows, python, rows, timed

from genmech_fem.problems.linear import rigid_modes
from genmech_fem.training import Recipe

TASK, CONTRAST, RTOL, WAVES = "elastic cube", 100.0, 1e-8, 5
PERCEPTRON = "perceptron of the residual"
LOAD = (1.0, 0.5, -0.3, 0.0, 0.0, 0.0)
CG = {"ksp_type": "cg", "ksp_rtol": RTOL, "ksp_norm_type": "unpreconditioned"}
CHOLESKY = {"ksp_type": "preonly", "pc_type": "cholesky", "pc_factor_mat_solver_type": "mumps"}
_numbers = itertools.count()


class Cube:
    """The cube with n^3 cells, solved as the options say."""

    def __init__(self, n: int, options: Options) -> None:
        domain = mesh.create_unit_cube(MPI.COMM_SELF, n, n, n, mesh.CellType.hexahedron)
        self.space = fem.functionspace(domain, ("Lagrange", 1, (3,)))
        self.stiffness = fem.Function(fem.functionspace(domain, ("DG", 0)))
        self.traction, self.force, x = (
            fem.Constant(domain, np.zeros(3)),
            fem.Constant(domain, np.zeros(3)),
            ufl.SpatialCoordinate(domain),
        )
        u, v, dx = (
            ufl.TrialFunction(self.space),
            ufl.TestFunction(self.space),
            ufl.dx(metadata={"quadrature_degree": 2}),
        )
        strain, E = (lambda w: ufl.sym(ufl.grad(w))), self.stiffness
        stress = E / 1.3 * strain(u) + E * 0.3 / 0.52 * ufl.div(u) * ufl.Identity(3)
        end = ufl.conditional(ufl.gt(x[0], 1 - 1e-6), 1.0, 0.0)
        held = fem.locate_dofs_geometrical(self.space, lambda x: np.isclose(x[0], 0))
        self.problem = LinearProblem(
            ufl.inner(stress, strain(v)) * dx,
            end * ufl.inner(self.traction, v) * ufl.ds + ufl.inner(self.force, v) * dx,
            bcs=[fem.dirichletbc(np.zeros(3), held, self.space)],
            petsc_options_prefix=f"cube{next(_numbers)}_",
            petsc_options=dict(options),
        )
        vectors = [self.problem.A.createVecLeft() for _ in range(6)]
        for vector, motion in zip(vectors, np.linalg.qr(rigid_modes(self.space))[0].T, strict=True):
            vector.setArray(motion)
        self.problem.A.setNearNullSpace(PETSc.NullSpace().create(vectors=vectors, comm=MPI.COMM_SELF))
        centres = self.stiffness.function_space.tabulate_dof_coordinates()
        self.waves = np.array([*itertools.product(range(WAVES), repeat=3)][1:])
        self.cosines = np.array([np.cos(np.pi * centres * wave).prod(1) for wave in self.waves])
        self.load(LOAD)

    def load(self, load: tuple[float, ...] | np.ndarray) -> None:
        """Set the traction on the end and the body force (6,)."""
        self.traction.value, self.force.value = load[:3], load[3:]

    def draw(self, generator: np.random.Generator, *, outside: bool = False) -> None:
        """Assemble for a new material; outside of the training its grains are finer and its contrast is tenfold."""
        length, contrast = (0.1, 10 * CONTRAST) if outside else (0.25, CONTRAST)
        weights = np.exp(-((np.pi * length) ** 2) * (self.waves**2).sum(1) / 4) * generator.standard_normal(
            len(self.waves)
        )
        self.stiffness.x.array[:] = np.where(weights @ self.cosines > 0, contrast, 1.0)
        assemble(self.problem)


def labels(cube: Cube, count: int, generator: np.random.Generator) -> tuple[Snapshots, Snapshots]:
    """Displacements under unit loads on random materials: all loads of a material together, and each for itself."""
    A, b, x = cube.problem.A, cube.problem.b, cube.problem.x
    diagonals, loads, directions = [], [], []
    for _ in range(count):
        cube.draw(generator)
        diagonals.append(diagonal(A))
        for load in np.eye(6):
            cube.load(load)
            assemble_vector(cube.problem)
            cube.problem.solver.solve(b, x)
            loads.append(b.array_r.copy())
            directions.append(x.array_r.copy())
    found = np.array(directions).reshape(count, 6, -1)
    each = Snapshots(np.array(loads), np.repeat(diagonals, 6, axis=0), np.array(directions)[:, None], layout(A))
    return Snapshots(each.residual[::6], np.array(diagonals), found, layout(A)), each


def polynomials(cube: Cube, degree: int = 2) -> np.ndarray:
    """Displacements (k, n) that are polynomials and vanish at the clamped side."""
    x = cube.space.tabulate_dof_coordinates() - [0.0, 0.5, 0.5]
    powers = [p for p in itertools.product(range(degree + 1), repeat=3) if p[0] >= 1 and sum(p) <= degree]
    values = np.array([(x**p).prod(1) for p in powers])
    return np.einsum("pn,cd->pcnd", values, np.eye(3)).reshape(3 * len(powers), -1)


def files(folder: Path, n: int, count: int, steps: int, seed: int) -> tuple[dict[str, Path], dict[str, float]]:
    """Files by what is in them, and the CPU time of labels and training [s]."""
    torch.manual_seed(seed)
    cube = Cube(n, CHOLESKY)
    (known, each), on_labels = timed(labels, cube, count, np.random.default_rng([seed, 1]))
    places = grid_places(cube.space.tabulate_dof_coordinates(), (n + 1,) * 3, components=3)
    networks = {
        "network": (
            grid_network(known, places, inputs=["diagonal"], channels=(16, 32)),
            known,
            Recipe(steps, batch_size=8),
        ),
        PERCEPTRON: (modal_network(each), each, Recipe(5 * steps)),
    }
    paths, prices = {}, {}
    for name, (network, samples, recipe) in networks.items():
        paths[name] = folder / f"{name}.onnx"
        prices[name] = on_labels + timed(train, network, samples, paths[name], recipe)[1]
    bases = {"reduced basis": principal_modes(known.directions, 12), "polynomials": polynomials(cube)}
    for name, directions in bases.items():
        paths[name] = folder / f"{name}.onnx"
        write(Modes(directions), ["diagonal"], known, paths[name])
    return paths, prices | {"reduced basis": on_labels, "polynomials": 0.0}


def cube_rows(seed: int, folder: Path, *, n: int, count: int, steps: int, tests: int) -> Iterator[Row]:
    """Rows of all methods, on materials like those of the training and on others."""
    paths, prices = files(folder, n, count, steps, seed)
    methods: dict[str, Options] = {
        "CG + ICC": CG | {"pc_type": "icc"},
        "CG + GAMG": CG | {"pc_type": "gamg"},
        "Cholesky (MUMPS)": CHOLESKY,
    }
    for name, file in paths.items():
        methods[f"start by {name}"] = CG | python("OnnxGuess", file)
        flexible = {"ksp_type": "fcg", "ksp_fcg_mmax": 200} if name == PERCEPTRON else {}
        methods[f"preconditioner by {name}"] = CG | python("OnnxPC", file) | flexible
        yield from rows(f"{TASK}, preconditioner by {name}", seed, {"labels and training [CPU s]": prices[name]})
    for name, options in methods.items():
        for outside in (False, True):
            cube, generator = Cube(n, options), np.random.default_rng([seed, 2])
            systems = [partial(cube.draw, generator, outside=outside)] * tests
            task = f"{TASK} out of distribution" if outside else TASK
            yield from linear_rows(f"{task}, {name}", seed, cube.problem, systems)
