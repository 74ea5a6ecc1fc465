"""The torch layer: gradcheck, dtypes, interleaved passes, factorisations, and a network trained through a solver."""

import numpy as np
import pytest
import torch
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import ProblemModel, as_vector, cell_values, pixel_homogenization, sample_state
from genmech_fem.adapters.torch import FEMLayer
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel, compose
from genmech_fem.problems import LinearSolver, diffusion

N = 4
CONDUCTIVITY = FieldSpec("conductivity", Grid((N, N), (0, 0), (1, 1)), (), "W/(m K)")
TEMPERATURE = FieldSpec("temperature", Grid((N + 1, N + 1), (0, 0), (1, 1), "nodes"), (), "K")


@pytest.fixture
def model():
    problem = diffusion(mesh.create_unit_square(MPI.COMM_SELF, N, N, mesh.CellType.quadrilateral))
    inputs = (
        cell_values(problem.controls["conductivity"], CONDUCTIVITY, "conductivity"),
        as_vector(ScalarSpec("source", 1, "W/m^3"), "source"),
    )
    outputs = (sample_state(problem.state, TEMPERATURE), as_vector(ScalarSpec("compliance"), "compliance"))
    return ProblemModel(problem, inputs, outputs)


def tensors(batch=3, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    kappa = 1 + torch.rand(batch, N, N, generator=generator, dtype=dtype)
    source = torch.rand(batch, 1, generator=generator, dtype=dtype)
    return {"conductivity": kappa.requires_grad_(), "source": source.requires_grad_()}


def test_gradcheck(model):
    layer, x = FEMLayer(model), tensors(2)
    assert torch.autograd.gradcheck(
        lambda k, s: tuple(layer({"conductivity": k, "source": s}).values()), tuple(x.values()), fast_mode=False
    )


def test_gradcheck_of_a_chain_and_of_homogenisation():
    modulus = FieldSpec("youngs_modulus", Grid((N, N), (0, 0), (1, 1)), (), "GPa")
    pixels = pixel_homogenization(N)
    layer = FEMLayer(pixels)
    E = tensors(1)["conductivity"].detach().requires_grad_()
    assert pixels.inputs == (modulus,)
    assert torch.autograd.gradcheck(lambda E: layer({"youngs_modulus": E})["stiffness"], (E,))


def test_float32_in_and_out_with_a_float64_solve(model):
    layer = FEMLayer(model)
    single, double = tensors(dtype=torch.float32), {}
    for name, tensor in single.items():
        double[name] = tensor.detach().double().requires_grad_()
    found, exact = layer(single), layer(double)
    for name, output in found.items():
        assert output.dtype == torch.float32
        torch.testing.assert_close(output, exact[name].float(), rtol=0, atol=0)
    found["temperature"].pow(2).sum().backward()
    exact["temperature"].pow(2).sum().backward()
    for name, tensor in single.items():
        assert tensor.grad.dtype == torch.float32
        torch.testing.assert_close(tensor.grad, double[name].grad.float(), rtol=1e-5, atol=1e-9)


def test_interleaved_passes(model):
    layer = FEMLayer(model)
    inputs = [tensors(seed=seed) for seed in range(3)]
    losses = [layer(x)["temperature"].square().sum() for x in inputs]
    for k in (1, 0, 2):
        losses[k].backward()
    for seed, x in enumerate(inputs):
        alone = tensors(seed=seed)
        layer(alone)["temperature"].square().sum().backward()
        for name, tensor in x.items():
            torch.testing.assert_close(tensor.grad, alone[name].grad, rtol=1e-12, atol=0)


def test_one_factorisation_where_only_loads_vary(model, monkeypatch):
    made, factorise = [], LinearSolver.factorise
    monkeypatch.setattr(LinearSolver, "factorise", lambda self: made.append(1) or factorise(self))
    layer, x = FEMLayer(model), tensors(8)
    x["conductivity"] = torch.ones(8, N, N, dtype=torch.float64, requires_grad=True)
    layer(x)["compliance"].sum().backward()
    assert len(made) == 1
    assert (x["source"].grad > 0).all()


def test_what_needs_no_gradient_gets_none(model):
    layer, x = FEMLayer(model), tensors()
    x["source"] = x["source"].detach()
    layer(x)["compliance"].sum().backward()
    assert x["source"].grad is None
    assert (x["conductivity"].grad < 0).all()
    with torch.no_grad():
        assert not layer(tensors())["temperature"].requires_grad


def test_a_network_learns_through_the_solver(model):
    """From one number a sample to a conductivity whose temperature is the wanted one."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, N * N))
    layer, optimizer = FEMLayer(model), torch.optim.Adam(network.parameters(), 0.02)
    code, source = torch.tensor([[0.0], [1.0]]), torch.ones(2, 1)
    target = torch.as_tensor(
        model({"conductivity": np.ones((2, N, N)) * [[[1.0]], [[3.0]]], "source": source.numpy()})["temperature"]
    )
    losses = []
    for _ in range(80):
        kappa = network(code).exp().reshape(2, N, N)
        loss = (layer({"conductivity": kappa, "source": source})["temperature"] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


def test_bad_input_is_named(model):
    layer, x = FEMLayer(model), tensors()
    with pytest.raises(ContractError, match=r"expected the inputs \['conductivity', 'source'\], got \['source'\]"):
        layer({"source": x["source"]})
    with pytest.raises(TypeError, match="'source': expected float32 or float64, got torch.complex64"):
        layer({**x, "source": x["source"].to(torch.complex64)})
    with pytest.raises(ContractError, match="'conductivity': expected shape"):
        layer({**x, "conductivity": x["conductivity"][:, 1:]})
    with pytest.raises((ConvergenceError, ValueError), match="sample 1: "):
        layer({**x, "conductivity": x["conductivity"] * torch.tensor([1.0, 0.0, 1.0])[:, None, None]})
    layer(x)["compliance"].sum().backward()  # the layer still works
    with pytest.raises(TypeError, match="expected a model with vjp, got FunctionModel"):
        FEMLayer(FunctionModel(lambda a: a, (CONDUCTIVITY,), (CONDUCTIVITY,)))


def test_any_model_with_vjp_will_do():
    """A chain has no kept states, so it solves again on the way back."""
    chain = compose(pixel_homogenization(N), pixel_homogenization_again())
    x = tensors(1)["conductivity"].detach().requires_grad_()
    FEMLayer(chain)({"youngs_modulus": x})["stiffness_again"].sum().backward()
    assert x.grad.abs().min() > 0


def pixel_homogenization_again():
    class Twice:
        """A second link of a chain: the stiffness, doubled."""

        inputs = (ScalarSpec("stiffness", 6, "GPa"),)
        outputs = (ScalarSpec("stiffness_again", 6, "GPa"),)

        def __call__(self, inputs):
            return {"stiffness_again": 2 * inputs["stiffness"]}

        def vjp(self, inputs, cotangents):
            return {"stiffness": 2 * cotangents["stiffness_again"]}

    return Twice()
