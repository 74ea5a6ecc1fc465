"""Structures on two scales: cell by cell against loops, both scales against closed forms and against each other."""

import numpy as np
import pytest

from genmech_fem.adapters import (
    EPOXY,
    GLASS,
    ConformingHomogenization,
    ResolvedStructure,
    assembled,
    each_cell,
    homogenized_structure,
    pixel_homogenization,
)
from genmech_fem.adapters.pixel_structure import box_mesh
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel, check_vjp
from genmech_fem.metrics import upper_triangle
from genmech_fem.microstructure import phase_from_distance, phase_grid
from genmech_fem.problems import Clamped, Roller, Traction, elasticity, lame

CELLS = Grid((3, 2), (0.0, 0.0), (3.0, 2.0))


def side(axis, place):
    return lambda x: np.isclose(x[axis], place)


def held_at_the_left(cells, force=(0.0, -1.0)):
    return Clamped(side(0, 0.0)), Traction(side(0, cells.upper[0]), force)


def guided(cells, axis):
    """Pulled along an axis, without any strain across it."""
    across = 1 - axis
    rollers = [Roller(side(axis, 0.0), axis), Roller(side(across, 0.0), across)]
    pull = (1.0, 0.0) if axis == 0 else (0.0, 1.0)
    return (*rollers, Roller(side(across, cells.upper[across]), across), Traction(side(axis, cells.upper[axis]), pull))


def isotropic(material):
    mu, lmbda = lame(material.youngs_modulus, material.poisson_ratio)
    return 2 * mu * np.eye(3) + lmbda * np.outer([1, 1, 0], [1, 1, 0])


def stiffnesses(cells, seed=0):
    """Random positive definite matrices (*cells, 3, 3)."""
    roots = np.random.default_rng(seed).normal(size=(*cells.shape, 3, 3))
    return roots @ roots.swapaxes(-1, -2) + np.eye(3)


def as_input(matrices):
    return {"stiffness": np.moveaxis(upper_triangle(matrices), -1, 0)[None]}


def test_a_model_of_each_cell_is_the_model_cell_by_cell():
    one = pixel_homogenization(4)
    many = each_cell(one, CELLS)
    moduli = np.random.default_rng(0).uniform(1.0, 5.0, (2, 4, 4, *CELLS.shape))
    found = many({"youngs_modulus": moduli})["stiffness"]
    assert many.outputs == (FieldSpec("stiffness", CELLS, (6,), "GPa"),)
    for i, j in np.ndindex(CELLS.shape):
        expected = one({"youngs_modulus": moduli[..., i, j]})["stiffness"]
        np.testing.assert_allclose(found[..., i, j], expected, rtol=1e-12)
    assert check_vjp(many, {"youngs_modulus": moduli}, np.random.default_rng(1)) == pytest.approx(2.0, abs=0.1)


def test_a_model_without_gradients_has_none_on_the_cells_either():
    double = FunctionModel(lambda a: {"y": 2 * a["x"]}, (ScalarSpec("x", 3),), (ScalarSpec("y", 3),))
    many = each_cell(double, CELLS)
    assert not hasattr(many, "vjp")
    with pytest.raises(ContractError, match=r"expected shape \(batch, 3, 3, 2\), got \(1, 3, 2, 3\)"):
        many({"x": np.zeros((1, 3, 2, 3))})


def test_isotropic_cells_are_those_of_isotropic_elasticity():
    conditions = held_at_the_left(CELLS)
    problem = elasticity(box_mesh(Grid((6, 4), CELLS.lower, CELLS.upper)), conditions, degree=2)
    problem.controls["youngs_modulus"].x.array[:] = GLASS.youngs_modulus
    problem.controls["poisson_ratio"].x.array[:] = GLASS.poisson_ratio
    problem.solve()
    found = homogenized_structure(CELLS, conditions)(as_input(np.tile(isotropic(GLASS), (*CELLS.shape, 1, 1))))
    assert found["compliance"][0, 0] == pytest.approx(problem.observe()["compliance"][0], rel=1e-9)


@pytest.mark.parametrize("axis", [0, 1])
def test_guided_cells_in_a_row_are_springs_in_a_row(axis):
    layers = np.array([2.0, 5.0, 11.0])[: CELLS.shape[axis]]
    moduli = np.broadcast_to(np.expand_dims(layers, 1 - axis), CELLS.shape)
    other = np.array([[0.0, 0.3, 0.0], [0.3, 0.0, 0.0], [0.0, 0.0, 0.7]])
    found = homogenized_structure(CELLS, guided(CELLS, axis))(
        as_input(other + moduli[..., None, None] * np.diag([1.0, 1.0, 0.0]))
    )
    expected = CELLS.upper[1 - axis] * (1 / layers).sum()
    assert found["compliance"][0, 0] == pytest.approx(expected, rel=1e-9)


def test_a_structure_and_its_mirror_image_at_the_diagonal_are_equally_stiff():
    square = Grid((3, 3), (0.0, 0.0), (3.0, 3.0))
    C, swap = stiffnesses(square), [1, 0, 2]
    mirrored = C.swapaxes(0, 1)[..., swap, :][..., swap]
    turned = Clamped(side(1, 0.0)), Traction(side(1, 3.0), (-1.0, 0.5))
    one = homogenized_structure(square, held_at_the_left(square, (0.5, -1.0)))(as_input(C))
    two = homogenized_structure(square, turned)(as_input(mirrored))
    assert one["compliance"] == pytest.approx(two["compliance"], rel=1e-9)


def test_the_compliance_has_the_right_gradient():
    structure = homogenized_structure(CELLS, held_at_the_left(CELLS))
    order = check_vjp(structure, as_input(stiffnesses(CELLS)), np.random.default_rng(0))
    assert order == pytest.approx(2.0, abs=0.05)


def test_cells_are_put_where_they_belong():
    phases = np.random.default_rng(0).uniform(size=(2, 5, 4, *CELLS.shape))
    image = assembled(phases)
    assert image.shape == (2, 15, 8)
    for i, j in np.ndindex(CELLS.shape):
        np.testing.assert_array_equal(image[:, 5 * i : 5 * i + 5, 4 * j : 4 * j + 4], phases[..., i, j])


@pytest.mark.parametrize("axis", [0, 1])
def test_resolved_layers_are_springs_in_a_row(axis):
    resolved = ResolvedStructure(CELLS, 8, guided(CELLS, axis))
    phases = np.zeros((1, 8, 8, *CELLS.shape))
    np.moveaxis(phases, 3 + axis, 0)[-1] = 1.0  # the last layer of cells
    found = resolved({"phase": phases})
    layers = CELLS.shape[axis]
    soft, stiff = isotropic(EPOXY)[0, 0], isotropic(GLASS)[0, 0]
    expected = CELLS.upper[1 - axis] * ((layers - 1) / soft + 1 / stiff)
    assert found["compliance"][0, 0] == pytest.approx(expected, rel=1e-6)
    assert found["volume"][0, 0] == pytest.approx(1 / layers, rel=1e-9)


@pytest.mark.parametrize("turned", [False, True])
def test_homogenised_stripes_foretell_the_resolved_ones_the_better_the_smaller_the_cells(turned):
    x, y = phase_grid(8).points().T.reshape(2, 8, 8)
    phase = phase_from_distance(np.abs((x + y) % 1 - 0.5) / np.sqrt(2) - 0.15, 1 / 8)
    phase = phase[:, ::-1] if turned else phase  # by a fifth stiffer under this load
    errors = []
    for half in (2, 4):
        cells = Grid((2 * half, half), (0.0, 0.0), (2.0, 1.0))
        conditions = held_at_the_left(cells, (1.0, 0.25))
        stiffness = ConformingHomogenization(8)({"phase": phase[None]})["stiffness"][0]
        found = homogenized_structure(cells, conditions)(
            {"stiffness": np.tile(stiffness[None, :, None, None], (1, 1, *cells.shape))}
        )
        phases = np.tile(phase[None, :, :, None, None], (1, 1, 1, *cells.shape))
        truth = ResolvedStructure(cells, 8, conditions, refine=2)({"phase": phases})
        errors.append(abs(found["compliance"][0, 0] / truth["compliance"][0, 0] - 1))
    assert errors[1] < 0.6 * errors[0]
    assert errors[1] < 0.05


def test_what_cannot_be_a_structure_is_refused():
    solid = Grid((2, 2, 2), (0.0,) * 3, (1.0,) * 3)
    with pytest.raises(ContractError, match="cells: expected a Grid of cells in 2D, got Grid"):
        homogenized_structure(solid, ())
    with pytest.raises(ContractError, match="cells: expected a Grid of cells in 2D, got Grid"):
        ResolvedStructure(solid, 8, ())
    with pytest.raises(ValueError, match="expected at least one load, as Traction"):
        homogenized_structure(CELLS, (Clamped(side(0, 0.0)),))
    with pytest.raises(ValueError, match="expected at least one load, as Traction"):
        ResolvedStructure(CELLS, 8, (Clamped(side(0, 0.0)),))


def test_a_stiffness_that_is_not_positive_definite_is_refused():
    C = np.tile(np.eye(3), (*CELLS.shape, 1, 1))
    C[1, 1, 0, 1] = C[1, 1, 1, 0] = 1.5
    with pytest.raises(ValueError, match="sample 0: .*second minor"):
        homogenized_structure(CELLS, held_at_the_left(CELLS))(as_input(C))
