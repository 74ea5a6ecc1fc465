"""Noise on the sphere, within a trust region."""

import numpy as np
import pytest

from genmech_fem.design.sphere import OnSphere
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec
from genmech_fem.forward import check_vjp, compose

NOISE = FieldSpec("noise", Grid((6, 5), (0, 0), (1, 1)), (2,))
CENTRE = np.random.default_rng(7).standard_normal((2, 6, 5))
SIZE = 60


def draw(batch=3, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 2, 6, 5))


def angles(noise, centre=CENTRE):
    """Angle [rad] of each sample to the centre."""
    flat, centre = noise.reshape(len(noise), -1), np.ravel(centre)
    return np.arccos(np.clip(flat @ centre / np.linalg.norm(flat, axis=1) / np.linalg.norm(centre), -1, 1))


MODELS = [OnSphere(NOISE), OnSphere(NOISE, CENTRE, angle=0.7), OnSphere(NOISE, CENTRE, angle=np.pi)]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0])
def test_the_noise_has_the_norm_of_its_dimension(model, scale):
    noise = model({"variables": scale * draw()})["noise"]
    np.testing.assert_allclose((noise**2).sum(axis=(1, 2, 3)), SIZE, rtol=1e-13)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scale", [0.01, 0.1, 1.0])
def test_gradients(model, scale):
    assert check_vjp(model, {"variables": scale * draw()}, np.random.default_rng(1)) > 1.95


@pytest.mark.parametrize("angle", [0.01, 0.7, np.pi])
def test_zero_gives_the_centre_and_small_variables_are_added_to_it(angle):
    model, h = OnSphere(NOISE, CENTRE, angle=angle), 1e-4
    on = CENTRE * np.sqrt(SIZE) / np.linalg.norm(CENTRE)
    zero = {"variables": np.zeros((1, 2, 6, 5))}
    np.testing.assert_allclose(model(zero)["noise"][0], on, rtol=1e-14)
    normal = draw(1)[0] - on * (draw(1)[0] * on).sum() / SIZE
    moved = model({"variables": h * draw(1)})["noise"][0]
    np.testing.assert_allclose((moved - on) / h, normal, atol=1e-3)
    cotangent = draw(1, seed=5)
    expected = cotangent[0] - on * (cotangent[0] * on).sum() / SIZE
    np.testing.assert_allclose(model.vjp(zero, {"noise": cotangent})["variables"][0], expected, atol=1e-13)


@pytest.mark.parametrize("angle", [0.2, 1.5, np.pi])
def test_the_angle_is_kept_and_every_point_within_it_is_reached(angle):
    model = OnSphere(NOISE, CENTRE, angle=angle)
    assert angles(model({"variables": 1e3 * draw(50)})["noise"]).max() <= angle + 1e-7
    generator = np.random.default_rng(3)
    on = CENTRE / np.linalg.norm(CENTRE)
    normal = draw(50, seed=4)
    normal -= on * (normal * on).sum(axis=(1, 2, 3), keepdims=True)
    normal /= np.linalg.norm(normal.reshape(50, -1), axis=1).reshape(-1, 1, 1, 1)
    s = generator.uniform(0, 0.999 * angle, (50, 1, 1, 1))
    points = np.cos(s) * on + np.sin(s) * normal
    found = model({"variables": model.inverse(5 * points)})["noise"]
    np.testing.assert_allclose(found, np.sqrt(SIZE) * points, atol=1e-12)
    np.testing.assert_allclose(angles(found), s.ravel(), atol=1e-7)


def test_the_distance_along_the_sphere_is_the_squashed_length():
    model, variables = OnSphere(NOISE, CENTRE, angle=0.5), draw()
    on = CENTRE / np.linalg.norm(CENTRE)
    normal = variables - on * (variables * on).sum(axis=(1, 2, 3), keepdims=True)
    t = np.sqrt((normal**2).sum(axis=(1, 2, 3)) / SIZE)
    np.testing.assert_allclose(angles(model({"variables": variables})["noise"]), 0.5 * np.tanh(t / 0.5), rtol=1e-12)


def test_without_a_centre_the_direction_is_kept():
    model, noise = OnSphere(ScalarSpec("z", 8)), np.random.default_rng(0).standard_normal((4, 8))
    found = model({"variables": noise})["z"]
    np.testing.assert_allclose(
        found / np.linalg.norm(found, axis=1)[:, None], noise / np.linalg.norm(noise, axis=1)[:, None]
    )
    np.testing.assert_allclose(model({"variables": model.inverse(noise)})["z"], found)


def test_each_sample_may_have_its_own_centre():
    centres = draw(4, seed=9)
    model = OnSphere(NOISE, centres, angle=0.3, variables="free")
    noise = model({"free": draw(4)})["noise"]
    for i, centre in enumerate(centres):
        alone = OnSphere(NOISE, centre, angle=0.3)({"variables": draw(4)[i : i + 1]})["noise"]
        np.testing.assert_allclose(noise[i : i + 1], alone, atol=1e-13)
    assert check_vjp(model, {"free": draw(4)}, np.random.default_rng(1)) > 1.95
    with pytest.raises(ContractError, match="one for each of 3 samples, got 4"):
        model({"free": draw(3)})


def test_it_is_a_link_of_a_chain():
    chain = compose(OnSphere(NOISE, CENTRE, angle=0.5), OnSphere(NOISE, variables="noise"))
    assert [spec.name for spec in chain.inputs] == ["variables"]
    assert check_vjp(chain, {"variables": draw()}, np.random.default_rng(1)) > 1.95


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OnSphere(NOISE, CENTRE), "a centre together with an angle"),
        (lambda: OnSphere(NOISE, angle=1.0), "a centre together with an angle"),
        (lambda: OnSphere(NOISE, CENTRE, angle=4.0), r"angle in \(0, pi\] rad, got 4.0"),
        (lambda: OnSphere(NOISE, CENTRE[0], angle=1.0), "centre 'noise': expected shape"),
        (lambda: OnSphere(NOISE, 0 * CENTRE, angle=1.0), "expected arrays that are not zero"),
        (lambda: OnSphere(FieldSpec("noise", Points(2))), "expected a fixed size"),
        (lambda: OnSphere(NOISE)({"variables": np.zeros((1, 2, 6, 5))}), "sample 0 has no direction"),
        (lambda: OnSphere(NOISE, CENTRE, angle=0.1).inverse(draw()), "noise within 0.1 rad of the centre, got 1."),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
