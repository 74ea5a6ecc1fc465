"""Normalisation: zero mean, unit deviation, and back."""

import pytest
import torch

from genmech_fem.training import Normalizer


@pytest.mark.parametrize("grid", [(), (4, 5)])
def test_normalised_data_have_zero_mean_and_unit_deviation(grid):
    noise = torch.randn(50, 3, *grid, generator=torch.Generator().manual_seed(0))
    x = noise * torch.tensor([1e-3, 1.0, 1e6]).reshape(3, *[1] * len(grid)) + 7.0
    normalizer = Normalizer(3)
    assert not normalizer.fitted
    z = normalizer.fit(x).normalize(x)
    axes = [0, *range(2, x.ndim)]
    torch.testing.assert_close(z.mean(dim=axes), torch.zeros(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(z.std(dim=axes, correction=0), torch.ones(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(normalizer.denormalize(z), x, rtol=1e-5, atol=1e-5)
    assert normalizer.fitted


def test_bad_data_are_refused():
    with pytest.raises(ValueError, match=r"channels \[1\] are constant"):
        Normalizer(2).fit(torch.stack([torch.arange(5.0), torch.full((5,), 0.1)], dim=1))
    with pytest.raises(ValueError, match=r"expected \(samples, 2, ...\) values, got \(5, 3\)"):
        Normalizer(2).fit(torch.zeros(5, 3))
    with pytest.raises(ValueError, match="expected finite values"):
        Normalizer(1).fit(torch.full((3, 1), torch.nan))


def test_before_the_fit_everything_is_nan():
    assert Normalizer(1).normalize(torch.zeros(1, 1)).isnan().all()
