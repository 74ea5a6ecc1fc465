"""Every detector as an ONNX file: scores, alarms and maps are those of torch, at any batch size."""

import numpy as np
import pytest
import torch

from genmech_fem.anomaly import (
    DESCRIPTORS,
    DenoisingError,
    DescriptorDistance,
    DiscriminatorScore,
    Inversion,
    LatentDistance,
    NegativeELBO,
    PartialNoising,
    PatchMemory,
    Reconstruction,
)
from genmech_fem.errors import ContractError
from genmech_fem.export import detector_to_onnx
from genmech_fem.fields import FieldSpec
from genmech_fem.generative import GAN, VAE, Architecture, Autoencoder, Diffusion, FlowMatching, Tokenizer
from genmech_fem.microstructure import PeriodicFibres, phase_grid, phase_spec
from genmech_fem.runtime import OnnxModel
from genmech_fem.training import Recipe, fit

SIZE, SHAPE = 16, (1, 16, 16)
SMALL = Architecture((8, 16))


@pytest.fixture(scope="module")
def fibres():
    draw = PeriodicFibres(resolution=SIZE)
    phase = np.concatenate([draw(np.random.default_rng(i))["phase"] for i in range(90)])
    return torch.tensor(phase, dtype=torch.float32)[:, None]


def trained(model, x):
    for _ in fit(model, {"x": x}, Recipe(steps=5, batch_size=8)):
        pass
    return model


BUILDERS = {
    "reconstruction": lambda x: Reconstruction(trained(Autoencoder(SHAPE, 4, network=SMALL), x)),
    "reconstruction over the perimeter": lambda x: Reconstruction(
        trained(Autoencoder(SHAPE, 4, network=SMALL), x), "perimeter"
    ),
    "reconstruction in a window": lambda x: Reconstruction(trained(Autoencoder(SHAPE, 4, network=SMALL), x), 5),
    "reconstruction of tokens": lambda x: Reconstruction(trained(Tokenizer(SHAPE, network=SMALL), x)),
    "Mahalanobis": lambda x: LatentDistance(trained(VAE(SHAPE, 4, network=SMALL), x)),
    "neighbours": lambda x: LatentDistance(trained(VAE(SHAPE, 4, network=SMALL), x), 3),
    "bound": lambda x: NegativeELBO(trained(VAE(SHAPE, 4, network=SMALL), x)),
    "bound of a mixture": lambda x: NegativeELBO(trained(VAE(SHAPE, 4, components=3, network=SMALL), x)),
    "discriminator": lambda x: DiscriminatorScore(trained(GAN(SHAPE, 4, network=SMALL), x)),
    "inversion": lambda x: Inversion(trained(GAN(SHAPE, 3, network=SMALL), x), starts=20, steps=2),
    "diffusion": lambda x: PartialNoising(trained(Diffusion(SHAPE, network=SMALL, sampler=("ddim", 5)), x), 0.5),
    "flow": lambda x: PartialNoising(trained(FlowMatching(SHAPE, network=SMALL, sampler=("heun", 4)), x), 0.5),
    "denoising": lambda x: DenoisingError(trained(Diffusion(SHAPE, network=SMALL), x)),
    "patches": lambda x: PatchMemory(trained(Autoencoder(SHAPE, 4, network=SMALL), x), memory=100),
    **{name: (lambda x, name=name: DescriptorDistance(SHAPE, name)) for name in DESCRIPTORS},
}


LONG = (
    "inversion",
    "diffusion",
    "flow",
    "bound of a mixture",
    "reconstruction over the perimeter",
)  # 10 to 50 seconds each


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in BUILDERS]
)
def test_the_file_judges_as_torch_does(name, fibres, tmp_path):
    torch.manual_seed(0)
    detector = BUILDERS[name](fibres[:40])
    detector.fit_normal(fibres[:40], fibres[40:80])
    odd = 1 - fibres[80:]
    path = tmp_path / "detector.onnx"
    samples = {"phase": odd[:, 0].double().numpy()}
    report = detector_to_onnx(detector, path, field=phase_spec(SIZE), samples=samples, quantile=0.9)
    assert max(report.differences.values()) < 1e-4
    session = OnnxModel(path)
    for x in (fibres[40:45], odd):
        found = session({"phase": x[:, 0].double().numpy()})
        score = detector.score(x)
        scale = max(1.0, float(score.abs().max()))
        np.testing.assert_allclose(found["score"][:, 0], score, atol=1e-3 * scale)
        np.testing.assert_array_equal(found["alarm"][:, 0] > 0, score > detector.threshold(0.9))
        if "map" in found:
            maps = detector.score_map(x).numpy()
            np.testing.assert_allclose(found["map"], maps, atol=1e-3 * np.abs(maps).max())
    about = session.metadata["detector"]
    assert about["threshold"] == pytest.approx(detector.threshold(0.9))
    assert about["calibration"] == 40
    assert about["quantile"] == 0.9


def test_a_field_of_another_shape_is_refused(fibres, tmp_path):
    detector = DescriptorDistance(SHAPE, "area")
    detector.fit_normal(fibres[:40], fibres[40:80])
    with pytest.raises(ContractError, match=r"a field of shape \(1, 16, 16\) .* got \(3, 16, 16\) \('strain'\)"):
        detector_to_onnx(detector, tmp_path / "d.onnx", field=FieldSpec("strain", phase_grid(SIZE), (3,)), samples={})
