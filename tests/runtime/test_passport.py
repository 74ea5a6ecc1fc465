"""The passport of a model file: ranges against direct counts, JSON both ways, errors that name the entry."""

import json

import numpy as np
import pytest

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, pad
from genmech_fem.runtime import Domain, Passport

FIELD = FieldSpec("k", Grid((6, 8), (0, 0), (1, 1)), (2,))


def fields(count, seed=0):
    return np.random.default_rng(seed).uniform(1.0, 3.0, (count, 2, 6, 8))


def test_the_domain_of_a_field_is_its_box_and_the_quantiles_of_its_moments():
    x = fields(200)
    domain = Domain.of(x, FIELD)
    np.testing.assert_allclose(domain.low, x.min((0, 2, 3)))
    np.testing.assert_allclose(domain.high, x.max((0, 2, 3)))
    np.testing.assert_allclose(domain.mean, np.quantile(x.mean((2, 3)), (0.01, 0.99), axis=0).T)
    np.testing.assert_allclose(domain.std, np.quantile(x.std((2, 3)), (0.01, 0.99), axis=0).T)
    share = (domain.outside(x, FIELD) > 0).mean()
    assert 0.03 < share < 0.10  # two channels, two statistics, two tails of 1 %


def test_samples_outside_are_measured_in_widths_of_the_range_they_leave():
    low, high = np.full((2, 2, 6, 8), 1.0), np.full((2, 2, 6, 8), 3.0)
    domain = Domain((1.0, 1.0), (3.0, 3.0))
    x = np.concatenate([low, high])
    x[1, 1, 2, 3] = 4.0
    x[2, 0, 0, 0] = -3.0
    np.testing.assert_allclose(domain.outside(x, FIELD), [0, 0.5, 2.0, 0], atol=1e-5)


def test_a_field_that_is_inside_the_box_but_too_smooth_is_outside():
    domain = Domain.of(fields(100), FIELD)
    assert domain.outside(np.full((1, 2, 6, 8), 2.0), FIELD)[0] > 1


def test_a_range_without_width_counts_by_its_magnitude_and_forgives_the_rounding_of_float32():
    spec = ScalarSpec("p", 2)
    domain = Domain.of(np.array([[0.1, 0.0], [0.1, 0.0]]), spec)
    asked = np.array([[0.1, 0.0], [np.float32(0.1), 0.0], [0.2, 0.0], [0.1, 0.5]])
    np.testing.assert_allclose(domain.outside(asked, spec), [0, 0, 1, 0.5], rtol=1e-5)


def test_padding_does_not_count_where_samples_differ_in_size():
    spec = FieldSpec("x", Points(2), ())
    x, mask = pad([np.linspace(2, 3, 5), np.linspace(2, 3, 9)])
    domain = Domain.of(x, spec, mask)
    assert (domain.low, domain.high) == ((2.0,), (3.0,))
    assert (domain.outside(x, spec, mask) < 0.02).all()  # quantiles of two samples lie between them
    assert domain.outside(x, spec)[0] > 1


def test_json_goes_both_ways():
    passport = Passport(
        domain={"k": Domain.of(fields(9), FIELD)},
        metrics={"surrogate": {"median": 0.01}, "coarse FE": {"median": 0.06}},
        mesh="Q1 on 64 x 64",
        label_error=0.006,
        form="div(k grad u) = 1",
        data="abc",
        seeds=(0, 1),
        versions={"torch": "2"},
        conformal={"level": 0.9, "radius": 0.03},
    )
    assert Passport.from_json(json.loads(json.dumps(passport.to_json()))) == passport
    assert Passport.from_json({}) == Passport()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"other": 1}, r"unknown entries \['other'\]"),
        ([], "expected a mapping"),
        (
            {"metrics": {"surrogate": {"median": float("nan")}}},
            r"metrics\['surrogate'\]\['median'\]: expected a finite",
        ),
        ({"metrics": {"surrogate": 3}}, r"metrics\['surrogate'\]: expected a mapping"),
        ({"mesh": 3}, "mesh: expected text"),
        ({"label_error": -1}, "label_error: expected a number >= 0"),
        ({"seeds": [1.5]}, "seeds: expected whole numbers"),
        ({"versions": {"torch": 2}}, r"versions\['torch'\]: expected text"),
        ({"conformal": {"level": 2, "radius": 1}}, "0 < level < 1"),
        ({"conformal": {"level": 0.9}}, "expected level and radius"),
        ({"domain": {"k": {"low": [1.0]}}}, r"domain\['k'\]"),
        ({"domain": {"k": {"low": [2.0], "high": [1.0]}}}, r"domain\['k'\].*low <= high"),
        ({"domain": {"k": {"low": ["a"], "high": [1.0]}}}, "expected a finite number, got 'a'"),
        ({"domain": {"k": {"low": [0], "high": [1], "mean": [[1, 0]]}}}, "pairs low <= high"),
        ({"domain": {"k": {"low": [0], "high": [1], "mean": [3]}}}, r"domain\['k'\]"),
    ],
)
def test_a_bad_entry_is_named(data, words):
    with pytest.raises(ContractError, match=words):
        Passport.from_json(data)


def test_samples_of_other_channels_are_refused():
    with pytest.raises(ContractError, match="expected 'k' of 1 channels, got 2"):
        Domain((0.0,), (1.0,)).outside(fields(1), FIELD)
    with pytest.raises(ContractError, match="expected shape"):
        Domain.of(fields(3)[:, 0], FIELD)
    with pytest.raises(ContractError, match="at least one sample"):
        Domain.of(fields(0), FIELD)
