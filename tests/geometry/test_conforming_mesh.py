"""Guarantees of meshes from images in 2D and 3D: random fields, and images that are hard to mesh."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_fields import FAMILIES, own_fraction, random_field, side_mismatch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from genmech_fem.geometry import conforming_mesh, multiphase_mesh, with_facet_tags
from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.quality import smallest_dihedral_angles


def check(mesh, *, periodic):
    """No inverted cell, the unit box is filled, facets of the boundary lie on it, opposite sides match."""
    box = (0.0,) * mesh.dimension, (1.0,) * mesh.dimension
    assert mesh.measures().min() > 0
    assert mesh.measures().sum() == pytest.approx(1.0, rel=1e-12)
    facets, owners = unique_facets(mesh)
    ends = mesh.points[facets[owners[:, 1] < 0]]
    assert np.any([(ends == side).all(axis=1) for side in (0.0, 1.0)], axis=(0, 2)).all()
    assert len(np.unique(mesh.cells)) == len(mesh.points)
    if periodic:
        assert side_mismatch(mesh.points, *box) == 0.0


def angle(mesh):
    if mesh.dimension == 2:
        return mesh.smallest_angle()
    return np.degrees(smallest_dihedral_angles(mesh.points[mesh.cells]).min())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    family=st.sampled_from(FAMILIES),
    shape=st.tuples(st.integers(6, 48), st.integers(6, 48)),
    periodic=st.booleans(),
)
def test_random_fields_in_2d_keep_all_guarantees(seed, family, shape, periodic):
    field, threshold = random_field(family, shape, np.random.default_rng(seed))
    scale = np.array(shape) / max(shape)  # square pixels
    mesh = conforming_mesh(field, threshold=threshold, upper=tuple(scale), periodic=periodic)
    assert mesh.smallest_angle() >= 6
    mesh = conforming_mesh(field, threshold=threshold, periodic=periodic)
    check(mesh, periodic=periodic)
    if periodic and field.size >= 400:
        found = mesh.phase_fractions()[1:].sum()
        assert found == pytest.approx(own_fraction(field, threshold, 16), abs=max(6e-3, 1 / field.size))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    family=st.sampled_from(FAMILIES),
    size=st.integers(5, 10),
    periodic=st.booleans(),
)
def test_random_fields_in_3d_keep_all_guarantees(seed, family, size, periodic):
    field, threshold = random_field(family, (size,) * 3, np.random.default_rng(seed))
    mesh = conforming_mesh(field, threshold=threshold, periodic=periodic)
    check(mesh, periodic=periodic)
    assert angle(mesh) >= 5


def hard_images(dimension):
    n = 8
    index = np.indices((n,) * dimension)
    single, channel = np.zeros((2, *(n,) * dimension))
    single[(3,) * dimension] = 1.0
    channel[:, 4] = 1.0
    corner = np.zeros((n,) * dimension)
    corner[(0,) * dimension] = 1.0
    return {
        "empty": np.zeros((n,) * dimension),
        "full": np.ones((n,) * dimension),
        "single pixel": single,
        "corner pixel": corner,
        "checkerboard": (index.sum(axis=0) % 2).astype(float),
        "coarse checkerboard": ((index // 2).sum(axis=0) % 2).astype(float),
        "one-pixel channel": channel,
        "noise": np.random.default_rng(0).random((n,) * dimension).round(),
        "booleans": np.random.default_rng(1).random((n,) * dimension) > 0.5,
        "plateau at the threshold": np.full((n,) * dimension, 0.5),
    }


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("name", hard_images(2))
def test_hard_images_are_meshed(dimension, periodic, name):
    image = hard_images(dimension)[name]
    mesh = conforming_mesh(image, periodic=periodic)
    check(mesh, periodic=periodic)
    assert angle(mesh) >= (6 if dimension == 2 else 5)
    if name in ("empty", "full"):
        assert set(mesh.tags.tolist()) == {int(name == "full")}


@pytest.mark.parametrize("shape", [(8, 64), (16, 5)])
def test_pixels_that_are_no_squares(shape):
    field, threshold = random_field("smooth", shape, np.random.default_rng(3))
    check(conforming_mesh(field, threshold=threshold), periodic=True)


def test_a_one_pixel_channel_stays_connected():
    image = np.zeros((12, 12))
    image[:, 5] = 1.0
    mesh = conforming_mesh(image, periodic=False)
    solid = mesh.cells[mesh.tags == 1]
    pairs = np.concatenate([solid[:, [0, 1]], solid[:, [1, 2]]])
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(mesh.points),) * 2)
    _, label = connected_components(graph)
    assert len(set(label[np.unique(solid)].tolist())) == 1
    assert mesh.points[solid].reshape(-1, 2)[:, 0].min() == 0.0
    assert mesh.points[solid].reshape(-1, 2)[:, 0].max() == 1.0


def test_an_open_field_is_not_forced_to_match():
    x = (np.indices((20, 20)) + 0.5) / 20
    mesh = with_facet_tags(conforming_mesh(x[0] + 0.3 * x[1], threshold=0.8, periodic=False))
    check(mesh, periodic=False)
    line = mesh.points[mesh.facets[mesh.facet_tags == mesh.names["interface_0_1"]]]
    np.testing.assert_allclose(line[..., 0] + 0.3 * line[..., 1], 0.8, atol=8e-3)  # the border pixels go on outwards
    assert mesh.phase_fractions()[1] == pytest.approx(0.35, abs=1e-3)


def test_random_phases_in_2d_keep_all_guarantees():
    for seed in range(12):
        generator = np.random.default_rng(seed)
        fields = [random_field("rough" if seed % 2 else "smooth", (24, 30), generator)[0] for _ in range(2 + seed % 4)]
        mesh = multiphase_mesh(np.stack(fields), periodic=seed % 3 > 0, upper=(0.8, 1.0))
        assert mesh.measures().min() > 0
        assert mesh.measures().sum() == pytest.approx(0.8)
        assert mesh.smallest_angle() > 2.5
        if seed % 3:
            assert side_mismatch(mesh.points, (0.0, 0.0), (0.8, 1.0)) == 0.0
