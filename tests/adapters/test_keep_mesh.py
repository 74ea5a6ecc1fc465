"""Fields on each sample's own mesh: from the stored mesh and displacement alone the stiffness follows again."""

import numpy as np
import pytest

from genmech_fem.adapters import EPOXY, GLASS, ConformingHomogenization
from genmech_fem.fields import check
from genmech_fem.geometry import mesh_of
from genmech_fem.microstructure import PeriodicFibres


@pytest.fixture(scope="module")
def batch():
    sampler = PeriodicFibres(resolution=16)
    phase = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(2)])
    model = ConformingHomogenization(16, refine=1, keep_mesh=True)
    return phase, model, check(model({"phase": phase}), model.outputs)


def plane_strain(material):
    """Stiffness in Mandel notation."""
    e, nu = material.youngs_modulus, material.poisson_ratio
    mu = e / (2 * (1 + nu))
    lmbda = 2 * mu * nu / (1 - 2 * nu)
    return lmbda * np.outer([1, 1, 0], [1, 1, 0]) + 2 * mu * np.eye(3)


def strains(mesh, displacement):
    """Mandel strains (cells, 3) of nodal displacements (2, nodes) on triangles, and areas (cells,)."""
    corners = mesh.points[mesh.cells]
    edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=1)
    values = displacement.T[mesh.cells]
    steps = np.stack([values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]], axis=1)
    gradient = np.swapaxes(np.linalg.solve(edges, steps), 1, 2)
    shear = (gradient[:, 0, 1] + gradient[:, 1, 0]) / np.sqrt(2)
    return np.stack([gradient[:, 0, 0], gradient[:, 1, 1], shear], axis=1), np.linalg.det(edges) / 2


def test_the_stiffness_follows_from_mesh_and_displacement(batch):
    arrays = batch[2]
    for i in range(2):
        mesh = mesh_of(arrays, i)
        u = arrays["displacement"][i][..., arrays["displacement.mask"][i]]
        stiffness = np.stack([plane_strain(EPOXY), plane_strain(GLASS)])[mesh.tags]
        local, areas = zip(*(strains(mesh, u[load]) for load in range(3)), strict=True)
        np.testing.assert_allclose(areas[0].sum(), 1.0)
        for fluctuation in local:
            np.testing.assert_allclose(areas[0] @ fluctuation, 0, atol=1e-12)
        total = np.stack(local, axis=2) + np.eye(3)
        effective = np.einsum("c,cak,cab,cbl->kl", areas[0], total, stiffness, total)
        np.testing.assert_allclose(effective[np.triu_indices(3)], arrays["stiffness"][i], rtol=1e-8, atol=1e-8)


def test_opposite_sides_move_alike(batch):
    arrays = batch[2]
    mesh = mesh_of(arrays)
    u = arrays["displacement"][0][..., arrays["displacement.mask"][0]]
    for axis in (0, 1):
        low, high = (np.flatnonzero(mesh.points[:, axis] == side) for side in (0, 1))
        low, high = (nodes[np.argsort(mesh.points[nodes, 1 - axis])] for nodes in (low, high))
        np.testing.assert_array_equal(u[..., low], u[..., high])
    assert np.abs(u).max() > 0.01


def test_the_other_outputs_stay_as_they_are(batch):
    phase, _, arrays = batch
    plain = ConformingHomogenization(16, refine=1)({"phase": phase})
    assert sorted(plain) == ["stiffness", "strain"]
    for name, array in plain.items():
        np.testing.assert_array_equal(arrays[name], array)
