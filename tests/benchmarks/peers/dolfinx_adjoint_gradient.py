"""Forward and gradient by dolfinx-adjoint: the same mesh, forms and solver (MUMPS L D L^T) as this project's.

Timed on a tape made before: a new field of moduli through the reduced functional, then its derivative.
"""

import json
import sys
import time
from pathlib import Path

import dolfinx_solver  # noqa: F401

# isort: split
import dolfinx_adjoint as adjoint
import numpy as np
import pyadjoint
import ufl
from dolfinx import default_scalar_type, fem, mesh
from mpi4py import MPI

task = np.load(sys.argv[1])
youngs, nu, repeats = task["youngs_modulus"], float(task["poisson_ratio"]), int(task["repeats"])
n = youngs.shape[1]
domain = mesh.create_unit_square(MPI.COMM_SELF, n, n, mesh.CellType.quadrilateral)
space = fem.functionspace(domain, ("Lagrange", 1, (2,)))
E = adjoint.Function(fem.functionspace(domain, ("DG", 0)), name="youngs_modulus")
cells = tuple(np.floor(E.function_space.tabulate_dof_coordinates()[:, :2] * n).astype(int).T)
E.x.array[:] = youngs[0][cells]
u, v, state = ufl.TrialFunction(space), ufl.TestFunction(space), adjoint.Function(space, name="displacement")
dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 2})
right = mesh.locate_entities_boundary(domain, 1, lambda x: np.isclose(x[0], 1.0))
ds = ufl.ds(domain=domain, subdomain_data=mesh.meshtags(domain, 1, np.sort(right), np.ones(len(right), np.int32)))
left = fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0], 0.0))
clamp = fem.dirichletbc(np.zeros(2, dtype=default_scalar_type), left, space)
strain = ufl.sym(ufl.grad(u))
stress = E * nu / ((1 + nu) * (1 - 2 * nu)) * ufl.tr(strain) * ufl.Identity(2) + E / (1 + nu) * strain
options = {"ksp_type": "preonly", "pc_type": "cholesky", "pc_factor_mat_solver_type": "mumps"}
problem = adjoint.LinearProblem(
    ufl.inner(stress, ufl.sym(ufl.grad(v))) * dx,
    ufl.inner(ufl.as_vector([0.0, -1.0]), v) * ds(1),
    u=state,
    bcs=[clamp],
    petsc_options=options,
    adjoint_petsc_options=options,
    jit_options={"cffi_extra_compile_args": ["-O3", "-g0"]},
)
problem.solve()
functional = adjoint.assemble_scalar(ufl.inner(state, state) * dx)
reduced = pyadjoint.ReducedFunctional(functional, pyadjoint.Control(E))

forward, backward, values, gradients = [], [], [], []
for sample in [0, *repeats * list(range(len(youngs)))]:
    moduli = adjoint.Function(E.function_space)
    moduli.x.array[:] = youngs[sample][cells]
    began = time.process_time()
    values.append(float(reduced(moduli)))
    solved = time.process_time()
    derivative = reduced.derivative()
    backward.append(time.process_time() - solved)
    forward.append(solved - began)
    gradient = np.empty_like(youngs[0])
    gradient[cells] = derivative.x.array
    gradients.append(gradient.tolist())
count = len(youngs)
result = {"forward": forward[1:], "backward": backward[1:], "values": values[1:], "gradients": gradients[1 : count + 1]}
Path(sys.argv[2]).write_text(json.dumps(result))
