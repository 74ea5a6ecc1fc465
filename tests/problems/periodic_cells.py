"""Meshes and exact tensors of periodic cells."""

import numpy as np
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.problems.physics import mandel_basis

CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]


def box(dimension, cell, n, sides=None):
    """Box of n cells a side, or n[i] along axis i."""
    sides, n = sides or (1.0,) * dimension, (n,) * dimension if isinstance(n, int) else n
    create = mesh.create_rectangle if dimension == 2 else mesh.create_box
    return create(MPI.COMM_SELF, [(0.0,) * dimension, sides], n, mesh.CellType[cell])


def midpoints(domain):
    count = domain.topology.index_map(domain.topology.dim).size_local
    return mesh.compute_midpoints(domain, domain.topology.dim, np.arange(count))[:, : domain.geometry.dim]


def isotropic(E, nu, dimension):
    """Stiffness in Mandel notation."""
    lmbda, mu = E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
    basis = mandel_basis(dimension)
    trace = np.einsum("kii->k", basis)
    return lmbda * np.outer(trace, trace) + 2 * mu * np.eye(len(basis))


def set_moduli(problem, **values):
    for name, value in values.items():
        problem.controls[name].x.array[:] = value


def laminate(tensors, normal):
    """Effective tensor of equal layers: in the components `normal` the flux is constant, in others the gradient."""
    tangent = np.setdiff1d(np.arange(len(tensors[0])), normal)
    n, t, nt = np.ix_(normal, normal), np.ix_(tangent, tangent), np.ix_(normal, tangent)
    inverse = np.linalg.inv(np.mean([np.linalg.inv(c[n]) for c in tensors], axis=0))
    mixed = inverse @ np.mean([np.linalg.inv(c[n]) @ c[nt] for c in tensors], axis=0)
    exact = np.zeros_like(tensors[0])
    exact[n], exact[nt], exact[np.ix_(tangent, normal)] = inverse, mixed, mixed.T
    schur = np.mean([c[t] - c[nt].T @ np.linalg.inv(c[n]) @ c[nt] for c in tensors], axis=0)
    exact[t] = schur + mixed.T @ np.linalg.inv(inverse) @ mixed
    return exact
