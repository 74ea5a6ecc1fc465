"""Heads that cannot say what is impossible, and the surrogate that uses them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genmech_fem.export import to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.microstructure import phase_spec
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import PositiveDefinite, PropertySurrogate, TorchModel, VoigtReuss, symmetric, upper
from genmech_fem.training import Recipe, fit, load_model, save_model


def isotropic(young, poisson):
    """Plane-strain stiffness in the Mandel basis."""
    mu, lam = young / (2 + 2 * poisson), young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    return np.diag([2 * mu] * 3) + lam * np.outer([1, 1, 0], [1, 1, 0])


SOFT, STIFF = isotropic(1.0, 0.3), isotropic(100.0, 0.2)
numbers = arrays(np.float32, (4, 6), elements=st.floats(-50, 50, width=32))


def test_the_triangle_of_a_matrix_is_the_matrix():
    C = torch.randn(5, 6, 6)
    C = C + C.transpose(1, 2)
    assert torch.equal(symmetric(upper(C)), C)
    assert upper(C).shape == (5, 21)


@settings(max_examples=50, deadline=None)
@given(numbers=numbers)
def test_positive_definite_whatever_the_numbers(numbers):
    C = PositiveDefinite(3)(torch.as_tensor(numbers)).double()
    assert torch.linalg.eigvalsh(C).min() > -1e-5 * C.abs().max()
    torch.testing.assert_close(C, C.transpose(1, 2))


def test_no_numbers_are_the_unit_matrix():
    torch.testing.assert_close(PositiveDefinite(6)(torch.zeros(1, 21))[0], torch.eye(6))


@settings(max_examples=50, deadline=None)
@given(numbers=numbers, fraction=st.floats(0, 1))
def test_between_the_means_whatever_the_numbers(numbers, fraction):
    head, f = VoigtReuss(SOFT, STIFF), torch.full((4, 1), fraction)
    found = head(torch.as_tensor(numbers), f)
    assert not head.outside(found, f).any()


@pytest.mark.parametrize("phases", [(SOFT, STIFF), (np.diag([1.0, 2.0, 3.0]), STIFF), (np.eye(6), 9.0 * np.eye(6))])
def test_the_extremes_are_voigt_and_reuss_and_what_is_outside_is_found(phases):
    head, f = VoigtReuss(*phases), torch.tensor([[0.3]])
    n = len(phases[0])
    large = torch.full((1, head.numbers), 40.0)
    voigt = torch.as_tensor(0.7 * phases[0] + 0.3 * phases[1])[None].float()
    reuss = torch.linalg.inv(
        torch.as_tensor(0.7 * np.linalg.inv(phases[0]) + 0.3 * np.linalg.inv(phases[1]))[None]
    ).float()
    torch.testing.assert_close(head(large, f), voigt, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(head(-large, f), reuss, rtol=1e-4, atol=1e-3)
    assert not head.outside(voigt, f).any()
    assert head.outside(1.01 * voigt, f).all()
    assert head.outside(0.99 * reuss, f).all()
    assert head.numbers == n * (n + 1) // 2


def test_every_stiffness_between_the_means_can_be_said():
    torch.manual_seed(0)
    head, f = VoigtReuss(SOFT, STIFF), torch.tensor([[0.4]])
    wanted = head(torch.randn(1, 6), f)
    guess = torch.zeros(1, 6, requires_grad=True)
    optimizer = torch.optim.Adam([guess], lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        error = (head(guess, f) - wanted).norm() / wanted.norm()
        error.backward()
        optimizer.step()
    assert error.item() < 0.01


def laminates(count, seed):
    """Layers along y of random thickness, and their exact stiffness."""
    generator = np.random.default_rng(seed)
    layers = (generator.random((count, 8)) < generator.uniform(0.2, 0.8, (count, 1))).astype(float)
    x, tensors = np.repeat(layers[:, None, None], 8, axis=2), []
    for row in layers:
        phases = np.where(row[:, None, None] > 0, STIFF, SOFT)
        # continuous across the layers: stress 22 and 12, strain 11
        a, b, c = phases[:, :1, :1], phases[:, :1, 1:], phases[:, 1:, 1:]
        inverse = np.linalg.inv(c)
        C22 = np.linalg.inv(inverse.mean(0))
        C12 = (b @ inverse).mean(0) @ C22
        C11 = (a - b @ inverse @ b.transpose(0, 2, 1)).mean(0) + C12 @ np.linalg.inv(C22) @ C12.T
        tensors.append(np.block([[C11, C12], [C12.T, C22]]))
    return {"x": torch.tensor(x).float(), "y": upper(torch.tensor(np.array(tensors)).float())}


SMALL = {"widths": (8, 16), "patch": 1}


def test_laminates_are_learned_without_leaving_the_bounds(tmp_path):
    torch.manual_seed(0)
    data, unseen = laminates(150, 0), laminates(40, 1)
    models = {
        "voigt_reuss": PropertySurrogate((1, 8, 8), 6, head="voigt_reuss", phases=(SOFT, STIFF), **SMALL),
        "positive": PropertySurrogate((1, 8, 8), 6, head="positive", **SMALL),
    }
    bounds, f = VoigtReuss(SOFT, STIFF), unseen["x"].mean((2, 3))
    errors, outside = {}, {}
    for name, model in models.items():
        for _ in fit(model, data, Recipe(steps=120, batch_size=16, learning_rate=1e-2)):
            pass
        with torch.no_grad():
            found = symmetric(model(unseen["x"]))
        truth = symmetric(unseen["y"])
        errors[name] = ((found - truth).flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1)).median().item()
        outside[name] = bounds.outside(found, f).float().mean().item()
        assert torch.linalg.eigvalsh(found.double()).min() > 0
    assert errors["voigt_reuss"] < 0.1
    assert errors["voigt_reuss"] < errors["positive"]
    assert outside["voigt_reuss"] == 0 < outside["positive"]
    with pytest.raises(ValueError, match=r"channels \[2, 4\] are constant"):
        PropertySurrogate((1, 8, 8), 6, **SMALL).prepare(data)

    save_model(models["voigt_reuss"], tmp_path / "model.safetensors")
    again, _ = load_model(tmp_path / "model.safetensors")
    forward = TorchModel(again, (phase_spec(8),), (ScalarSpec("stiffness", 6, "GPa"),))
    to_onnx(forward, tmp_path / "model.onnx", {"phase": unseen["x"][:, 0].double().numpy()})
    found = OnnxModel(tmp_path / "model.onnx")({"phase": unseen["x"][:, 0].double().numpy()})["stiffness"]
    assert not bounds.outside(symmetric(torch.as_tensor(found)), f).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 6, "head": "voigt_reuss"}, "expected a head out of .* got 'voigt_reuss' without phases"),
        ({"size": 6, "head": "plain", "phases": (SOFT, STIFF)}, "got 'plain' with phases"),
        (
            {"size": 3, "head": "voigt_reuss", "phases": (SOFT, STIFF)},
            "expected size 6 for the head 'voigt_reuss', got 3",
        ),
        ({"size": 6, "head": "voigt_reuss", "phases": (SOFT, -STIFF)}, "stiff: expected a symmetric positive definite"),
        ({"size": 7, "head": "positive"}, "expected size 6 for the head 'positive', got 7"),
    ],
)
def test_bad_heads_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PropertySurrogate((1, 8, 8), **arguments)
