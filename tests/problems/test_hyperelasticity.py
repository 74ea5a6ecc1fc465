"""Neo-Hookean solids: closed forms, the linear limit, work and energy, the adjoint, load steps."""

import numpy as np
import pytest
import ufl
from dolfinx import fem

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems import (
    Newton,
    VariationalProblem,
    extension_energies,
    lame,
    neo_hookean,
    set_pixels,
    solve_at_load,
    uniaxial_extension,
)


def modulus(generator, shape=(4, 4)):
    return generator.uniform(1.0, 10.0, shape)


def block(generator, displacement=1.0):
    problem = uniaxial_extension((4, 4))
    set_pixels(problem.controls["youngs_modulus"], modulus(generator))
    problem.controls["displacement"].value = displacement
    problem.solve()
    return problem


def test_density_of_a_known_deformation():
    mu, lmbda = lame(2.0, 0.25)
    assert (mu, lmbda) == pytest.approx((0.8, 0.8))
    F = np.array([[1.5, 0.2], [0.1, 0.9]])
    J = np.linalg.det(F)
    expected = mu / 2 * ((F**2).sum() + 1 - 3 - 2 * np.log(J)) + lmbda / 2 * ((J**2 - 1) / 2 - np.log(J))
    assert float(neo_hookean(ufl.as_matrix(F.tolist()), mu, lmbda)) == pytest.approx(expected, rel=1e-14)


def test_linear_limit():
    """For small d the energy is that of linear elasticity, with an error of order d."""
    problem = uniaxial_extension((4, 4))
    E = problem.controls["youngs_modulus"]
    set_pixels(E, modulus(np.random.default_rng(1)))
    state = problem.state
    u, v = fem.Function(state.function_space), ufl.TestFunction(state.function_space)
    mu, lmbda = lame(E, 0.3)
    eps = ufl.sym(ufl.grad(u))
    dx = ufl.dx(metadata={"quadrature_degree": 4})
    energy = (mu * ufl.inner(eps, eps) + lmbda / 2 * ufl.tr(eps) ** 2) * dx
    controls = {"youngs_modulus": E, "displacement": problem.controls["displacement"]}
    linear = VariationalProblem(
        ufl.derivative(energy, u, v), u, controls=controls, bcs=problem._bcs, observables={"energy": energy}
    )
    differences = []
    for d in (1e-2, 1e-3):
        problem.controls["displacement"].value = d
        problem.solve()
        linear.solve()
        differences.append(problem.observe()["strain_energy"][0] / linear.observe()["energy"][0] - 1)
    assert abs(differences[1]) < 2e-3
    assert differences[0] / differences[1] == pytest.approx(10.0, rel=0.05)


def test_reaction_is_the_derivative_of_the_energy(generator):
    """dW/dd by pull_back equals the central difference of the energies, and the energy the work."""
    problem = block(generator, 0.0)
    load, points = problem.controls["displacement"], (np.polynomial.legendre.leggauss(4)[0] + 1) / 2
    forces = []
    for point in points:
        solve_at_load(problem, load, 2.0 * point)
        forces.append(problem.pull_back({"strain_energy": np.ones(1)})["displacement"][0])
    solve_at_load(problem, load, 2.0)
    work = float(np.polynomial.legendre.leggauss(4)[1] @ forces)  # interval of length 2, weights sum up to 2
    assert problem.observe()["strain_energy"][0] == pytest.approx(work, rel=1e-6)


@pytest.mark.parametrize("observed", ["state", "strain_energy"])
def test_taylor(taylor_order, generator, observed):
    problem = block(generator)
    problem._newton = Newton(tolerance=1e-13)  # the remainders are small
    cotangents = {observed: generator.standard_normal(problem.observe()[observed].shape)}
    for names in (["youngs_modulus"], ["displacement"]):
        order = taylor_order(problem, cotangents, generator, names=names, steps=(4e-3, 2e-3, 1e-3))
        assert order == pytest.approx(2.0, abs=0.1)


def test_energy_gradient_needs_no_adjoint(generator):
    """The energy is stationary, so dW/dE_e is the energy of the cell divided by E_e."""
    problem = block(generator)
    E = problem.controls["youngs_modulus"]
    gradient = problem.pull_back({"strain_energy": np.ones(1)})["youngs_modulus"]
    assert gradient @ E.x.array == pytest.approx(problem.observe()["strain_energy"][0], rel=1e-9)
    assert (gradient > 0).all()


def test_pixels_stay_where_they_are():
    control = uniaxial_extension((3, 2), refine=(2, 2)).controls["youngs_modulus"]
    set_pixels(control, np.arange(6.0).reshape(3, 2))
    x, y = control.function_space.tabulate_dof_coordinates()[:, :2].T
    np.testing.assert_array_equal(control.x.array, 2 * np.floor(x) + np.floor(y))
    with pytest.raises(ValueError, match=r"expected the pixels, shape \(3, 2\), got \(2, 3\)"):
        set_pixels(control, np.ones((2, 3)))


def test_an_inverted_element_has_no_residual(generator):
    problem = block(generator)
    state = problem.observe()["state"]
    assert problem.residual_norm(state) < 1e-9
    assert problem.residual_norm(-10 * state) == np.inf


def test_the_load_step_is_halved(generator):
    problem, reference = (uniaxial_extension((4, 4), refine=(1, 1)) for _ in range(2))
    reference.controls["displacement"].value = 3.0
    expected = reference.solve().x.array
    problem._newton = Newton(iterations=4)
    load = problem.controls["displacement"]
    with pytest.raises(ConvergenceError):
        solve_at_load(problem, load, 3.0, halvings=0)
    assert load.value == 0.0
    assert not problem.state.x.array.any()
    solve_at_load(problem, load, 3.0)
    assert load.value == 3.0
    np.testing.assert_allclose(problem.state.x.array, expected, atol=1e-9)


def test_a_failure_leaves_the_last_good_state(generator):
    problem = uniaxial_extension((4, 4))
    E = modulus(generator)
    with pytest.raises(ConvergenceError, match="smaller steps"):
        extension_energies(problem, E, [1.0, -4.1])  # flatter than nothing
    assert -4.0 < problem.controls["displacement"].value <= 1.0
    first = extension_energies(problem, E, [0.0, 1.0])
    fresh = extension_energies(uniaxial_extension((4, 4)), E, [0.0, 1.0])
    np.testing.assert_allclose(first, fresh, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match="expected positive, finite values"):
        extension_energies(problem, 0 * E, [1.0])
