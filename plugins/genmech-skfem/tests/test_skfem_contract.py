"""What `tests/contracts` demands of every ForwardModel holds for those of scikit-fem."""

import numpy as np
import pytest
from genmech_skfem import cantilever, mbb_beam, pixel_conductivity, pixel_homogenization, pixel_stiffness

from genmech_fem.errors import ContractError
from genmech_fem.fields import concatenate, take
from genmech_fem.forward import ForwardModel, LinearizableForwardModel, check_vjp

MODELS = {
    "beam": lambda: mbb_beam(6, 4, outputs=("displacement", "compliance")),
    "cantilever": lambda: cantilever((6, 4), 0.5),
    "homogenisation": lambda: pixel_homogenization(6),
    "stiffness": lambda: pixel_stiffness(6),
    "conductivity": lambda: pixel_conductivity(6),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.fixture
def inputs(model):
    """Three positive samples."""
    generator = np.random.default_rng(0)
    return {spec.name: generator.uniform(0.2, 0.8, (3, *spec.shape)) for spec in model.inputs}


def test_it_is_a_forward_model_and_keeps_its_promises(model, inputs):
    assert isinstance(model, ForwardModel)
    outputs = model(inputs)
    assert set(outputs) == {spec.name for spec in model.outputs}
    for spec in model.outputs:
        assert outputs[spec.name].shape == (3, *spec.shape)
        assert outputs[spec.name].dtype == np.float64
        assert np.isfinite(outputs[spec.name]).all()
        assert model(take(inputs, slice(0)))[spec.name].shape == (0, *spec.shape)


def test_a_batch_is_the_stack_of_its_samples_again_and_again(model, inputs):
    before = {key: value.copy() for key, value in inputs.items()}
    together = model(inputs)
    alone = concatenate(model(take(inputs, slice(i, i + 1))) for i in range(3))
    for key, value in together.items():
        np.testing.assert_array_equal(alone[key], value)
        np.testing.assert_array_equal(model(inputs)[key], value)
    for key, value in inputs.items():
        np.testing.assert_array_equal(value, before[key])


def test_inputs_that_break_the_contract_are_named(model, inputs):
    (name,) = inputs
    with pytest.raises(ContractError, match="expected the inputs"):
        model({**inputs, "unknown": np.zeros((3, 1))})
    with pytest.raises(ContractError, match=f"'{name}': expected shape"):
        model({name: inputs[name][:, :-1]})
    broken = inputs[name].copy()
    broken[1].flat[0] = np.nan
    with pytest.raises(ContractError, match=f"'{name}': expected finite numbers, sample 1"):
        model({name: broken})


@pytest.mark.parametrize("name", ["beam", "cantilever", "homogenisation"])
def test_gradients_pass_the_taylor_test(name):
    model, generator = MODELS[name](), np.random.default_rng(1)
    assert isinstance(model, LinearizableForwardModel)
    moduli = {"youngs_modulus": generator.uniform(0.2, 0.8, (2, *model.inputs[0].shape))}
    assert check_vjp(model, moduli, generator) > 1.9
    outputs, pull_back = model.linearize(moduli)
    cotangents = {key: generator.standard_normal(value.shape) for key, value in outputs.items()}
    parts = [pull_back({key: value})["youngs_modulus"] for key, value in cotangents.items()]
    np.testing.assert_allclose(sum(parts), model.vjp(moduli, cotangents)["youngs_modulus"], rtol=1e-9)


def test_what_cannot_be_solved_is_refused():
    model, moduli = mbb_beam(6, 4), np.ones((2, 6, 4))
    moduli[1, 2, 3] = 0.0
    with pytest.raises(
        ContractError, match=r"'youngs_modulus': expected values above 0, got 0 in sample 1, cell \(2, 3"
    ):
        model({"youngs_modulus": moduli})
    _, pull_back = model.linearize({"youngs_modulus": np.ones((2, 6, 4))})
    with pytest.raises(ContractError, match=r"cotangents: expected a batch of 2, as of the inputs, got 3"):
        pull_back({"compliance": np.ones((3, 1))})
