"""Derivatives of effective tensors, and local fields, of every physics."""

import numpy as np
import pytest
from periodic_cells import box, midpoints, set_moduli

from genmech_fem.adapters import ProblemModel, as_vector, phase_values
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import check_vjp
from genmech_fem.metrics import symmetric_matrix
from genmech_fem.problems import Fourier, periodic_conduction, periodic_elasticity, solver_options

MAKERS = {
    "plane strain": lambda: periodic_elasticity(box(2, "triangle", 4)),
    "plane stress": lambda: periodic_elasticity(box(2, "quadrilateral", 4), hypothesis="plane stress", degree=2),
    "3D": lambda: periodic_elasticity(box(3, "tetrahedron", 2)),
    "voxels": lambda: periodic_elasticity(box(3, "hexahedron", 3), method=Fourier(1e-12)),
    "conduction": lambda: periodic_conduction(box(2, "quadrilateral", 4)),
    "conduction 3D": lambda: periodic_conduction(box(3, "tetrahedron", 2)),
    "anisotropic": lambda: periodic_conduction(box(2, "triangle", 4), anisotropic=True),
    "anisotropic 3D": lambda: periodic_conduction(box(3, "hexahedron", 2), anisotropic=True),
}


@pytest.fixture(params=MAKERS)
def problem(request):
    """A solved cell of random moduli, far from their bounds."""
    problem, generator = MAKERS[request.param](), np.random.default_rng(3)
    for name, control in problem.controls.items():
        array = control.x.array
        if name == "poisson_ratio":
            array[:] = generator.uniform(0.0, 0.1, array.size)
        elif problem.physics.tensor:
            array += generator.uniform(0.0, 0.2, array.size)
        else:
            array[:] = generator.uniform(2.0, 9.0, array.size)
    problem.solve()
    return problem


def test_taylor_of_the_tensor_and_the_state(problem, taylor_order, generator):
    observed = problem.observe()
    cotangents = {name: generator.standard_normal(values.shape) for name, values in observed.items()}
    steps = (1e-2, 5e-3, 2.5e-3)
    for name in problem.controls:
        for key, cotangent in cotangents.items():
            order = taylor_order(problem, {key: cotangent}, generator, names=[name], steps=steps)
            assert order == pytest.approx(2.0, abs=0.1), (name, key)


def test_sensitivities_are_rows_of_pull_back(problem):
    name = problem.physics.effective
    rows = np.eye(problem.observe()[name].size)
    found = problem.sensitivities()
    for k, row in enumerate(rows):
        for control, gradient in problem.pull_back({name: row}).items():
            np.testing.assert_allclose(found[control][k], gradient, atol=1e-12 * np.abs(found[control]).max())


def test_the_tensor_is_homogeneous_of_degree_one_in_the_modulus(problem):
    """Euler: the sum of m dC*/dm is C*."""
    name = next(iter(problem.controls))
    found = problem.sensitivities()[name] @ problem.controls[name].x.array
    np.testing.assert_allclose(found, problem.observe()[problem.physics.effective], rtol=1e-8, atol=1e-8)


def test_means_of_the_local_fields(problem):
    """The mean gradient is the unit load, the mean flux its product with the effective tensor (Hill)."""
    gradient, flux = (problem.fields()[name] for name in problem.physics.fields)
    cells = len(midpoints(problem.state.function_space.mesh))
    assert gradient.shape == flux.shape == (problem.loads, problem.loads, cells)
    np.testing.assert_allclose(gradient.mean(axis=-1), np.eye(problem.loads), atol=1e-10)
    exact = symmetric_matrix(problem.observe()[problem.physics.effective])
    np.testing.assert_allclose(flux.mean(axis=-1), exact, rtol=1e-9, atol=1e-9)


def test_the_fields_of_a_laminate():
    """Across the layers the flux is constant."""
    domain = box(2, "triangle", 4)
    problem = periodic_conduction(domain)
    values = np.where(midpoints(domain)[:, 0] < 0.5, 10.0, 0.2)
    set_moduli(problem, conductivity=values)
    problem.solve()
    fields = problem.fields()
    across = 2 / (1 / 10.0 + 1 / 0.2)
    np.testing.assert_allclose(fields["flux"][0], [0 * values + across, 0 * values], atol=1e-12)
    np.testing.assert_allclose(fields["gradient"][0], [across / values, 0 * values], atol=1e-12)
    np.testing.assert_allclose(fields["flux"][1], [0 * values, values], atol=1e-12)


def test_sensitivities_need_a_solution():
    with pytest.raises(ConvergenceError, match=r"sensitivities needs the solution .* call solve"):
        periodic_conduction(box(2, "triangle", 2)).sensitivities()


def phase_model():
    domain = box(2, "triangle", 8)
    tags = (np.linalg.norm(midpoints(domain) - 0.5, axis=1) < 0.3).astype(int)
    inputs = [ScalarSpec("young", 2, "GPa"), ScalarSpec("poisson", 2)]
    maps = [phase_values(tags, s, c) for s, c in zip(inputs, ("youngs_modulus", "poisson_ratio"), strict=True)]
    model = ProblemModel(periodic_elasticity(domain), tuple(maps), (as_vector(ScalarSpec("C", 6, "GPa"), "stiffness"),))
    return model, tags


def test_sensitivities_to_the_moduli_of_the_phases(generator):
    """Against central differences, and as sums of those of the cells."""
    model, tags = phase_model()
    at = {"young": np.array([[3.5, 70.0]]), "poisson": np.array([[0.35, 0.22]])}
    cotangent = generator.standard_normal((1, 6))
    found = model.vjp(at, {"C": cotangent})
    cells = model.problem.sensitivities()
    for name, control in (("young", "youngs_modulus"), ("poisson", "poisson_ratio")):
        for phase in (0, 1):
            h = 1e-4 * at[name][0, phase]
            values = []
            for step in (h, -h):
                moved = {key: value.copy() for key, value in at.items()}
                moved[name][0, phase] += step
                values.append(np.vdot(cotangent, model(moved)["C"]))
            assert found[name][0, phase] == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-6)
            assert found[name][0, phase] == pytest.approx(cotangent[0] @ cells[control][:, tags == phase].sum(axis=1))
    assert check_vjp(model, at, generator) == pytest.approx(2.0, abs=0.1)


def test_tags_beyond_the_phases_are_refused():
    with pytest.raises(ContractError, match="expected tags from 0 to 1, got 0 to 2"):
        phase_values(np.array([0, 1, 2]), ScalarSpec("young", 2, "GPa"), "youngs_modulus")


def test_restored_correctors_have_the_gradients_of_their_solution(problem):
    observed = problem.observe()
    weights = {name: np.cos(np.arange(array.size)) for name, array in observed.items()}
    before = {name: control.x.array.copy() for name, control in problem.controls.items()}
    gradients, name = problem.pull_back(weights), problem.physics.moduli[0].name
    problem.set_controls({name: 1.1 * before[name]})
    problem.solve()
    problem.set_controls(before)
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back(weights)
    problem.restore(observed["state"])
    for key, gradient in problem.pull_back(weights).items():
        np.testing.assert_allclose(gradient, gradients[key], rtol=1e-7, atol=1e-9 * np.abs(gradient).max())


def test_names_and_shapes_are_checked():
    problem = periodic_conduction(box(2, "triangle", 4))
    problem.solve()
    with pytest.raises(ContractError, match=r"observe: expected names among .* got \['stress'\]"):
        problem.observe(["stress"])
    with pytest.raises(ContractError, match="cotangent 'stiffness': expected one of"):
        problem.pull_back({"stiffness": np.ones(3)})
    with pytest.raises(ContractError, match="state: expected the dofs"):
        problem.restore(np.ones(3))


@pytest.mark.parametrize("make", [periodic_elasticity, periodic_conduction])
def test_multigrid_for_large_cells_of_tetrahedra(make, monkeypatch, generator):
    direct, name = make(box(3, "tetrahedron", 5)), "youngs_modulus" if make is periodic_elasticity else "conductivity"
    moduli = {name: generator.uniform(1, 20, direct.controls[name].x.array.size)}
    iterative, tensors = make(box(3, "tetrahedron", 5)), []
    for problem, limit in ((direct, 10**6), (iterative, 0)):
        monkeypatch.setattr(solver_options, "DIRECT_3D", limit)
        problem.set_controls(moduli)
        problem.solve()
        tensors.append(problem.observe()[problem.physics.effective])
    assert iterative._solver.current()._engine.name == "PETSc cg + gamg"
    np.testing.assert_allclose(tensors[1], tensors[0], atol=1e-9 * tensors[0].max())
