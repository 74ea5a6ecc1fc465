"""The potential energy: lowest at the solution, its gradient the residual, and a network that learns without labels."""

import numpy as np
import pytest
import torch
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import ProblemModel, as_vector, cell_values, sample_state
from genmech_fem.adapters.torch import PotentialEnergy
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.problems import Dirichlet, Roller, diffusion, elasticity
from genmech_fem.surrogates import GridSurrogate, relative_l2
from genmech_fem.training import Recipe, fit

N = 6
CELLS, NODES = Grid((N, N), (0, 0), (1, 1)), Grid((N + 1, N + 1), (0, 0), (1, 1), "nodes")


def side(axis, place):
    return lambda x: np.isclose(x[axis], place)


@pytest.fixture
def heat():
    problem = diffusion(mesh.create_unit_square(MPI.COMM_SELF, N, N, mesh.CellType.quadrilateral))
    inputs = (cell_values(problem.controls["conductivity"], FieldSpec("conductivity", CELLS), "conductivity"),)
    outputs = (
        sample_state(problem.state, FieldSpec("temperature", NODES)),
        as_vector(ScalarSpec("compliance"), "compliance"),
    )
    return ProblemModel(problem, inputs, outputs)


@pytest.fixture
def tension():
    conditions = (Roller(side(0, 0.0), 0), Roller(side(1, 0.0), 1), Dirichlet(side(0, 1.0), 0.1, component=0))
    problem = elasticity(mesh.create_unit_square(MPI.COMM_SELF, N, N, mesh.CellType.quadrilateral), conditions)
    inputs = (cell_values(problem.controls["youngs_modulus"], FieldSpec("modulus", CELLS), "youngs_modulus"),)
    return ProblemModel(problem, inputs, (sample_state(problem.state, FieldSpec("displacement", NODES, (2,))),))


def drawn(model, batch=3, seed=0):
    generator = np.random.default_rng(seed)
    return {spec.name: 1 + generator.random((batch, *spec.shape)) for spec in model.inputs}


@pytest.mark.parametrize("which", ["heat", "tension"])
def test_the_solution_has_the_lowest_energy_and_no_gradient(which, request):
    model = request.getfixturevalue(which)
    name = model.outputs[0].name
    inputs = drawn(model)
    exact = model(inputs)[name]
    energies, gradients = model.potential(inputs, {name: exact})
    size = np.abs(model.potential(inputs, {name: exact + 1})[1][name]).max()
    assert np.abs(gradients[name]).max() < 1e-10 * max(size, 1e-3)

    free = np.abs(model.potential(inputs, {name: np.random.default_rng(1).random(exact.shape)})[1][name]) > 0
    error = 0.01 * np.random.default_rng(2).standard_normal(exact.shape) * free
    above = model.potential(inputs, {name: exact + error})[0] - energies
    twice = model.potential(inputs, {name: exact + 2 * error})[0] - energies
    assert (above > 0).all()
    np.testing.assert_allclose(twice, 4 * above, rtol=1e-6)  # half the square of the energy norm


def test_the_compliance_is_minus_twice_the_lowest_energy(heat):
    inputs = drawn(heat)
    found = heat(inputs)
    energies, _ = heat.potential(inputs, {"temperature": found["temperature"]})
    np.testing.assert_allclose(energies, -0.5 * found["compliance"][:, 0], rtol=1e-10)


def test_the_gradient_is_that_of_the_energy(tension):
    inputs = {name: torch.as_tensor(x) for name, x in drawn(tension, 2).items()}
    energy = PotentialEnergy(tension)
    exact = torch.as_tensor(tension(drawn(tension, 2))["displacement"])
    held = torch.zeros((2, N + 1, N + 1), dtype=torch.bool)
    held[0, 0], held[0, -1], held[1, :, 0] = True, True, True
    state = (exact + 0.1 * ~held * torch.randn(exact.shape, dtype=torch.float64)).requires_grad_()
    (slope,) = torch.autograd.grad(energy(inputs, {"displacement": state}).sum(), state)
    step = 1e-6 * ~held * torch.randn(exact.shape, dtype=torch.float64)
    after, before = (energy(inputs, {"displacement": state + sign * step}).sum() for sign in (1, -1))
    assert (0.5 * (after - before)).item() == pytest.approx((slope * step).sum().item(), rel=1e-5)
    assert (slope[:, held] == 0).all()


def test_a_network_learns_the_solver_without_labels(heat):
    torch.manual_seed(0)
    inputs = drawn(heat, 60)
    exact = torch.as_tensor(heat(inputs)["temperature"]).float()[:, None]
    where = torch.zeros(1, N + 1, N + 1, dtype=torch.bool)
    where[:, [0, -1]] = where[:, :, [0, -1]] = True
    corners = torch.nn.functional.interpolate(
        torch.as_tensor(inputs["conductivity"])[:, None].float(), (N + 1, N + 1), mode="nearest"
    )
    model = GridSurrogate(1, (1, N + 1, N + 1), settings={"channels": (16,), "padding_mode": "zeros"}, coordinates=True)
    model.hold(torch.zeros(1, N + 1, N + 1), where)
    energy = PotentialEnergy(heat)

    def loss(prediction, truth, batch):
        return energy({"conductivity": batch["cells"]}, {"temperature": prediction[:, 0]}).mean()

    model.criterion = loss
    scale = torch.randn(60, 1, N + 1, N + 1) * 0.05  # only its size is used, for the normalisation
    data = {"x": corners, "y": scale, "cells": torch.as_tensor(inputs["conductivity"])}
    for _ in fit(model, data, Recipe(steps=300, batch_size=6, learning_rate=1e-2)):
        pass
    with torch.no_grad():
        assert relative_l2(model(corners), exact) < 0.1


def test_what_has_no_potential_is_said(heat, tension):
    inputs = drawn(heat)
    with pytest.raises(ContractError, match="expected states of 3 samples, got 2"):
        heat.potential(inputs, {"temperature": np.zeros((2, N + 1, N + 1))})
    with pytest.raises(ContractError, match="one state by name, got"):
        PotentialEnergy(heat)({}, {})
    other = ProblemModel(heat.problem, heat._inputs, heat._outputs[1:])
    with pytest.raises(ContractError, match=r"one value for each dof of the state.* got \['compliance'\]"):
        other.potential(inputs, {"temperature": np.zeros((3, N + 1, N + 1))})
