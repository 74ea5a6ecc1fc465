"""Structures solved by scikit-fem against DOLFINx, beam theory and published compliances."""

import numpy as np
import pytest
from genmech_skfem import cantilever, mbb_beam, pixel_basis, pixel_structure
from skfem import ElementQuad1, ElementVector

from genmech_fem import adapters
from genmech_fem.design import Densities, DensityFilter, SensitivityFilter, topology_optimization
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import Grid


@pytest.fixture(scope="module")
def plate():
    """A basis on 4 x 3 cells of a box that is not at the origin."""
    return pixel_basis(Grid((4, 3), (1.0, 2.0), (2.0, 2.6)), ElementVector(ElementQuad1()))


@pytest.mark.parametrize(
    ("own", "other"),
    [(mbb_beam(7, 5), adapters.mbb_beam(7, 5)), (cantilever((8, 6), 0.4), adapters.cantilever((8, 6), 0.4))],
)
def test_specs_answers_and_gradients_are_those_of_dolfinx(own, other):
    generator = np.random.default_rng(0)
    moduli = {"youngs_modulus": generator.uniform(0.01, 1, (3, *own.inputs[0].shape))}
    weights = {"compliance": generator.standard_normal((3, 1))}
    assert (own.inputs, own.outputs) == (other.inputs, other.outputs)
    np.testing.assert_allclose(own(moduli)["compliance"], other(moduli)["compliance"], rtol=1e-11)
    slopes = [model.vjp(moduli, weights)["youngs_modulus"] for model in (own, other)]
    np.testing.assert_allclose(*slopes, rtol=1e-9, atol=1e-11 * np.abs(slopes[1]).max())


def test_displacements_and_their_gradients_are_those_of_dolfinx():
    own, other = (build(6, 4, outputs=("displacement", "compliance")) for build in (mbb_beam, adapters.mbb_beam))
    generator = np.random.default_rng(1)
    moduli = {"youngs_modulus": generator.uniform(0.1, 1, (2, 6, 4))}
    assert own.outputs == other.outputs
    found, wanted = own(moduli)["displacement"], other(moduli)["displacement"]
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max())
    weights = {"displacement": generator.standard_normal(found.shape), "compliance": np.ones((2, 1))}
    slopes = [model.vjp(moduli, weights)["youngs_modulus"] for model in (own, other)]
    np.testing.assert_allclose(*slopes, rtol=1e-9, atol=1e-11 * np.abs(slopes[1]).max())


@pytest.mark.parametrize(("kind", "published"), [(SensitivityFilter, 216.81), (DensityFilter, 233.71)])
def test_the_same_design_loop_takes_the_same_path_to_the_published_compliance(kind, published):
    """The half MBB beam of Andreassen et al. (2011): 60 x 20, volume 0.5, radius 2.4, penalty 3."""
    densities = Densities(kind(Grid((60, 20), (0, 0), (60, 20)), 2.4))
    own = topology_optimization(mbb_beam(), densities, 0.5, iterations=300)
    other = topology_optimization(adapters.mbb_beam(), densities, 0.5, iterations=80)
    np.testing.assert_allclose(own.history[:80], other.history, rtol=1e-8)
    assert own.message == "no variable changed by more than 0.01"
    assert own.value == pytest.approx(published, abs=0.05)


def test_a_full_cantilever_bends_as_a_timoshenko_beam():
    theory = 4 * (60 / 10) ** 3 + 1.2 * 2.6 * 60 / 10
    found = cantilever((60, 10), 0.2)({"youngs_modulus": np.ones((1, 60, 10))})["compliance"].item()
    assert found == pytest.approx(theory, rel=0.01)


def test_load_cases_are_solved_side_by_side(plate):
    """Tension along each axis of a plate on rollers: the strain is uniform, so that the answer is exact."""
    (x, y), (along, across), nu = plate.mesh.p, plate.nodal_dofs, 0.25
    fixed = np.append(along[x == 1.0], across[y == 2.0])
    loads = np.zeros((2, plate.N))
    for load, dofs, place, end in ((loads[0], along, x, 2.0), (loads[1], across, y, y.max())):
        side = place == end
        tributary = np.where(np.isin(x, (1.0, 2.0)) & np.isin(y, (2.0, y.max())), 0.5, 1.0)[side]
        load[dofs[side]] = tributary / tributary.sum()
    model = pixel_structure(plate, fixed, loads, poisson_ratio=nu, outputs=("compliance", "displacement"))
    found = model({"youngs_modulus": np.full((1, 4, 3), 2.0)})
    np.testing.assert_allclose(found["compliance"], [[1.0 / (2 * 0.6), 0.6 / 2]], rtol=1e-12)  # length/(E width)
    u = found["displacement"][0]
    assert u.shape == (2, 2, 5, 4)
    np.testing.assert_allclose(u[0, 1, 0], -nu * (np.linspace(0, 0.6, 4)) / (2 * 0.6), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(u[1, 0, :, 0], -nu * np.linspace(0, 1, 5) / 2, rtol=1e-10, atol=1e-14)


def test_settings_that_do_not_fit_are_named(plate):
    held, load = plate.nodal_dofs[:, :4].ravel(), np.eye(1, plate.N, plate.N - 1)
    with pytest.raises(ValueError, match=r"expected outputs among \('compliance', 'displacement'\).* got \['stress'\]"):
        pixel_structure(plate, held, load, outputs=("stress",))
    with pytest.raises(ValueError, match=r"Poisson's ratio in \(-1, 1\), got .* and 1.0"):
        pixel_structure(plate, held, load, poisson_ratio=1.0)
    with pytest.raises(ContractError, match="hold the body in x, y and rotation"):
        pixel_structure(plate, plate.nodal_dofs[0, :4], load)
    with pytest.raises(ContractError, match="expected dofs from 0 to 39"):
        pixel_structure(plate, [*held, 40], load)
    with pytest.raises(ContractError, match=r"loads: expected finite forces \(cases, 40\), none of them 0, got \(1, 3"):
        pixel_structure(plate, held, np.ones(3))
    with pytest.raises(ContractError, match="none of them 0"):
        pixel_structure(plate, held, np.zeros(plate.N))
    with pytest.raises(ContractError, match=r"expected pixel_basis.*12 cells and 20 dofs of ElementQuad1"):
        pixel_structure(pixel_basis(Grid((4, 3), (0, 0), (4, 3))), held, load)
    with pytest.raises(ValueError, match="expected a grid of cells in 2D"):
        pixel_basis(Grid((2, 2, 2), (0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError, match="patch: expected a share of the height that holds the middle of a cell"):
        cantilever((6, 4), 0.01)


def test_a_modulus_too_far_from_the_others_does_not_pass_silently(plate):
    """Cells of 1e-40 beside cells of 1: the matrix is singular in double precision."""
    model = pixel_structure(plate, plate.nodal_dofs[:, :4].ravel(), np.eye(1, plate.N, plate.N - 1))
    moduli = np.ones((2, 4, 3))
    moduli[1, 1:3] = 1e-40
    with pytest.raises(ConvergenceError, match=r"sample 1: SuperLU: .*: check that the body is held"):
        model({"youngs_modulus": moduli})
