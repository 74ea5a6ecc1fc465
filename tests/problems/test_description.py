"""What solutions depend on is described alike in every process, and every change of it shows."""

import json
import subprocess
import sys
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import ProblemModel, conduction, pixel_stiffness, sample_state, tension
from genmech_fem.datasets.provenance import changes, describe
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.problems import (
    BodyForce,
    Clamped,
    Dirichlet,
    Newton,
    PeriodicHomogenization,
    Pressure,
    SolverOptions,
    TimeSteps,
    Traction,
    VariationalProblem,
    elasticity,
    hyperelasticity,
    periodic_conduction,
    periodic_elasticity,
    transient_heat,
)
from genmech_fem.problems.physics import ELASTICITY


def square(n=4):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n)


def left(x):
    return np.isclose(x[0], 0)


def block(domain=None, load=(0.0, -1.0), clamp=left, **options):
    return elasticity(domain or square(), [Clamped(clamp), BodyForce(load)], **options)


def right(x):
    return np.isclose(x[0], 1)


def above(x):
    return np.isclose(x[1], 1)


def pulled(where):
    return elasticity(square(), [Clamped(left), Traction(where, (0.0, -1.0))])


def own(power, inflow=1.0, tags=(1, 2), held=0.0, solver=None):
    """A nonlinear problem with a load on tagged facets and a constant that is no control."""
    domain = square()
    space = fem.functionspace(domain, ("Lagrange", 1))
    u, v, q = fem.Function(space), ufl.TestFunction(space), fem.Constant(domain, 1.0)
    rest = fem.Constant(domain, inflow)
    facets = np.concatenate([mesh.locate_entities_boundary(domain, 1, where) for where in (right, above)])
    order = np.argsort(facets)
    marks = mesh.meshtags(domain, 1, facets[order], np.repeat(np.array(tags, dtype=np.int32), 4)[order])
    ds = ufl.Measure("ds", domain=domain, subdomain_data=marks)
    form = ((1 + u**power) * ufl.inner(ufl.grad(u), ufl.grad(v)) - (q + rest) * v) * ufl.dx - v * ds(1)
    edge = fem.locate_dofs_geometrical(space, left)
    return VariationalProblem(form, u, controls={"q": q}, bcs=[fem.dirichletbc(held, edge, space)], solver=solver)


def named(old, new):
    return " ".join(changes(json.loads(json.dumps(old)), json.loads(json.dumps(new))))


def test_the_description_is_the_same_in_every_process_and_after_solves():
    code = """
import json
from genmech_fem.adapters import conduction, pixel_stiffness, tension
from genmech_fem.datasets.provenance import describe
print(json.dumps([describe(make(8)) for make in (conduction, tension, pixel_stiffness)], sort_keys=True))
"""
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    models = [make(8) for make in (conduction, tension, pixel_stiffness)]
    for _ in range(2):
        assert json.dumps([describe(model) for model in models], sort_keys=True) == other.strip()
        for model in models:
            model({"phase": np.random.default_rng(0).random((1, 8, 8))})


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (lambda: block(square(5)), "mesh.nodes was 25, now 36"),
        (lambda: block(degree=2), "element was"),
        (lambda: block(load=(0.0, -2.0)), r"controls.body_force[1] was -1.0, now -2.0"),
        (lambda: block(hypothesis="plane stress"), "residual.signature was"),
        (lambda: block(clamp=lambda x: np.isclose(x[1], 0)), "boundary conditions[0].dofs was"),
        (
            lambda: block(solver=SolverOptions(petsc_options={"ksp_rtol": 1e-3})),
            "solver.petsc_options.ksp_rtol was None",
        ),
    ],
)
def test_every_change_is_named(changed, path):
    assert named(block().description(), block().description()) == ""
    assert path in named(block().description(), changed().description())


def test_the_place_of_a_load_counts():
    text = named(pulled(right).description(), pulled(above).description())
    assert "residual.over[1] was 'exterior_facet 0: " in text
    assert "observables.compliance[0].over[0] was" in text
    assert "residual.over[1] was 'exterior_facet 1: " in named(own(1).description(), own(1, tags=(2, 1)).description())
    assert named(own(1).description(), own(1, tags=(1, 3)).description()) == ""


def test_moved_nodes_are_noticed():
    domain = square()
    domain.geometry.x[7, 0] += 1e-3
    assert "mesh.sha256 was" in named(block().description(), block(domain).description())


def test_controls_that_are_inputs_do_not_count():
    one, two = block(), block()
    two.controls["youngs_modulus"].x.array[:] = 5.0
    assert "controls.youngs_modulus was" in named(one.description(), two.description())
    assert named(one.description({"youngs_modulus"}), two.description({"youngs_modulus"})) == ""


def test_own_forms_transient_and_periodic_problems_are_told_apart():
    assert "residual.signature was" in named(own(1).description(), own(2).description())
    assert named(own(1).description(), own(1, inflow=2.0).description()) == "data[0] was 1.0, now 2.0"
    assert named(own(1).description(), own(1, held=0.5).description()) == (
        "boundary conditions[0].value was 0.0, now 0.5"
    )
    loose = SolverOptions(newton=Newton(tolerance=1e-6))
    assert named(own(1).description(), own(1, solver=loose).description()) == (
        "solver.newton.tolerance was 1e-10, now 1e-06"
    )
    heat = [transient_heat(square(), TimeSteps(*times)).description() for times in ((0.1, 3), (0.1, 4), (0.2, 3))]
    assert "steps was 3, now 4" in named(*heat[:2])
    assert "step." in named(heat[0], heat[2])
    cells = periodic_elasticity(square()), periodic_elasticity(square(), hypothesis="plane stress")
    assert named(*(cell.description() for cell in cells)).startswith("law.signature was")
    assert "physics was" in named(cells[0].description(), periodic_conduction(square()).description())


def test_two_laws_of_one_name_are_told_apart():
    def scaled(factor):
        def law(strain, mu, lmbda):
            return factor * ELASTICITY.law(strain, mu, lmbda)

        return PeriodicHomogenization(square(), replace(ELASTICITY, law=law)).description()

    assert named(scaled(2.0), scaled(2.0)) == ""
    assert named(scaled(2.0), scaled(3.0)).startswith("law.signature was")


@pytest.mark.parametrize(
    "make",
    [
        lambda: hyperelasticity(square(), [Clamped(left), Pressure(right, 0.01)]),
        lambda: transient_heat(square(), TimeSteps(0.1, 3), [Dirichlet(left, 1.0)], series=["boundary_value"]),
        lambda: own(2),
        lambda: periodic_elasticity(square()),
    ],
)
def test_solves_and_gradients_leave_the_description_as_it_is(make):
    problem = make()
    before = json.dumps(problem.description())
    problem.solve()
    problem.pull_back({"state": np.ones_like(problem.observe(["state"])["state"])})
    assert json.dumps(problem.description()) == before == json.dumps(make().description())


def test_a_description_is_cheap():
    problem = elasticity(square(128), [Clamped(left), Traction(right, (0.0, -1.0))])
    problem.solve()
    start = perf_counter()
    problem.description()
    assert perf_counter() - start < 0.05


def test_another_grid_of_the_same_mesh_is_named():
    problem = block()

    def on(points):
        spec = FieldSpec("u", Grid((points, points), (0.0, 0.0), (1.0, 1.0), at="nodes"), (2,))
        return ProblemModel(problem, (), (sample_state(problem.state, spec),)).description()

    assert named(on(5), on(5)) == ""
    assert named(on(5), on(9)).startswith("outputs.u.matrix was")


def test_the_sampling_rule_is_part_of_a_model():
    eight, other = tension(8), tension(8, strain=0.02)
    text = named(describe(eight), describe(other))
    assert "second.controls.boundary_value" in text
    coarse = describe(tension(4))
    assert "outputs.displacement.matrix was" in named(describe(eight), coarse)
