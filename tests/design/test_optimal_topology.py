"""Optimal topologies as training data, and moduli of densities that a generator makes."""

import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import ProblemModel, as_vector, cell_values
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.design import RAMP, SIMP, Densities, DensityFilter, Moduli, OptimalTopology, topology_optimization
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import check_vjp, hold
from genmech_fem.problems import Clamped, Traction, elasticity

GRID = Grid((12, 6), (0, 0), (2, 1))


@pytest.fixture(scope="module")
def solver():
    """A cantilever under a traction of any direction on the upper half of its right end."""
    domain = mesh.create_rectangle(
        MPI.COMM_SELF, [np.zeros(2), np.array([2.0, 1.0])], [12, 6], mesh.CellType.quadrilateral
    )
    loaded = Traction(lambda x: np.isclose(x[0], 2) & (x[1] > 0.49), (0.0, 0.0))
    problem = elasticity(domain, [Clamped(lambda x: np.isclose(x[0], 0)), loaded], hypothesis="plane stress")
    E = cell_values(problem.controls["youngs_modulus"], FieldSpec("youngs_modulus", GRID), "youngs_modulus")
    inputs = E, as_vector(ScalarSpec("traction", 2), "traction")
    return ProblemModel(problem, inputs, (as_vector(ScalarSpec("compliance"), "compliance"),))


DENSITIES = Densities(DensityFilter(GRID, 0.25))


def drawn(generator):
    angle = generator.uniform(0, np.pi)
    return {"traction": np.array([[np.cos(angle), np.sin(angle)]]), "volume": generator.uniform(0.3, 0.5, (1, 1))}


def optimal(solver, iterations=30):
    return OptimalTopology(
        lambda load: hold(solver, load), (ScalarSpec("traction", 2),), DENSITIES, iterations=iterations
    )


def test_a_campaign_fills_a_store_with_optima_of_their_own_loads(solver, tmp_path):
    generate(Campaign(optimal(solver), drawn, 3), tmp_path / "store")
    _, data = Store.open(tmp_path / "store").read()
    np.testing.assert_allclose(data["density"].mean(axis=(1, 2)), data["volume"][:, 0], rtol=2e-3)
    for i in range(3):
        load = {"traction": data["traction"][i : i + 1]}
        found = topology_optimization(hold(solver, load), DENSITIES, float(data["volume"][i, 0]), iterations=30)
        np.testing.assert_allclose(data["density"][i], found.outputs["density"][0], atol=1e-9)
        of_each = [solver({**load, "youngs_modulus": SIMP()(d)[None]})["compliance"].item() for d in data["density"]]
        assert data["compliance"][i, 0] == pytest.approx(of_each[i], rel=1e-9)


def test_an_impossible_volume_is_refused(solver):
    with pytest.raises(ValueError, match="volume fraction between 0 and 1"):
        optimal(solver)({"traction": np.ones((1, 2)), "volume": np.array([[1.5]])})


def test_moduli_are_those_of_the_interpolation():
    model, density = Moduli(FieldSpec("E", GRID, (), "GPa"), RAMP(solid=70.0)), np.linspace(0, 1, 72).reshape(1, 12, 6)
    found = model({"density": density})["E"]
    assert found.min() == pytest.approx(1e-9)
    assert found.max() == pytest.approx(70.0)
    assert check_vjp(model, {"density": density}, np.random.default_rng(0)) > 1.9
