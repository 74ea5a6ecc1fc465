import numpy as np
import onnx
import pytest
import torch

from genmech_fem.errors import ContractError
from genmech_fem.export import flow_to_onnx, to_onnx
from genmech_fem.fields import FieldSpec, ScalarSpec
from genmech_fem.microstructure import phase_grid, phase_spec
from genmech_fem.runtime import FlowSampler, OnnxModel
from genmech_fem.surrogates import TorchModel


def test_onnx_runtime_equals_torch_at_any_batch_size(surrogate, onnx_file, cells):
    session = OnnxModel(onnx_file)
    for batch in (1, 2, 5, 8):
        inputs = {"phase": cells["phase"][:batch]}
        expected, got = surrogate(inputs), session(inputs)
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, atol=1e-5 * np.abs(value).max())


def test_the_file_describes_itself(surrogate, onnx_file):
    session = OnnxModel(onnx_file)
    assert (session.inputs, session.outputs) == (surrogate.inputs, surrogate.outputs)
    onnx.checker.check_model(str(onnx_file))
    shapes = {
        v.name: [d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim]
        for v in onnx.load(onnx_file).graph.output
    }
    assert shapes["strain"][1:] == [3, 3, 16, 16]
    assert isinstance(shapes["strain"][0], str)
    assert [path.name for path in onnx_file.parent.iterdir()] == [onnx_file.name]


def test_the_exported_sampler_equals_the_torch_sampler(flow, flow_file, cells):
    sampler = FlowSampler.open(flow_file)
    generator = np.random.default_rng(0)
    noise, stiffness = generator.standard_normal((4, 16, 16)), cells["stiffness"][:4]
    with torch.no_grad():
        z, condition = (torch.tensor(a, dtype=torch.float32) for a in (noise[:, None], stiffness))
        expected = flow.decode(z, condition=condition)[:, 0].numpy()
    got = sampler({"noise": noise, "stiffness": stiffness})["phase"]
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert 0 <= got.min() <= got.max() <= 1


def test_a_network_that_onnx_cannot_reproduce_leaves_no_file(tmp_path):
    """The exported graph holds the noise of one call, so it differs from the next call of torch."""
    spec, out = ScalarSpec("x", 3), ScalarSpec("y", 3)
    noisy = TorchModel(
        lambda x: x + torch.tensor(np.random.default_rng().random(3), dtype=torch.float32), (spec,), (out,)
    )
    with pytest.raises(ContractError, match="ONNX Runtime differs from torch by"):
        to_onnx(noisy, tmp_path / "noisy.onnx", {"x": np.ones((3, 3))})
    assert list(tmp_path.iterdir()) == []


def test_too_few_samples_and_other_specs_are_refused(surrogate, flow, cells, tmp_path):
    with pytest.raises(ContractError, match="at least 3 samples"):
        to_onnx(surrogate, tmp_path / "x.onnx", {"phase": cells["phase"][:2]})
    with pytest.raises(ContractError, match="1 channel with the condition None, got 1 and"):
        flow_to_onnx(flow, tmp_path / "x.onnx", field=phase_spec(16), condition=None, samples=cells)
    vector = FieldSpec("v", phase_grid(16), (2,))
    with pytest.raises(ContractError, match="expected a model of 1 channel"):
        flow_to_onnx(flow, tmp_path / "x.onnx", field=vector, condition=ScalarSpec("stiffness", 6), samples=cells)


def test_a_file_tells_the_memory_of_a_sample_and_is_evaluated_in_parts_that_fit_the_caches(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 100), torch.nn.Tanh(), torch.nn.Linear(100, 2))
    model = TorchModel(network, (ScalarSpec("x", 3),), (ScalarSpec("y", 2),))
    x = {"x": np.random.default_rng(0).random((9, 3))}
    to_onnx(model, tmp_path / "n.onnx", x)
    session = OnnxModel(tmp_path / "n.onnx")
    assert session.metadata["activations"] == 2 * 100 * 4  # before and after the tanh
    at_once = session(x)["y"]
    monkeypatch.setattr("genmech_fem.runtime.onnx_model.CACHE", 4 * 800)
    sizes = []
    inner = session._session
    session._session = lambda feeds: sizes.append(len(feeds["x"])) or inner(feeds)
    np.testing.assert_allclose(session(x)["y"], at_once, rtol=1e-6)
    assert sizes == [4, 4, 1]
