"""A model behind the client of Tesseract is the model, with its gradients."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from genmech_tesseract import tesseract_api
from pydantic import ValidationError
from tesseract_core import Tesseract
from tesseract_core.runtime.testing.finite_differences import check_gradients

from genmech_fem import plugins
from genmech_fem.adapters import ProblemModel, as_vector, conduction, tension
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec
from genmech_fem.forward import FunctionModel, check_vjp, compose
from genmech_fem.problems import uniaxial_extension
from genmech_fem.surrogates import TorchModel

FIELD = FieldSpec("conductivity", Grid((6, 6), (0.0, 0.0), (1.0, 1.0)), (), "W/(m K)")


@dataclass(frozen=True)
class Client:
    """A Tesseract as a ForwardModel, so that the tests of models apply to it."""

    tesseract: Tesseract
    inputs: tuple
    outputs: tuple

    def __call__(self, inputs):
        return self.tesseract.apply(inputs)

    def vjp(self, inputs, cotangents):
        names = [spec.name for spec in self.inputs]
        return self.tesseract.vector_jacobian_product(inputs, names, list(cotangents), cotangents)


def client(model):
    return Client(Tesseract.from_tesseract_api(tesseract_api(model)), model.inputs, model.outputs)


def conductivity(samples=2, size=6):
    return {"conductivity": np.random.default_rng(0).uniform(1.0, 10.0, (samples, size, size))}


@pytest.fixture(scope="module")
def solver():
    """From conductivities of pixels to temperatures and the effective conductivity."""
    return conduction(6).second


@pytest.fixture(scope="module")
def chain(solver):
    """A torch function from two numbers to the field, and the solver."""
    parts = torch.rand((2, 36), generator=torch.Generator().manual_seed(0)) + 0.1
    first = TorchModel(lambda x: ((x**2) @ parts).reshape(-1, 1, 6, 6), (ScalarSpec("numbers", 2),), (FIELD,))
    return compose(first, solver)


def test_it_is_found_by_its_entry_point():
    assert plugins.load("hosts", "tesseract") is tesseract_api


@pytest.mark.parametrize("samples", [1, 3])
def test_answers_are_those_of_the_solver_and_of_a_chain(solver, chain, samples):
    numbers = {"numbers": np.random.default_rng(1).uniform(1.0, 2.0, (samples, 2))}
    for model, inputs in ((solver, conductivity(samples)), (chain, numbers)):
        expected, found = model(inputs), client(model)(inputs)
        assert set(found) == {"temperature", "effective_conductivity"}
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("seed", range(2))
def test_gradients_pass_the_taylor_test_through_the_client(solver, chain, seed):
    generator = np.random.default_rng(seed)
    assert check_vjp(client(solver), conductivity(), generator) == pytest.approx(2, abs=0.1)
    numbers = {"numbers": generator.uniform(1.0, 2.0, (2, 2))}
    assert check_vjp(client(chain), numbers, generator, steps=(4e-2, 2e-2, 1e-2)) == pytest.approx(2, abs=0.1)


def test_the_gradient_check_of_the_runtime_finds_no_failure(solver):
    limits = {"max_evals": 6, "max_output_samples": 8, "rtol": 1e-5, "seed": 0, "show_progress": False}
    checks = check_gradients(tesseract_api(solver), {"inputs": conductivity()}, **limits)
    ((endpoint, failures, count),) = list(checks)
    assert endpoint == "vector_jacobian_product"
    assert failures == []
    assert count >= 12


def test_one_solve_serves_the_value_and_all_gradients(solver, monkeypatch):
    solves, solve = [], solver.problem.solve
    monkeypatch.setattr(solver.problem, "solve", lambda: solves.append(1) or solve())
    outside, inputs = client(solver), conductivity(samples=1)
    outputs = outside(inputs)
    for name, array in outputs.items():
        outside.vjp(inputs, {name: np.ones_like(array)})
    assert len(solves) == 1
    outside(conductivity(samples=1))
    assert len(solves) == 1
    inputs["conductivity"] *= 2.0  # in place: the client's own array
    back = outside.vjp(inputs, {"effective_conductivity": np.ones((1, 1))})["conductivity"]
    assert len(solves) == 2
    expected = 2 * outputs["effective_conductivity"]  # it is homogeneous of degree 1
    assert np.vdot(back, inputs["conductivity"]) == pytest.approx(expected.item())


def test_some_inputs_and_outputs_may_be_chosen():
    model = tension(4).second
    given = {spec.name: np.random.default_rng(0).uniform(0.2, 0.4, (1, 4, 4)) for spec in model.inputs}
    found = client(model).tesseract.vector_jacobian_product(
        given, ["poisson_ratio"], ["strain_energy"], {"strain_energy": np.ones((1, 1))}
    )
    assert list(found) == ["poisson_ratio"]
    expected = model.vjp(given, {"strain_energy": np.ones((1, 1))})["poisson_ratio"]
    np.testing.assert_array_equal(found["poisson_ratio"], expected)


def test_shapes_are_known_without_a_solve(solver):
    outside = client(solver).tesseract
    shapes = outside.abstract_eval({"conductivity": {"shape": (5, 6, 6), "dtype": "float64"}})
    assert shapes["temperature"]["shape"] == (5, 7, 7)
    assert shapes["effective_conductivity"] == {"shape": (5, 1), "dtype": "float64"}
    with pytest.raises(ValidationError, match=r"Expected shape: \(None, 6, 6\). Found: \(5, 6, 7\)"):
        outside.abstract_eval({"conductivity": {"shape": (5, 6, 7), "dtype": "float64"}})
    both = client(tension(4).second).tesseract
    sizes = {"youngs_modulus": 2, "poisson_ratio": 3}
    with pytest.raises(RuntimeError, match=r"one number of samples for all inputs, got \[2, 3\]"):
        both.abstract_eval({name: {"shape": (n, 4, 4), "dtype": "float64"} for name, n in sizes.items()})


def test_the_schema_says_unit_and_place(solver):
    schema = client(solver).tesseract.openapi_schema["components"]["schemas"]["Apply_InputSchema"]
    about = schema["properties"]["conductivity"]["description"]
    assert about.startswith("[W/(m K)] Grid(shape=(6, 6), lower=(0.0, 0.0)")


def test_fields_on_varying_points_come_with_their_mask():
    cloud = Points(2, None)

    def square(x, mask):
        return x**2 * mask[:, None]

    model = TorchModel(square, (FieldSpec("u", cloud),), (FieldSpec("v", cloud),))
    inputs = {"u": np.arange(1.0, 7.0).reshape(2, 3), "u_mask": np.array([[1, 1, 1], [1, 1, 0]], dtype=bool)}
    outside = client(model)
    found = outside(inputs)
    np.testing.assert_allclose(found["v"], [[1, 4, 9], [16, 25, 0]])
    np.testing.assert_array_equal(found["v_mask"], inputs["u_mask"])
    back = outside.vjp(inputs, {"v": np.ones((2, 3))})["u"]
    np.testing.assert_allclose(back, [[2, 4, 6], [8, 10, 0]])
    shapes = {"u": {"shape": (4, 9), "dtype": "float64"}, "u_mask": {"shape": (4, 9), "dtype": "bool"}}
    shapes = outside.tesseract.abstract_eval(shapes)
    assert (shapes["v"]["shape"], shapes["v_mask"]["dtype"]) == ((4, 9), "bool")


def test_a_model_without_gradients_has_no_differentiable_field():
    outside = client(conduction(4)).tesseract
    schemas = outside.openapi_schema["components"]["schemas"]
    assert schemas["ApplyInputSchema"]["differentiable_arrays"] == {}
    assert "vector_jacobian_product" not in outside.available_endpoints
    with pytest.raises(NotImplementedError, match="not implemented for this Tesseract"):
        outside.vector_jacobian_product({}, ["phase"], ["temperature"], {})
    assert outside.apply({"phase": np.ones((1, 4, 4))})["effective_conductivity"] == pytest.approx(10.0)


def test_what_does_not_fit_is_said(solver):
    outside, good = client(solver), conductivity()
    with pytest.raises(ValidationError, match=r"shape \(2, 5, 6\) is incompatible with expected shape \(2, 6, 6\)"):
        outside({"conductivity": good["conductivity"][:, :5]})
    with pytest.raises(ValidationError, match=r"inputs\.conductivty"):
        outside({"conductivty": good["conductivity"]})
    with pytest.raises(RuntimeError, match="'conductivity': expected finite numbers, sample 0 holds NaN"):
        outside({"conductivity": np.nan * good["conductivity"]})
    with pytest.raises(RuntimeError, match=r"sample 0: expected conductivity > 0, got -9\.9"):
        outside({"conductivity": -good["conductivity"]})
    with pytest.raises(RuntimeError, match=r"'effective_conductivity': expected shape \(2, 1\), got \(1, 1\)"):
        outside.vjp(good, {"effective_conductivity": np.ones((1, 1))})
    with pytest.raises(RuntimeError, match="cotangent 'effective_conductivity': expected finite"):
        outside.vjp(good, {"effective_conductivity": np.full((2, 1), np.inf)})


def test_a_solver_that_fails_says_why_and_can_be_used_again():
    problem = uniaxial_extension((2, 2), degree=1)
    displacement = (as_vector(ScalarSpec("displacement", 1, "pixel"), "displacement"),)
    outside = client(ProblemModel(problem, displacement, (as_vector(ScalarSpec("energy"), "strain_energy"),)))
    expected = outside({"displacement": np.array([[0.2]])})["energy"]
    with pytest.raises(RuntimeError, match=r"500: sample 0: .* of the way to the load \['displacement'\]"):
        outside({"displacement": np.array([[-5.0]])})
    np.testing.assert_allclose(outside({"displacement": np.array([[0.2]])})["energy"], expected)


@pytest.mark.parametrize("name", ["Young's modulus", "_hidden", "copy", "model_fields"])
def test_names_that_no_schema_can_have_are_refused(name):
    model = FunctionModel(lambda arrays: {"y": arrays[name]}, (ScalarSpec(name),), (ScalarSpec("y"),))
    with pytest.raises(ContractError, match="rename it in the spec"):
        tesseract_api(model)
