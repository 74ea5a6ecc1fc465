"""Agreement with PoreSpy, whose images are not periodic: doi:10.21105/joss.01296."""

import numpy as np
import pytest

from genmech_fem.microstructure import (
    GaussianRandomField,
    chord_length_distribution,
    component_count,
    lineal_path,
    minkowski_functionals,
    percolation,
    radial_average,
    two_point_correlation,
)

porespy = pytest.importorskip("porespy")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=[2, 3])
def image(request):
    """A binary image with a free border, so that its periodic images do not touch."""
    sampler = GaussianRandomField(48 if request.param == 2 else 24, (0.06, 0.06), (0.5, 0.5), dimension=request.param)
    phase = sampler(np.random.default_rng(0))["phase"][0] > 0.5
    return np.pad(phase, 1)


def test_two_point_correlations_agree(image):
    # PoreSpy counts pairs inside the image only: so do we on a torus with a free zone around it
    padded = [(0, n) for n in image.shape]
    pairs, all_pairs = (two_point_correlation(np.pad(i, padded)[None]) for i in (image, np.ones_like(image)))
    _, ours = radial_average(pairs / np.where(all_pairs > 1e-12, all_pairs, np.inf))
    shells = min(image.shape) // 2
    theirs = porespy.metrics.two_point_correlation(image, bins=np.arange(shells + 1) - 0.5)
    np.testing.assert_allclose(theirs.probability_scaled, ours[0, :shells], atol=1e-12)


def test_chord_lengths_agree(image):
    for axis in range(image.ndim):
        chords = porespy.filters.apply_chords(image, spacing=1, axis=axis, trim_edges=False)
        lines = tuple(slice(None) if a == axis else slice(None, None, 2) for a in range(image.ndim))
        lengths = porespy.metrics.chord_counts(chords)
        expected = np.bincount(lengths, minlength=image.shape[axis]) / len(lengths)
        np.testing.assert_allclose(chord_length_distribution(image[lines][None], axis)[0], expected, atol=1e-12)


def test_lineal_paths_agree(image):
    for axis in range(image.ndim):
        ahead = porespy.filters.distance_transform_lin(image, axis=axis, mode="forward")
        expected = [(ahead > r).mean() for r in range(image.shape[axis])]
        np.testing.assert_allclose(lineal_path(image[None], axis)[0], expected, atol=1e-12)


def test_percolation_agrees(image):
    inner = image[(slice(1, -1),) * image.ndim]
    for share in (inner, ~inner, np.random.default_rng(1).random(inner.shape) < 0.62):
        for conn, diagonal in (("min", False), ("max", True)):
            theirs = porespy.metrics.is_percolating(share, conn=conn)
            np.testing.assert_array_equal(percolation(share[None], diagonal, periodic=False)[0], theirs)


def test_the_surface_of_a_ball_agrees():
    ball = np.pad(porespy.tools.ps_ball(12), 2) > 0
    theirs = porespy.metrics.region_surface_areas(ball.astype(int))
    assert minkowski_functionals(ball[None])["surface"][0] == pytest.approx(theirs[0], rel=0.05)
    assert component_count(ball[None])[0] == 1
