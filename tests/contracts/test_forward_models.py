"""What holds for every ForwardModel. A new one joins by one line in `MODELS`."""

import genmech_skfem
import numpy as np
import pytest
import torch
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import (
    ConformingHomogenization,
    ProblemModel,
    ResidualGuard,
    as_vector,
    cantilever,
    cell_values,
    conduction,
    mbb_beam,
    pixel_homogenization,
    pixel_stiffness,
    sample_history,
    sample_state,
    tension,
)
from genmech_fem.errors import ContractError
from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec, concatenate, take
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel, FunctionModel, check_vjp, compose
from genmech_fem.microstructure import phase_grid, phase_spec
from genmech_fem.problems import Certificate, Clamped, TimeSteps, Traction, diffusion, elasticity, transient_heat
from genmech_fem.runtime import FlowSampler, GuardedModel, OnnxModel
from genmech_fem.surrogates import Perceptron, TorchModel


def heat(request):
    problem = diffusion(mesh.create_unit_square(MPI.COMM_SELF, 8, 8, mesh.CellType.quadrilateral))
    conductivity = FieldSpec("conductivity", Grid((8, 8), (0, 0), (1, 1)), (), "W/(m K)")
    temperature = FieldSpec("temperature", Grid((5, 6), (0, 0), (1, 1), "nodes"), (), "K")
    inputs = (
        cell_values(problem.controls["conductivity"], conductivity, "conductivity"),
        as_vector(ScalarSpec("source", 1, "W/m^3"), "source"),
    )
    return ProblemModel(
        problem, inputs, (sample_state(problem.state, temperature), as_vector(ScalarSpec("compliance"), "compliance"))
    )


def plate(request):
    """Moduli and a traction to displacements; two controls, a vector field."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, 6, 6, mesh.CellType.quadrilateral)
    left, right = (lambda x: np.isclose(x[0], 0)), (lambda x: np.isclose(x[0], 1))
    problem = elasticity(domain, [Clamped(left), Traction(right, (0.0, 0.0))], hypothesis="plane stress")
    modulus = FieldSpec("modulus", Grid((6, 6), (0, 0), (1, 1)), (), "GPa")
    displacement = FieldSpec("displacement", Grid((4, 5), (0, 0), (1, 1)), (2,), "mm")
    inputs = (
        cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus"),
        as_vector(ScalarSpec("traction", 2, "GPa"), "traction"),
    )
    return ProblemModel(problem, inputs, (sample_state(problem.state, displacement),))


def cooling(request):
    """Conductivity and a source in every step to a sequence of temperatures."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, 6, 6)
    problem = transient_heat(domain, TimeSteps(0.1, 3), series=["source"])
    conductivity = FieldSpec("conductivity", Grid((6, 6), (0, 0), (1, 1)), (), "W/(m K)")
    temperature = FieldSpec("temperature", Grid((4, 5), (0, 0), (1, 1)), (4,), "K")
    inputs = (
        cell_values(problem.controls["conductivity"], conductivity, "conductivity"),
        as_vector(ScalarSpec("source", 3, "W/m^3"), "source"),
    )
    return ProblemModel(problem, inputs, (sample_history(problem, temperature),))


def moduli(request):
    """Pixel moduli from a phase field."""
    modulus = FieldSpec("youngs_modulus", phase_grid(6), (), "GPa")
    return FunctionModel(lambda a: {"youngs_modulus": 1 + 9 * a["phase"]}, (phase_spec(6),), (modulus,))


def guarded(request):
    """A network that no guard accepts, and conduction as what stands in for it."""
    solver = conductive()
    surrogate = FunctionModel(lambda x: {"temperature": 0 * solver(x)["temperature"]}, solver.inputs, solver.outputs)
    return GuardedModel(surrogate, solver, [ResidualGuard(solver, Certificate(solver.problem), 1e-9, steps=0)])


def polished(request):
    """An answer 10 % off, which conjugate gradients improve until nothing is left to improve."""
    solver = conductive()
    surrogate = FunctionModel(lambda x: {"temperature": 1.1 * solver(x)["temperature"]}, solver.inputs, solver.outputs)
    return GuardedModel(surrogate, solver, [ResidualGuard(solver, Certificate(solver.problem), 1e-9, steps=90)])


def conductive():
    problem = diffusion(mesh.create_unit_square(MPI.COMM_SELF, 6, 6, mesh.CellType.quadrilateral))
    conductivity = FieldSpec("conductivity", Grid((6, 6), (0, 0), (1, 1)), (), "W/(m K)")
    temperature = FieldSpec("temperature", Grid((7, 7), (0, 0), (1, 1), "nodes"), (), "K")
    inputs = (cell_values(problem.controls["conductivity"], conductivity, "conductivity"),)
    return ProblemModel(problem, inputs, (sample_state(problem.state, temperature),))


@pytest.fixture(scope="module")
def gradient_file(tmp_path_factory):
    """A small network's file with its vector-Jacobian products beside it."""
    torch.manual_seed(0)
    network = Perceptron(2, (3,), hidden=(8,))
    network.prepare({"x": torch.rand(8, 2), "y": torch.rand(8, 3)})
    model = TorchModel(network.eval(), (ScalarSpec("q", 2),), (ScalarSpec("u", 3),))
    path = tmp_path_factory.mktemp("gradients") / "network.onnx"
    to_onnx(model, path, {"q": np.random.default_rng(0).random((3, 2))}, vjp=True)
    return path


MODELS = {
    "function": moduli,
    "diffusion": heat,
    "elasticity": plate,
    "transient heat": cooling,
    "pixel homogenisation": lambda request: pixel_homogenization(6),
    "conforming homogenisation": lambda request: ConformingHomogenization(16, refine=1),
    "tension": lambda request: tension(6),
    "conduction": lambda request: conduction(6),
    "pixel stiffness": lambda request: pixel_stiffness(6),
    "mbb beam": lambda request: mbb_beam(6, 4),
    "cantilever": lambda request: cantilever((6, 4, 2), 0.5),
    "scikit-fem beam": lambda request: genmech_skfem.mbb_beam(6, 4),
    "chain": lambda request: compose(moduli(request), pixel_homogenization(6)),
    "torch": lambda request: request.getfixturevalue("surrogate"),
    "onnx": lambda request: OnnxModel(request.getfixturevalue("onnx_file")),
    "onnx with gradients": lambda request: OnnxModel(request.getfixturevalue("gradient_file")),
    "guarded, solved": guarded,
    "guarded, polished": polished,
    "flow sampler": lambda request: FlowSampler.open(request.getfixturevalue("flow_file")),
}
FLOAT32 = {"torch", "onnx", "onnx with gradients", "flow sampler"}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def model(name, request):
    return MODELS[name](request)


@pytest.fixture
def inputs(model):
    """Three smooth, positive samples."""
    generator = np.random.default_rng(0)

    def draw(spec):
        array = generator.uniform(0.2, 0.8, (3, *spec.shape))
        if isinstance(spec, FieldSpec):
            wave = np.sin(2 * np.pi * (np.arange(spec.shape[-1]) + 0.5) / spec.shape[-1])
            array = 0.05 * array + 0.3 + 0.3 * wave
        return array

    return {spec.name: draw(spec) for spec in model.inputs}


def test_it_is_a_forward_model_and_keeps_its_promises(model, inputs):
    assert isinstance(model, ForwardModel)
    outputs = model(inputs)
    assert set(outputs) == {spec.name for spec in model.outputs}
    for spec in model.outputs:
        assert outputs[spec.name].shape == (3, *spec.shape)
        assert outputs[spec.name].dtype == np.float64
        assert np.isfinite(outputs[spec.name]).all()


def test_a_batch_is_the_stack_of_its_samples(name, model, inputs):
    together = model(inputs)
    alone = concatenate(model(take(inputs, slice(i, i + 1))) for i in range(3))
    tolerance = 1e-4 if name in FLOAT32 else 1e-12
    for key, value in together.items():
        np.testing.assert_allclose(alone[key], value, rtol=tolerance, atol=tolerance * np.abs(value).max())


def test_the_same_inputs_give_the_same_outputs_and_stay_as_they_are(model, inputs):
    before = {key: value.copy() for key, value in inputs.items()}
    first, second = model(inputs), model(inputs)
    for key, value in first.items():
        np.testing.assert_array_equal(second[key], value)
    for key, value in inputs.items():
        np.testing.assert_array_equal(value, before[key])


def test_inputs_that_break_the_contract_are_named(model, inputs):
    first = model.inputs[0].name
    with pytest.raises(ContractError, match="expected the inputs"):
        model({**inputs, "unknown": np.zeros((3, 1))})
    with pytest.raises(ContractError, match=f"'{first}': expected shape"):
        model({**inputs, first: inputs[first][:, :-1]})
    broken = inputs[first].copy()
    broken[1].flat[0] = np.nan
    with pytest.raises(ContractError, match=f"'{first}': expected finite numbers, sample 1"):
        model({**inputs, first: broken})


def test_gradients_pass_the_taylor_test(name, model, inputs):
    if not isinstance(model, DifferentiableForwardModel):
        pytest.skip(f"{name} has no vjp")
    steps = (4e-2, 2e-2, 1e-2) if name in FLOAT32 else (4e-4, 2e-4, 1e-4)
    assert check_vjp(model, inputs, np.random.default_rng(1), steps) > 1.85
