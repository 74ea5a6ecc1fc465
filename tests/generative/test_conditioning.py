"""Conditions: what fits is encoded, what does not is named, and what lies outside the training data is warned of."""

import pytest
import torch

from genmech_fem.generative import GAN, Architecture, Diffusion
from genmech_fem.generative.condition import Conditioning


def scalars():
    conditioning = Conditioning(("scalars", 2), "Model")
    conditioning.fit(torch.tensor([[0.0, 10.0], [2.0, 30.0]]))
    return conditioning


def test_numbers_are_normalised_and_one_may_stand_for_all():
    conditioning = scalars()
    found = conditioning.encode(conditioning.check(torch.tensor([1.0, 30.0]), 3))
    torch.testing.assert_close(found, torch.tensor([[0.0, 1.0]]).expand(3, 2))
    assert (conditioning.features, conditioning.channels, conditioning.config) == (2, 0, ["scalars", 2])


def test_classes_become_one_hot():
    conditioning = Conditioning(("class", 3), "Model")
    conditioning.fit(torch.tensor([0, 1, 2]))
    assert conditioning.encode(conditioning.check(torch.tensor([2, 0]), 2)).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert conditioning.encode(conditioning.check(torch.tensor(1), 2)).tolist() == [[0, 1, 0], [0, 1, 0]]


def test_fields_are_channels():
    conditioning = Conditioning(("field", 1), "Model")
    values = torch.arange(8.0).reshape(2, 1, 2, 2)
    conditioning.fit(values)
    torch.testing.assert_close(conditioning.encode(values).mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert (conditioning.features, conditioning.channels) == (0, 1)
    assert conditioning.check(values[:1], 5).shape == (5, 1, 2, 2)


def test_a_condition_outside_the_training_range_is_warned_of():
    with pytest.warns(UserWarning, match=r"entry 1 of the condition is outside its training range \[10, 30\]"):
        scalars().check(torch.tensor([1.0, 31.0]), 1)


def test_the_warning_tells_the_line_that_asked_for_the_samples():
    model = GAN((1, 8, 8), 2, ("scalars", 1), network=Architecture((8,), patch=1))
    model.prepare({"x": torch.rand(4, 1, 8, 8), "condition": torch.rand(4, 1)})
    with pytest.warns(UserWarning, match="outside its training range") as found:
        model.sample(1, condition=torch.tensor([2.0]), generator=torch.Generator())
    assert [warning.filename for warning in found] == [__file__]


@pytest.mark.parametrize(
    ("condition", "given", "text"),
    [
        (("scalars", 2), None, r"expected a condition of shape \(3, 2\), got None"),
        (("scalars", 2), torch.zeros(2, 2), r"expected a condition of shape \(3, 2\), got \(2, 2\)"),
        (("scalars", 2), torch.zeros(3, 4), r"expected a condition of shape \(3, 2\), got \(3, 4\)"),
        (None, torch.zeros(3, 2), r"expected a condition None, got one of shape \(3, 2\)"),
        (("class", 2), torch.tensor([0, 1, 2]), r"with classes 0 to 1, got classes \[0, 1, 2\]"),
        (("class", 2), torch.zeros(3), "with classes 0 to 1, got .*float32"),
        (("field", 1), torch.zeros(3, 2, 4, 4), r"\(3, 1, \*grid\), got \(3, 2, 4, 4\)"),
    ],
)
def test_what_does_not_fit_is_named(condition, given, text):
    with pytest.raises(ValueError, match=text):
        Conditioning(condition, "Model").check(given, 3)


def test_unknown_kinds_are_refused():
    for bad in (("vector", 2), ("scalars", 0), ("scalars", 1.5)):
        with pytest.raises(ValueError, match=r"Model.condition: expected None or \(kind, size >= 1\) with a kind of"):
            Conditioning(bad, "Model")
    with pytest.raises(ValueError, match="with a kind of scalars, class, got"):
        Conditioning(("field", 1), "Model", kinds=("scalars", "class"))
    with pytest.raises(ValueError, match="expected the training data to hold 'condition' of kind scalars"):
        Conditioning(("scalars", 1), "Model").fit(None)


def test_training_data_of_another_grid_are_refused():
    model = Diffusion((1, 8, 8), network=Architecture(widths=(8,)))
    with pytest.raises(ValueError, match=r"Diffusion: expected samples of shape \(n, 1, 8, 8\), got \(4, 1, 16, 16\)"):
        model.prepare({"x": torch.randn(4, 1, 16, 16)})
