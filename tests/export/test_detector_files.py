"""Every detector on fields of several channels and in space, from models that other tests do not export."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from genmech_fem import anomaly
from genmech_fem.anomaly import (
    DenoisingError,
    DescriptorDistance,
    Detector,
    DiscriminatorScore,
    Inversion,
    LatentDistance,
    NegativeELBO,
    PartialNoising,
    PatchMemory,
    Reconstruction,
)
from genmech_fem.export import detector_to_onnx
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.generative import GAN, VAE, VAEGAN, Architecture, Autoencoder, Diffusion, FlowMatching, Tokenizer
from genmech_fem.runtime import OnnxModel
from genmech_fem.training import Recipe, fit

PLANE, SPACE = (2, 8, 8), (1, 4, 4, 4)
TINY = {"network": Architecture((8,))}


def fields(shape, n, seed):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


def trained(model):
    """After a step of training, with weights that are nowhere zero."""
    for _ in fit(model, {"x": fields(model.shape, 12, 0)}, Recipe(steps=1, batch_size=4)):
        pass
    for parameter in model.parameters():
        if parameter.requires_grad and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return model


CASES = {
    "reconstruction by a VAE-GAN": lambda: Reconstruction(trained(VAEGAN(PLANE, 3, **TINY)), 3),
    "reconstruction in space": lambda: Reconstruction(trained(Autoencoder(SPACE, 3, **TINY)), "perimeter"),
    "latent of an autoencoder": lambda: LatentDistance(trained(Autoencoder(PLANE, 3, **TINY))),
    "latent in space": lambda: LatentDistance(trained(VAE(SPACE, 3, **TINY)), 2),
    "bound of a Gaussian": lambda: NegativeELBO(trained(VAE(PLANE, 3, likelihood="gaussian", **TINY))),
    "discriminator of a VAE-GAN": lambda: DiscriminatorScore(trained(VAEGAN(PLANE, 3, **TINY))),
    "inversion of a VAE": lambda: Inversion(trained(VAE(PLANE, 2, **TINY)), starts=10, steps=1),
    "noising with DDPM": lambda: PartialNoising(
        trained(Diffusion(PLANE, sampler=("ddpm", 6), prediction="eps", bounds=(0, 1), **TINY)), 0.5
    ),
    "noising in space": lambda: PartialNoising(trained(FlowMatching(SPACE, sampler=("heun", 2), **TINY)), 0.5),
    "denoising by a flow": lambda: DenoisingError(trained(FlowMatching(PLANE, **TINY)), (0.3, 0.6)),
    "patches of a GAN": lambda: PatchMemory(trained(GAN(PLANE, 3, **TINY)), (0,), memory=20),
    "patches of tokens in space": lambda: PatchMemory(trained(Tokenizer(SPACE, (3, 3), **TINY)), (0,), memory=20),
    "descriptor of one's own": lambda: DescriptorDistance(PLANE, lambda x: x.flatten(2).mean(2)),
    "moments in space": lambda: DescriptorDistance(SPACE, "moments"),
}


LONG = ("inversion of a VAE", "noising with DDPM", "noising in space", "reconstruction in space")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in CASES]
)
def test_scores_alarms_and_maps_are_those_of_torch(name, tmp_path):
    torch.manual_seed(0)
    detector = CASES[name]()
    shape = detector.shape
    detector.fit_normal(fields(shape, 20, 1), fields(shape, 20, 2))
    place = Grid(shape[1:], (0.0,) * (len(shape) - 1), (1.0,) * (len(shape) - 1))
    spec = FieldSpec("u", place, shape[:1] if shape[0] > 1 else ())
    odd = 3 * fields(shape, 6, 3) - 1
    path = tmp_path / "detector.onnx"
    samples = {"u": odd.reshape(6, *spec.shape).double().numpy()}
    report = detector_to_onnx(detector, path, field=spec, samples=samples, quantile=0.9)
    assert max(report.differences.values()) < 1e-4
    session = OnnxModel(path)
    for x in (odd, fields(shape, 5, 4)):
        found = session({"u": x.reshape(len(x), *spec.shape).double().numpy()})
        score = detector.score(x)
        np.testing.assert_allclose(found["score"][:, 0], score, atol=1e-4 * max(1.0, float(score.abs().max())))
        np.testing.assert_array_equal(found["alarm"][:, 0] > 0, score > detector.threshold(0.9))
        if "map" in found:
            maps = detector.score_map(x)
            np.testing.assert_allclose(found["map"], maps, atol=1e-4 * float(maps.abs().max()))


def test_every_detector_of_the_package_is_tried():
    public = (getattr(anomaly, name) for name in anomaly.__all__)
    kinds = {each for each in public if inspect.isclass(each) and issubclass(each, Detector)}
    assert {kind for kind in kinds if not inspect.isabstract(kind)} == {type(make()) for make in CASES.values()}
