"""Ready-made solvers of topology optimisation: moduli of unit Q1 cells -> compliance, Poisson's ratio 0.3.

The half MBB beam with a load on a node is that of Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters.problem_model import ProblemModel, as_vector, cell_values
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.problems import SolverOptions, VariationalProblem, lame
from genmech_fem.problems.applied import cell_control

_POISSON = 0.3
_ROUNDING = 1e-9

type _Part = Callable[[np.ndarray], np.ndarray]


def mbb_beam(nx: int = 60, ny: int = 20) -> ProblemModel:
    """The right half of an MBB beam in plane stress, under a unit force down on its upper left node.

    The left side moves vertically only, the lower right node horizontally only. Input ``youngs_modulus``
    (batch, nx, ny), output ``compliance`` (batch, 1), the work of the force.

    Args:
        nx: Cells along the half beam; they are unit squares.
        ny: Cells over its height.

    Raises:
        ValueError: There are no cells.
    """
    domain = _box((nx, ny))
    space = _displacements(domain)
    symmetry = _hold(space, 0, lambda x: np.isclose(x[0], 0))
    roller = _hold(space, 1, lambda x: np.isclose(x[0], nx) & np.isclose(x[1], 0))
    force = _over(domain, "dP", lambda x: np.isclose(x[0], 0) & np.isclose(x[1], ny))
    return _model(space, [symmetry, roller], lambda v: -v[1] * force)


def cantilever(shape: Sequence[int] = (60, 20), patch: float = 0.1) -> ProblemModel:
    """A beam held at its left end, under a unit force down on the middle of its right end; in 2D in plane stress.

    Input ``youngs_modulus`` (batch, *shape), output ``compliance`` (batch, 1), the work of the force.

    Args:
        shape: Unit cells along the length, the height and in 3D the width.
        patch: Height of the loaded patch over that of the beam; it is as wide as the beam.

    Raises:
        ValueError: There are no cells, they are not 2D or 3D, or the patch is smaller than one of them.
    """
    domain = _box(shape)
    space = _displacements(domain)
    length, height = shape[:2]
    reach = patch * height / 2
    loaded = _over(domain, "ds", lambda x: np.isclose(x[0], length) & (np.abs(x[1] - height / 2) <= reach + _ROUNDING))
    area = fem.assemble_scalar(fem.form(fem.Constant(domain, 1.0) * loaded))
    held = [_hold(space, axis, lambda x: np.isclose(x[0], 0)) for axis in range(len(shape))]
    return _model(space, held, lambda v: -v[1] / area * loaded)


def _model(space: fem.FunctionSpace, held: Sequence[fem.DirichletBC], work: Callable[[Any], ufl.Form]) -> ProblemModel:
    """From the moduli to the work of the loads."""
    domain = space.mesh
    dimension = domain.geometry.dim
    E, u, v = cell_control(domain, "youngs_modulus", 1.0), fem.Function(space), ufl.TestFunction(space)
    mu, lmbda = lame(1.0, _POISSON)
    lmbda = _POISSON / (1 - _POISSON**2) if dimension == 2 else lmbda
    strain, virtual = (ufl.sym(ufl.grad(w)) for w in (u, v))
    stress = E * (lmbda * ufl.tr(strain) * ufl.Identity(dimension) + 2 * mu * strain)
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 2})
    problem = VariationalProblem(
        ufl.inner(stress, virtual) * dx - work(v),
        u,
        controls={"youngs_modulus": E},
        bcs=held,
        observables={"compliance": work(u)},
        positive={"youngs_modulus": E},
        solver=SolverOptions(symmetric=True, definite=True),
    )
    cells = domain.geometry.x.max(axis=0)[:dimension]
    spec = FieldSpec("youngs_modulus", Grid(tuple(map(round, cells)), (0.0,) * dimension, tuple(cells)))
    return ProblemModel(
        problem,
        (cell_values(E, spec, "youngs_modulus"),),
        (as_vector(ScalarSpec("compliance"), "compliance"),),
    )


def _box(shape: Sequence[int]) -> mesh.Mesh:
    """A box of unit squares or cubes with a corner at the origin."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"expected numbers of cells along 2 or 3 axes, got {tuple(shape)}")
    corners = [np.zeros(len(shape)), np.array(shape, dtype=float)]
    if len(shape) == 2:
        return mesh.create_rectangle(MPI.COMM_SELF, corners, list(shape), mesh.CellType.quadrilateral)
    return mesh.create_box(MPI.COMM_SELF, corners, list(shape), mesh.CellType.hexahedron)


def _displacements(domain: mesh.Mesh) -> fem.FunctionSpace:
    return fem.functionspace(domain, ("Lagrange", 1, (domain.geometry.dim,)))


def _hold(space: fem.FunctionSpace, axis: int, where: _Part) -> fem.DirichletBC:
    """One component of the displacement is zero on the nodes of a part of the boundary."""
    dofs = fem.locate_dofs_topological(space.sub(axis), 0, mesh.locate_entities_boundary(space.mesh, 0, where))
    return fem.dirichletbc(0.0, dofs, space.sub(axis))


def _over(domain: mesh.Mesh, kind: Literal["ds", "dP"], where: _Part) -> ufl.Measure:
    """Integral over the facets, or sum over the vertices, of a part of the boundary."""
    dimension, integral = (0, "vertex") if kind == "dP" else (domain.topology.dim - 1, "exterior_facet")
    found = mesh.locate_entities_boundary(domain, dimension, where)
    if not len(found):
        raise ValueError(
            "expected whole facets in the loaded part, found none: make the patch larger, or the cells smaller"
        )
    domain.topology.create_connectivity(dimension, domain.topology.dim)
    places = fem.compute_integration_domains(fem.IntegralType[integral], domain.topology, found)
    return ufl.Measure(kind, domain=domain, subdomain_data=[(1, places)], metadata={"quadrature_degree": 1})(1)
