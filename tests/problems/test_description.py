"""What solutions depend on is described alike in every process, and every change of it shows."""

import json
import subprocess
import sys

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import conduction, pixel_stiffness, tension
from genmech_fem.datasets.provenance import changes, describe
from genmech_fem.problems import (
    BodyForce,
    Clamped,
    SolverOptions,
    TimeSteps,
    VariationalProblem,
    elasticity,
    periodic_conduction,
    periodic_elasticity,
    transient_heat,
)


def square(n=4):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n)


def left(x):
    return np.isclose(x[0], 0)


def block(domain=None, load=(0.0, -1.0), clamp=left, **options):
    return elasticity(domain or square(), [Clamped(clamp), BodyForce(load)], **options)


def own(power, inflow=1.0):
    domain = square()
    space = fem.functionspace(domain, ("Lagrange", 1))
    u, v, q = fem.Function(space), ufl.TestFunction(space), fem.Constant(domain, 1.0)
    rest = fem.Constant(domain, inflow)
    form = ((1 + u**power) * ufl.inner(ufl.grad(u), ufl.grad(v)) - (q + rest) * v) * ufl.dx
    edge = fem.locate_dofs_geometrical(space, left)
    return VariationalProblem(form, u, controls={"q": q}, bcs=[fem.dirichletbc(0.0, edge, space)])


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
        (lambda: block(hypothesis="plane stress"), "residual was"),
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
    assert "residual was" in named(own(1).description(), own(2).description())
    assert "data[0] was" in named(own(1).description(), own(1, inflow=2.0).description())
    heat = [transient_heat(square(), TimeSteps(*times)).description() for times in ((0.1, 3), (0.1, 4), (0.2, 3))]
    assert "steps was 3, now 4" in named(*heat[:2])
    assert "step." in named(heat[0], heat[2])
    cells = periodic_elasticity(square()), periodic_elasticity(square(), hypothesis="plane stress")
    assert named(*(cell.description() for cell in cells))
    assert "physics was" in named(cells[0].description(), periodic_conduction(square()).description())


def test_the_sampling_rule_is_part_of_a_model():
    eight, other = tension(8), tension(8, strain=0.02)
    text = named(describe(eight), describe(other))
    assert "second.controls.boundary_value" in text
    coarse = describe(tension(4))
    assert "outputs.displacement.matrix was" in named(describe(eight), coarse)
