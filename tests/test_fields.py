import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, check, concatenate, from_json, pad, take, to_json

names = st.text(min_size=1, max_size=8)
floats = st.floats(-10, 10)
grids = st.integers(1, 3).flatmap(
    lambda d: st.builds(
        lambda shape, lower, size, at: Grid(shape, lower, tuple(a + b for a, b in zip(lower, size, strict=True)), at),
        st.tuples(*[st.integers(2, 5)] * d),
        st.tuples(*[floats] * d),
        st.tuples(*[st.floats(0.1, 5)] * d),
        st.sampled_from(["cells", "nodes"]),
    )
)
points = st.builds(Points, st.integers(1, 3), st.none() | st.integers(1, 9))
specs = st.builds(FieldSpec, names, grids | points, st.tuples() | st.tuples(st.integers(1, 3)), names) | st.builds(
    ScalarSpec, names, st.integers(1, 9), names
)


@given(specs)
def test_specs_survive_json(spec):
    assert from_json(json.loads(json.dumps(to_json(spec)))) == spec
    assert hash(from_json(to_json(spec))) == hash(spec)


@given(grids)
def test_points_of_a_grid_lie_in_its_box_in_the_order_of_ravel(grid):
    x = grid.points().reshape(*grid.shape, grid.dimension)
    inset = np.array(grid.spacing) / 2 if grid.at == "cells" else 0.0
    np.testing.assert_allclose(x[(0,) * grid.dimension], np.array(grid.lower) + inset, atol=1e-12)
    np.testing.assert_allclose(x[(-1,) * grid.dimension], np.array(grid.upper) - inset, atol=1e-12)
    assert (np.diff(x[..., 0], axis=0) > 0).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (((0, 4), (0, 0), (1, 1)), "at least 1 cell"),
        (((4, 4), (0, 0), (1,)), "one entry per axis"),
        (((4,), (1,), (0,)), "finite lower < upper"),
        (((4,), (0,), (float("nan"),)), "finite lower < upper"),
        (((1,), (0,), (1,), "nodes"), "2 nodes"),
        (((4,), (0,), (1,), "corners"), "'cells' or 'nodes'"),
    ],
)
def test_bad_grids_say_what_was_expected(arguments, text):
    with pytest.raises(ValueError, match=text):
        Grid(*arguments)


SPECS = (FieldSpec("u", Grid((2, 3), (0, 0), (1, 1)), (2,)), ScalarSpec("c", 4))
GOOD = {"u": np.zeros((5, 2, 2, 3)), "c": np.zeros((5, 4))}


def test_good_arrays_pass_and_integers_become_floats():
    checked = check({**GOOD, "c": np.ones((5, 4), dtype=int)}, SPECS)
    assert checked["c"].dtype == np.float64
    assert checked["u"].shape == (5, 2, 2, 3)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"u": np.zeros((5, 2, 3, 2))}, r"'u': expected shape \(batch, 2, 2, 3\), got \(5, 2, 3, 2\)"),
        ({"v": np.zeros(1)}, r"expected the inputs \['c', 'u'\], got \['c', 'u', 'v'\]"),
        ({"c": np.zeros((4, 4))}, "expected one batch size"),
        ({"c": np.full((5, 4), np.nan)}, "'c': expected finite numbers, sample 0"),
        ({"c": np.full((5, 4), "x")}, "expected real numbers"),
    ],
)
def test_bad_arrays_say_what_was_expected(change, text):
    with pytest.raises(ContractError, match=text):
        check({**GOOD, **change}, SPECS)


def test_fields_on_different_numbers_of_points_are_padded_with_a_mask():
    samples = [np.ones((2, 3)), np.ones((2, 5))]
    array, mask = pad(samples)
    assert array.shape == (2, 2, 5)
    assert mask.sum() == 8
    assert array.sum() == 16
    spec = FieldSpec("u", Points(2), (2,))
    checked = check({"u": array, "u.mask": mask}, (spec,))
    np.testing.assert_array_equal(checked["u"][0][:, checked["u.mask"][0]], samples[0])
    with pytest.raises(ContractError, match=r"u\.mask"):
        check({"u": array}, (spec,))
    with pytest.raises(ContractError, match=r"'u\.mask': expected \(2, 5\)"):
        check({"u": array, "u.mask": mask[:, :4]}, (spec,))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_taking_and_concatenating_are_inverse(sizes):
    whole = {"a": np.arange(sum(sizes)), "b": np.random.default_rng(0).random((sum(sizes), 2))}
    stops = np.cumsum([0, *sizes])
    parts = [take(whole, slice(a, b)) for a, b in pairwise(stops)]
    again = concatenate(parts)
    assert all((again[name] == whole[name]).all() for name in whole)


@pytest.mark.parametrize("data", [{}, {"kind": "FieldSpec"}, {"kind": "Scalar"}, {"kind": "ScalarSpec", "width": 3}])
def test_foreign_json_is_refused(data):
    with pytest.raises(ContractError, match="expected the JSON"):
        from_json(data)
