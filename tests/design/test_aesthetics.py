"""Symmetry, outline, likeness, and scores of networks."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from test_manufacturability import FLAT, SPACE, Total, descend, taylor_orders
from torch import nn

from genmech_fem.design.density_field import density_spec
from genmech_fem.design.scorers import Scorer
from genmech_fem.design.similarity import Similarity
from genmech_fem.design.symmetry import Symmetry
from genmech_fem.design.total_variation import TotalVariation
from genmech_fem.errors import ContractError
from genmech_fem.export import to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel, check_vjp
from genmech_fem.surrogates import TorchModel


def shades(shape, count=2, seed=0):
    noise = np.random.default_rng(seed).standard_normal((count, *shape))
    smooth = gaussian_filter(noise, (0, *[2.0] * len(shape)), mode="wrap")
    return (smooth - smooth.min()) / np.ptp(smooth)


def blobs(shape, count=2, seed=0):
    return (shades(shape, count, seed) > 0.5).astype(float)


def disc(n, radius):
    x, y = np.indices((n, n)) - (n - 1) / 2
    return (np.hypot(x, y) <= radius).astype(float)[None]


def wheel(n, spokes):
    x, y = np.indices((n, n)) - (n - 1) / 2
    return (0.4 + 0.4 * np.cos(spokes * np.arctan2(y, x)) * np.exp(-(((np.hypot(x, y) - n / 4) / (n / 12)) ** 2)))[None]


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_gradients_are_exact(shape):
    terms = [Symmetry(axis) for axis in range(len(shape))] + [TotalVariation(), Similarity(blobs(shape)[0])]
    turns = [Symmetry(order=order) for order in (2, 5) if len(shape) == 2]
    for term in terms + turns:
        for order in taylor_orders(term, shape):
            assert order == pytest.approx(2, abs=0.1)


def test_mirrors():
    x = blobs((12, 8, 6))
    for axis in range(3):
        term = Symmetry(axis)
        mirrored = np.flip(x, axis + 1)
        np.testing.assert_allclose(term({"density": x}), ((x - mirrored) ** 2).mean(axis=(1, 2, 3)))
        np.testing.assert_allclose(term.measure({"density": x}), (x != mirrored).mean(axis=(1, 2, 3)))
        np.testing.assert_allclose(term({"density": (x + mirrored) / 2}), 0, atol=1e-30)


def test_turns():
    x = blobs((15, 15))
    for order, quarters in ((4, 1), (2, 2)):
        turned = np.rot90(x, quarters, (1, 2))
        np.testing.assert_allclose(Symmetry(order=order)({"density": x}), ((x - turned) ** 2).mean(axis=(1, 2)))
        np.testing.assert_allclose(Symmetry(order=order).measure({"density": x}), (x != turned).mean(axis=(1, 2)))
    oblong = Symmetry(order=2)({"density": blobs((12, 7))})
    np.testing.assert_allclose(oblong, ((blobs((12, 7)) - blobs((12, 7))[:, ::-1, ::-1]) ** 2).mean(axis=(1, 2)))


def test_a_wheel_of_five_spokes_has_order_five_up_to_the_interpolation():
    five = [Symmetry(order=5)({"density": wheel(n, 5)})[0] for n in (40, 80)]
    assert five[0] / five[1] > 8  # the square of an error of second order
    assert five[1] < 1e-4 * Symmetry(order=4)({"density": wheel(80, 5)})[0]
    assert Symmetry(order=5).measure({"density": wheel(80, 5)})[0] < 0.01
    assert Symmetry(order=4).measure({"density": wheel(80, 5)})[0] > 0.05


@pytest.mark.parametrize("term", [Symmetry(1), Symmetry(order=5)])
def test_descent_makes_images_symmetric(term):
    x = shades((24, 24))
    better = descend(term, x, 60, 0.02)
    assert (term.measure({"density": better}) < 0.3 * term.measure({"density": x})).all()


def test_the_outline_of_a_half_plane_a_disc_and_a_ball():
    half = np.zeros((1, 40, 40))
    half[:, :15] = 1
    sharp = TotalVariation(smoothing=1e-6)
    assert sharp({"density": half})[0] == pytest.approx(1, abs=1e-4)
    assert TotalVariation().measure({"density": half})[0] == pytest.approx(1, rel=0.06)
    circle = 2 * np.pi * 24 / 80
    assert TotalVariation().measure({"density": disc(80, 24)})[0] == pytest.approx(circle, rel=0.03)
    smooth = gaussian_filter(disc(80, 24), (0, 2, 2))
    assert sharp({"density": smooth})[0] == pytest.approx(circle, rel=0.03)
    x, y, z = np.indices((32, 32, 32)) - 15.5
    ball = (x**2 + y**2 + z**2 <= 12**2).astype(float)[None]
    assert TotalVariation().measure({"density": ball})[0] == pytest.approx(4 * np.pi * (12 / 32) ** 2, rel=0.03)
    # the quarter of the disc at a corner has a quarter of the outline, on a box of half the side
    quarter = disc(80, 24)[:, :40, :40]
    assert TotalVariation().measure({"density": quarter})[0] == pytest.approx(circle / 2, rel=0.03)


def test_descent_shortens_the_outline():
    term, speckled = TotalVariation(), np.abs(disc(24, 8) - (np.random.default_rng(0).random((2, 24, 24)) < 0.1))
    better = descend(term, speckled, 40, 0.02)
    outline = term.measure({"density": disc(24, 8)})
    assert (term.measure({"density": speckled}) > 2 * outline).all()
    assert (term.measure({"density": better}) < 1.2 * outline).all()  # what stuck to the disc stays as bumps


@pytest.mark.parametrize(("shape", "width"), [((40, 30), 3.0), ((12, 10, 11), 1.0)])
def test_the_likeness_is_the_structural_similarity(shape, width):
    x = np.random.default_rng(1).random((3, *shape))
    reference = blobs(shape)[0]
    settings = {"gaussian_weights": True, "sigma": width, "use_sample_covariance": False, "data_range": 1.0}
    expected = [1 - structural_similarity(a, reference, full=True, **settings)[1].mean() for a in x]
    term = Similarity(reference, width=width)
    np.testing.assert_allclose(term({"density": x}), expected, atol=2e-4)  # its windows are cut off earlier
    np.testing.assert_allclose(term({"density": reference[None]}), 0, atol=1e-12)


def test_the_overlap_with_a_picture():
    picture = np.zeros((6, 6))
    picture[:2] = 1
    other = np.zeros((3, 6, 6))
    other[0, :3], other[1] = 1, picture
    np.testing.assert_allclose(Similarity(picture).measure({"density": other}), [2 / 3, 1, 0])
    np.testing.assert_allclose(Similarity(0 * picture).measure({"density": other[2:]}), 1)


def test_descent_approaches_the_picture():
    term = Similarity(disc(24, 8)[0])
    better = descend(term, blobs((24, 24)), 60)
    assert (term.measure({"density": better}) > 0.95).all()
    assert (term.measure({"density": blobs((24, 24))}) < 0.5).all()


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="order: expected a part of a turn"):
        Symmetry(order=1)
    with pytest.raises(ValueError, match="axis: expected 0 to 1, got 2"):
        Symmetry(2)({"density": blobs(FLAT)})
    with pytest.raises(ContractError, match="expected a 2D field to turn"):
        Symmetry(order=5)({"density": blobs(SPACE)})
    with pytest.raises(ValueError, match="smoothing: expected a number above 0"):
        TotalVariation(smoothing=0.0)
    with pytest.raises(ValueError, match="width: expected a number above 0"):
        Similarity(blobs(FLAT)[0], width=0.0)
    with pytest.raises(ContractError, match="expected a field"):
        Similarity(np.zeros(4))


class Taste(nn.Module):
    """A small network from a density to one number, and to that number for each cell."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        cells = self.layer(x).tanh().square().mean(1, keepdim=True)
        return cells.mean((2, 3)), cells


@pytest.fixture(scope="module")
def taste():
    torch.manual_seed(0)
    outputs = (ScalarSpec("score"), density_spec("cells", FLAT))
    return TorchModel(Taste(), (density_spec("density", FLAT),), outputs)


@pytest.fixture(scope="module")
def taste_file(taste, tmp_path_factory):
    path = tmp_path_factory.mktemp("taste") / "taste.onnx"
    to_onnx(taste, path, {"density": np.random.default_rng(0).random((4, *FLAT))}, vjp=True)
    return path


def test_a_file_scores_and_has_a_gradient(taste, taste_file):
    x = {"density": blobs(FLAT, 3), "other": np.zeros((3, 1))}
    score = taste({"density": x["density"]})["score"][:, 0]
    term, least = Scorer(taste_file, "score"), Scorer(str(taste_file), "score", maximize=False)
    np.testing.assert_allclose(term.measure(x), score, rtol=1e-5)
    np.testing.assert_allclose(term(x), -score, rtol=1e-5)
    np.testing.assert_allclose(least(x), score, rtol=1e-5)
    slope = taste.vjp({"density": x["density"]}, {"score": np.ones((3, 1))})["density"]
    for one, sign in ((term, -1), (least, 1), (Scorer(taste, "score"), -1)):
        np.testing.assert_allclose(one.gradient(x)["density"], sign * slope, atol=1e-5 * np.abs(slope).max())
    assert check_vjp(Total(term, FLAT), {"density": x["density"]}, np.random.default_rng(0), (0.4, 0.2, 0.1)) > 1.7


def test_descent_raises_the_score(taste_file):
    term, x = Scorer(taste_file, "score"), np.full((2, *FLAT), 0.5)
    better = descend(term, x, 10)
    assert (term.measure({"density": better}) > 1.2 * term.measure({"density": x})).all()


def test_a_function_scores_without_a_gradient():
    term = Scorer(lambda arrays: arrays["density"].mean(axis=(1, 2)))
    x = {"density": blobs(FLAT)}
    np.testing.assert_allclose(term(x), -x["density"].mean(axis=(1, 2)))
    with pytest.raises(ContractError, match="gradient-free optimiser such as CMAES"):
        term.gradient(x)
    spec = density_spec("density", FLAT)
    plain = FunctionModel(lambda a: {"score": a["density"].mean(axis=(1, 2))[:, None]}, (spec,), (ScalarSpec("score"),))
    np.testing.assert_allclose(Scorer(plain)(x), term(x))
    with pytest.raises(ContractError, match="gradient-free optimiser such as CMAES"):
        Scorer(plain).gradient(x)
    with pytest.raises(ContractError, match="expected one number a sample"):
        Scorer(lambda arrays: arrays["density"])(x)


def test_scores_that_do_not_fit_are_refused(taste, tmp_path):
    for name in (None, "cells", "beauty"):
        with pytest.raises(ContractError, match="name the output that is the score"):
            Scorer(taste, name)
    with pytest.raises(ContractError, match="expected a model, a path or a function, got int"):
        Scorer(3)
    with pytest.raises(FileNotFoundError, match="no ONNX file at"):
        Scorer(tmp_path / "none.onnx")
    with pytest.raises(ContractError, match="expected the inputs"):
        Scorer(taste, "score")({"phase": blobs(FLAT)})
