"""Files for any grid, in half precision, and with vector-Jacobian products: ONNX Runtime against torch."""

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from genmech_fem.errors import ContractError
from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, pad
from genmech_fem.forward import DifferentiableForwardModel, check_vjp
from genmech_fem.nn import FourierNetwork, UNet, VisionTransformer
from genmech_fem.runtime import Domain, OnnxModel, Passport
from genmech_fem.surrogates import GridSurrogate, PointSurrogate, TorchModel
from genmech_fem.training import Normalizer

GRID = Grid((8, 12), (0, 0), (1, 1.5))
K, U = FieldSpec("k", GRID, (), "W/(m K)"), FieldSpec("u", GRID, (2,), "K")


def awake(network):
    """The network with random numbers where training begins with zeros, and some normalisation."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.ndim > 1 and not parameter.detach().any():
            nn.init.normal_(parameter, std=0.1, generator=generator)
    for module in network.modules():
        if isinstance(module, Normalizer):
            module.set(torch.full_like(module.mean, 0.1), torch.full_like(module.std, 2.0))
    return network


def field_model(network):
    torch.manual_seed(0)
    return TorchModel(awake(network), (K,), (U,))


def samples(count=4, shape=(8, 12)):
    return {"k": np.random.default_rng(0).uniform(1, 2, (count, *shape))}


class Small(nn.Module):
    """Field and numbers to numbers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")

    def forward(self, k, p):
        h = self.layer(k).tanh()
        return h, h.mean((2, 3)) * p


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    p, q = ScalarSpec("p", 2), ScalarSpec("q", 2)
    arrays = {**samples(), "p": np.random.default_rng(1).standard_normal((4, 2))}
    return TorchModel(Small(), (K, p), (U, q)), arrays


@pytest.fixture(scope="module")
def small_file(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    return to_onnx(small[0], path, small[1], sizes=[(5, 9), (16, 8)], vjp=True)


def test_a_file_for_any_grid_equals_torch_on_grids_that_it_was_not_tried_on(small, small_file):
    report, torch_model = small_file, small[0]
    assert report.worst < 1e-5
    assert {name.partition(", ")[2] for name in report.differences} == {
        f"batch {batch}{grid}" for batch in (1, 3) for grid in ("", ", 5 x 9", ", 16 x 8")
    }
    model = OnnxModel(report.path, shape=(7, 31))
    assert [spec.shape for spec in (*model.inputs, *model.outputs)] == [(7, 31), (2,), (2, 7, 31), (2,)]
    inputs = {**samples(6, (7, 31)), "p": np.ones((6, 2))}
    expected = TorchModel(torch_model.function, model.inputs, model.outputs)(inputs)
    for name, value in model(inputs).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5 * np.abs(expected[name]).max())


def test_gradients_are_those_of_torch_at_any_size_and_make_the_file_differentiable(small, small_file):
    torch_model, arrays = small
    model = OnnxModel(small_file.path)
    assert isinstance(model, DifferentiableForwardModel)
    generator = np.random.default_rng(2)
    cotangents = {name: generator.standard_normal(value.shape) for name, value in torch_model(arrays).items()}
    for given in (cotangents, {"q": cotangents["q"]}):
        expected = torch_model.vjp(arrays, given)
        for name, value in model.vjp(arrays, given).items():
            np.testing.assert_allclose(value, expected[name], atol=1e-5 * np.abs(expected[name]).max())
    assert check_vjp(model, arrays, generator, steps=(0.4, 0.2, 0.1)) > 1.7
    parts = OnnxModel(small_file.path, batch=3).vjp(arrays, cotangents)
    np.testing.assert_allclose(parts["k"], model.vjp(arrays, cotangents)["k"], atol=1e-6)


def test_a_file_without_its_gradients_or_with_those_of_another(small, small_file, tmp_path):
    path, gradients = tmp_path / "small.onnx", tmp_path / "small.vjp.onnx"
    path.write_bytes(small_file.path.read_bytes())
    assert not isinstance(OnnxModel(path), DifferentiableForwardModel)
    gradients.write_bytes(small_file.gradients.read_bytes() + b"\x00")
    with pytest.raises(ContractError, match="not the file that .* was exported with"):
        OnnxModel(path).vjp(small[1], {})
    gradients.write_bytes(small_file.gradients.read_bytes())
    with pytest.raises(ContractError, match="unknown cotangents"):
        OnnxModel(path).vjp(small[1], {"other": np.zeros(3)})
    with pytest.raises(ContractError, match=r"cotangent 'q': expected shape \(4, 2\)"):
        OnnxModel(path).vjp(small[1], {"q": np.zeros((3, 2))})


NETWORKS = {
    "periodic unet": lambda: UNet(1, 2, channels=(8, 16)),
    "unet on an odd grid": lambda: UNet(1, 2, channels=(8,), patch=8, padding_mode="zeros"),
    "fourier": lambda: FourierNetwork(1, 2, width=8, depth=1, modes=4),
    "attention": lambda: VisionTransformer(1, 2, features=16, depth=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_of_every_kind_of_network_are_those_of_torch(network, tmp_path):
    report = to_onnx(field_model(NETWORKS[network]()), tmp_path / "n.onnx", samples(), vjp=True)
    assert max(report.gradient_differences.values()) < 1e-4


@pytest.mark.parametrize("network", ["fourier", "attention"])
def test_networks_work_on_any_grid(network, tmp_path):
    report = to_onnx(field_model(NETWORKS[network]()), tmp_path / "n.onnx", samples(), sizes=[(16, 8), (12, 20)])
    assert report.worst < 1e-5


def test_clouds_of_any_number_of_points_share_a_mask(tmp_path):
    place = Points(2)
    torch.manual_seed(0)
    network = awake(PointSurrogate(1, 1, settings={"features": 8, "depth": 1, "heads": 2, "tokens": 4}))
    specs = FieldSpec("x", place, (1,)), FieldSpec("points", place, (2,))
    model = TorchModel(network, specs, (FieldSpec("y", place, (1,)),))
    generator = np.random.default_rng(0)
    x, mask = pad([generator.random((1, n)) for n in (9, 12, 10)])
    points, _ = pad([generator.random((2, n)) for n in (9, 12, 10)])
    inputs = {"x": x, "points": points, "x.mask": mask, "points.mask": mask}
    path = tmp_path / "cloud.onnx"
    to_onnx(model, path, inputs)
    session = OnnxModel(path)
    alone = session({name: array[:1, ..., :9] for name, array in inputs.items()})
    together = session(inputs)
    np.testing.assert_array_equal(together["y.mask"], mask)
    np.testing.assert_allclose(together["y"][0, :, :9], alone["y"][0], atol=1e-5)
    np.testing.assert_allclose(together["y"], model(inputs)["y"], atol=1e-5)
    with pytest.raises(ContractError, match="expected one mask for all fields"):
        session({**inputs, "points.mask": ~mask})
    with pytest.raises(ContractError, match="'y' varies in size between samples, but no input does"):
        TorchModel(network, (K,), model.outputs)


def test_half_precision_halves_the_file_and_reports_its_error(tmp_path):
    model = field_model(UNet(1, 2, channels=(16,), padding_mode="zeros"))
    whole, half = (to_onnx(model, tmp_path / f"{kind}.onnx", samples(), half=kind) for kind in (False, True))
    weights = sum(p.numel() for p in model.function.parameters())
    assert whole.size - half.size > 1.5 * weights
    assert 1e-5 < half.worst < 5e-3
    assert (half.tolerance, OnnxModel(half.path).metadata["precision"]) == (5e-3, "float16")
    with torch.no_grad():
        model.function.middle.conv_out.weight[0, 0, 0, 0] = 1e5
    with pytest.raises(ContractError, match="beyond the range of float16"):
        to_onnx(model, tmp_path / "x.onnx", samples(), half=True)


def test_a_graph_that_froze_the_grid_is_refused(tmp_path):
    fixed = field_model(GridSurrogate(1, (2, 8, 12), settings={"channels": (8,)}, coordinates=True))
    frozen = TorchModel(lambda k: torch.cat([k, k], 1) * torch.linspace(0, 1, int(k.shape[3])), (K,), (U,))
    for model in (fixed, frozen):
        with pytest.raises(ContractError, match="static"):
            to_onnx(model, tmp_path / "x.onnx", samples(), sizes=[(16, 8)])
    assert list(tmp_path.iterdir()) == []
    to_onnx(fixed, tmp_path / "x.onnx", samples())
    with pytest.raises(ContractError, match="works on its own grid only"):
        OnnxModel(tmp_path / "x.onnx", shape=(16, 8))
    with pytest.raises(ContractError, match="expected fields on one grid"):
        to_onnx(fixed, tmp_path / "x.onnx", samples(), sizes=[(8,)])


def test_the_report_and_the_passport_travel_with_the_file(tmp_path):
    model = TorchModel(lambda k: torch.cat([k, 2 * k], 1), (K,), (U,))
    passport = Passport(domain={"k": Domain.of(samples()["k"], K)}, mesh="<b>Q1</b>", seeds=(3,))
    report = to_onnx(model, tmp_path / "m.onnx", samples(), passport=passport, metadata={"network": "none"})
    session = OnnxModel(report.path)
    assert (session.passport, session.metadata["version"], session.metadata["network"]) == (passport, 2, "none")
    data, page = report.write()
    read = json.loads(data.read_text())
    assert read["sha256"] == hashlib.sha256(report.path.read_bytes()).hexdigest()
    assert read["worst"] == report.worst < 1e-6
    text = page.read_text()
    assert "W/(m K)" in text
    assert "&lt;b&gt;Q1" in text
    assert "<b>Q1" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "m.report.html", "m.report.json"]
    onnx.checker.check_model(str(report.path))
