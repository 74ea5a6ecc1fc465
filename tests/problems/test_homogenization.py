import numpy as np
import pytest
from periodic_cells import CELLS, box, isotropic, laminate, midpoints, set_moduli

from genmech_fem.adapters import ConformingHomogenization, Material, pixel_homogenization
from genmech_fem.errors import ConvergenceError, MeshingError
from genmech_fem.forward import check_vjp
from genmech_fem.metrics import relative_frobenius, symmetric_matrix, upper_triangle
from genmech_fem.microstructure import PeriodicFibres, volume_fraction
from genmech_fem.problems.homogenization import periodic_elasticity
from genmech_fem.problems.physics import mandel_basis


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("degree", [1, 2])
def test_a_homogeneous_cell_has_its_own_stiffness(dimension, cell, degree):
    problem = periodic_elasticity(box(dimension, cell, 3), degree=degree)
    set_moduli(problem, youngs_modulus=10.0, poisson_ratio=0.3)
    problem.solve()
    np.testing.assert_allclose(
        symmetric_matrix(problem.observe()["stiffness"]), isotropic(10.0, 0.3, dimension), atol=1e-11
    )


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_a_laminate_is_exact(dimension, cell):
    """Layers along x: the normal stress and the tangential strain are constant."""
    domain = box(dimension, cell, 4)
    problem = periodic_elasticity(domain)
    stiff = midpoints(domain)[:, 0] < 0.5
    set_moduli(problem, youngs_modulus=np.where(stiff, 70.0, 3.5), poisson_ratio=np.where(stiff, 0.2, 0.35))
    problem.solve()
    exact = laminate(
        [isotropic(70.0, 0.2, dimension), isotropic(3.5, 0.35, dimension)],
        [i for i, e in enumerate(mandel_basis(dimension)) if e[0].any()],
    )
    np.testing.assert_allclose(symmetric_matrix(problem.observe()["stiffness"]), exact, rtol=1e-10, atol=1e-10)


def test_plane_stress():
    """A homogeneous plate, and one of layers along x."""
    E, nu = np.array([70.0, 3.5]), np.array([0.2, 0.35])
    plates = [e / (1 - v**2) * np.array([[1, v, 0], [v, 1, 0], [0, 0, 1 - v]]) for e, v in zip(E, nu, strict=True)]
    domain = box(2, "triangle", 4)
    problem = periodic_elasticity(domain, hypothesis="plane stress")
    layers = (midpoints(domain)[:, 0] > 0.5).astype(int)
    for phase, exact in ((0 * layers, plates[0]), (layers, laminate(plates, [0, 2]))):
        set_moduli(problem, youngs_modulus=E[phase], poisson_ratio=nu[phase])
        problem.solve()
        np.testing.assert_allclose(symmetric_matrix(problem.observe()["stiffness"]), exact, atol=1e-11)


def test_fibre_cells_lie_between_the_reuss_and_voigt_bounds():
    sampler = PeriodicFibres()
    model = ConformingHomogenization(refine=1)
    for i in range(4):
        phase = sampler(np.random.default_rng(i))["phase"]
        fibres = model.mesh(phase[0]).phase_fractions()[1]
        found = symmetric_matrix(model({"phase": phase})["stiffness"][0])
        C = [isotropic(m.youngs_modulus, m.poisson_ratio, 2) for m in (model.matrix, model.inclusion)]
        voigt = (1 - fibres) * C[0] + fibres * C[1]
        reuss = np.linalg.inv((1 - fibres) * np.linalg.inv(C[0]) + fibres * np.linalg.inv(C[1]))
        assert np.linalg.eigvalsh(voigt - found).min() > 0
        assert np.linalg.eigvalsh(found - reuss).min() > 0
        assert abs(fibres - volume_fraction(phase)[0]) < 0.02


def test_a_turned_cell_has_the_turned_stiffness_and_a_shifted_one_the_same():
    phase = PeriodicFibres()(np.random.default_rng(5))["phase"]
    model = ConformingHomogenization(refine=2)
    C = symmetric_matrix(model({"phase": phase})["stiffness"])[0]
    turned = symmetric_matrix(model({"phase": np.rot90(phase, axes=(1, 2))})["stiffness"])[0]
    quarter = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
    assert relative_frobenius(upper_triangle(turned), upper_triangle(quarter @ C @ quarter.T)) < 2e-3
    shifted = model({"phase": np.roll(phase, (5, 11), axis=(1, 2))})["stiffness"][0]
    assert relative_frobenius(shifted, upper_triangle(C)) < 2e-3


def test_the_mean_of_the_local_strain_is_the_unit_strain():
    model = ConformingHomogenization(resolution=48, refine=2)
    strain = model(PeriodicFibres(resolution=48)(np.random.default_rng(1)))["strain"][0]
    np.testing.assert_allclose(strain.mean(axis=(-2, -1)), np.eye(3), atol=0.03)


def test_finer_meshes_converge():
    phase = PeriodicFibres()(np.random.default_rng(2))
    found = [ConformingHomogenization(refine=r)(phase)["stiffness"][0] for r in (1, 2, 4)]
    coarse, fine = (relative_frobenius(found[i], found[i + 1]) for i in (0, 1))
    assert fine < coarse / 2
    assert fine < 2e-3


def test_gradients_of_stiffness_and_state():
    model = pixel_homogenization(6)
    moduli = {"youngs_modulus": np.random.default_rng(0).uniform(1, 20, (2, 6, 6))}
    assert check_vjp(model, moduli, np.random.default_rng(1)) == pytest.approx(2, abs=0.1)
    problem = model.problem
    generator = np.random.default_rng(2)
    c = generator.standard_normal(problem.state.x.array.size)
    c.reshape(-1, problem.loads, problem.dimension)[0] = 0.0
    E = problem.controls["youngs_modulus"].x.array
    nu = problem.controls["poisson_ratio"].x.array
    for array, name in ((E, "youngs_modulus"), (nu, "poisson_ratio")):
        problem.solve()
        slope = problem.pull_back({"state": c})[name]
        start, direction = array.copy(), generator.standard_normal(array.size) * array.mean()
        values = []
        for h in (1e-4, -1e-4):
            array[:] = start + h * direction
            values.append(c @ problem.solve().x.array)
        array[:] = start
        assert (values[0] - values[1]) / 2e-4 == pytest.approx(slope @ direction, rel=1e-5)


def test_the_residual_tells_a_solution_from_a_guess():
    problem = pixel_homogenization(8).problem
    set_moduli(problem, youngs_modulus=np.random.default_rng(0).uniform(1, 9, 64))
    state = problem.solve().x.array.copy()
    assert problem.residual_norm(state) < 1e-10
    assert problem.residual_norm(0 * state) == pytest.approx(1.0)
    assert problem.residual_norm(1.1 * state) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("E", "nu", "text"),
    [
        (0.0, 0.3, r"youngs_modulus: expected values in \(0, inf\), got 0 to 1"),
        (np.nan, 0.3, "control 'youngs_modulus': expected finite values, got NaN or infinity in 1 of 16 dofs"),
        (1.0, 0.5, r"poisson_ratio: expected values in \(-1, 0.5\), got 0.3 to 0.5"),
    ],
)
def test_bad_moduli_are_refused_and_the_next_solve_is_right(E, nu, text):
    problem = pixel_homogenization(4).problem
    set_moduli(problem, youngs_modulus=1.0, poisson_ratio=0.3)
    good = problem.solve().x.array.copy()
    problem.controls["youngs_modulus"].x.array[3] = E
    problem.controls["poisson_ratio"].x.array[3] = nu
    with pytest.raises(ValueError, match=text):
        problem.solve()
    set_moduli(problem, youngs_modulus=1.0, poisson_ratio=0.3)
    np.testing.assert_array_equal(problem.solve().x.array, good)


def test_a_mesh_that_is_not_periodic_is_refused():
    domain = box(2, "triangle", 4)
    x = domain.geometry.x
    x[(x[:, 0] == 1.0) & (x[:, 1] == 0.5), 1] += 0.03
    with pytest.raises(MeshingError, match="opposite sides of the mesh do not match: 2 points"):
        periodic_elasticity(domain)


def test_a_gradient_before_a_solution_is_refused():
    with pytest.raises(ConvergenceError, match="call solve"):
        periodic_elasticity(box(2, "triangle", 2)).pull_back({})


def test_materials_reach_their_phases():
    soft = ConformingHomogenization(resolution=8, matrix=Material(2.0, 0.3), inclusion=Material(2.0, 0.3), refine=1)
    phase = np.zeros((1, 8, 8))
    phase[:, 2:5, 2:6] = 1.0
    np.testing.assert_allclose(
        symmetric_matrix(soft({"phase": phase})["stiffness"][0]), isotropic(2.0, 0.3, 2), atol=1e-12
    )
