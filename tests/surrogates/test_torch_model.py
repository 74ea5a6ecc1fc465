"""TorchModel: the contract of a ForwardModel, and the Taylor test of its derivatives."""

import numpy as np
import pytest
import torch

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec
from genmech_fem.forward import DifferentiableForwardModel, check_vjp, linearize
from genmech_fem.surrogates import FieldSurrogate, TorchModel

GRID = Grid((8, 8), (0.0, 0.0), (1.0, 1.0))
PHASE, STRAIN = FieldSpec("phase", GRID), FieldSpec("strain", GRID, (3, 3))
LOAD, STIFFNESS = ScalarSpec("load", 2), ScalarSpec("stiffness", 6, "GPa")


@pytest.fixture
def model():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = FieldSurrogate(1, 6, 9, widths=(16, 24), patch=1)
    generator = torch.Generator().manual_seed(1)
    net.prepare(
        {
            "x": torch.rand(4, 1, 8, 8, generator=generator),
            "vector": torch.randn(4, 6, generator=generator),
            "field": torch.randn(4, 9, 8, 8, generator=generator),
        }
    )
    return TorchModel(net, (PHASE,), (STIFFNESS, STRAIN))


def phase(n, seed=0):
    return {"phase": np.random.default_rng(seed).random((n, 8, 8))}


def test_shapes_types_and_a_batch_equals_its_singles(model):
    assert isinstance(model, DifferentiableForwardModel)
    batch = model(phase(3))
    assert {name: (a.shape, a.dtype) for name, a in batch.items()} == {
        "stiffness": ((3, 6), np.float64),
        "strain": ((3, 3, 3, 8, 8), np.float64),
    }
    for row in range(3):
        single = model({"phase": phase(3)["phase"][row : row + 1]})
        for name, array in single.items():
            np.testing.assert_allclose(array[0], batch[name][row], atol=1e-5)


def test_value_shapes_are_flattened_row_by_row():
    model = TorchModel(lambda x: torch.arange(9.0)[None, :, None, None] * x, (PHASE,), (STRAIN,))
    strain = model({"phase": np.ones((1, 8, 8))})["strain"]
    np.testing.assert_array_equal(strain[0, :, :, 0, 0], np.arange(9.0).reshape(3, 3))


def test_vjp_passes_the_taylor_test(model):
    order = check_vjp(model, phase(2), np.random.default_rng(0), steps=(4e-2, 2e-2, 1e-2))
    assert order == pytest.approx(2.0, abs=0.2)


def test_vjp_of_a_linear_map_is_its_transpose():
    A = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    model = TorchModel(lambda load: load @ A.T, (LOAD,), (STIFFNESS,))
    c = np.random.default_rng(0).standard_normal((3, 6))
    gradient = model.vjp({"load": np.ones((3, 2))}, {"stiffness": c})["load"]
    np.testing.assert_allclose(gradient, c @ A.numpy(), rtol=1e-5, atol=1e-6)


def test_value_and_gradients_found_together_equal_those_found_apart(model):
    runs = []
    model.function.register_forward_hook(lambda *_: runs.append(1))
    inputs, rng = phase(2), np.random.default_rng(0)
    cotangents = [{"stiffness": rng.standard_normal((2, 6))}, {"strain": rng.standard_normal((2, 3, 3, 8, 8))}, {}]
    with torch.no_grad():
        outputs, pull_back = linearize(model, inputs)
        gradients = [pull_back(each)["phase"] for each in cotangents]
    assert len(runs) == 1  # for the value and all gradients
    for name, array in model(inputs).items():
        np.testing.assert_array_equal(outputs[name], array)
    for each, gradient in zip(cotangents, gradients, strict=True):
        np.testing.assert_array_equal(gradient, model.vjp(inputs, each)["phase"])


def test_left_out_outputs_and_unused_inputs_count_as_zero(model):
    inputs = phase(2)
    zero = {"stiffness": np.zeros((2, 6)), "strain": np.ones((2, 3, 3, 8, 8))}
    np.testing.assert_allclose(
        model.vjp(inputs, {"strain": zero["strain"]})["phase"], model.vjp(inputs, zero)["phase"], atol=1e-5
    )
    np.testing.assert_array_equal(model.vjp(inputs, {})["phase"], np.zeros((2, 8, 8)))
    deaf = TorchModel(lambda x, load: x.mean(dim=(1, 2, 3))[:, None].expand(-1, 6), (PHASE, LOAD), (STIFFNESS,))
    gradients = deaf.vjp({**inputs, "load": np.ones((2, 2))}, {"stiffness": np.ones((2, 6))})
    np.testing.assert_array_equal(gradients["load"], np.zeros((2, 2)))
    np.testing.assert_allclose(gradients["phase"], 6 / 64, rtol=1e-5)


def test_no_trace_is_left_in_the_module(model):
    model.function.train()
    model(phase(1))
    model.vjp(phase(1), {"stiffness": np.ones((1, 6))})
    assert all(p.grad is None for p in model.function.parameters())
    assert not model.function.training


def test_errors_name_what_is_expected(model):
    with pytest.raises(ContractError, match=r"input 'phase': expected shape \(batch, 8, 8\)"):
        model({"phase": np.ones((1, 8, 9))})
    with pytest.raises(ContractError, match=r"cotangents? 'stiffness': expected shape"):
        model.vjp(phase(1), {"stiffness": np.ones((1, 5))})
    with pytest.raises(ContractError, match=r"unknown cotangents \['stress'\]"):
        model.vjp(phase(1), {"stress": np.ones((1, 5))})
    with pytest.raises(ContractError, match=r"cotangents of 1 samples like the inputs, got \[2\]"):
        model.vjp(phase(1), {"stiffness": np.ones((2, 6))})
    with pytest.raises(ContractError, match=r"return shapes \[\(1, 6\)\], got \[\(1, 1, 8, 8\)\]"):
        TorchModel(lambda x: x, (PHASE,), (STIFFNESS,))(phase(1))
    with pytest.raises(ContractError, match="output 'phase': expected finite numbers"):
        TorchModel(lambda x: x / 0, (PHASE,), (PHASE,))(phase(1))
    cloud = FieldSpec("cloud", Points(2))
    with pytest.raises(ContractError, match="'cloud' varies in size"):
        TorchModel(lambda x: x, (PHASE,), (cloud,))
