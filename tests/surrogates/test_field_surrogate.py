"""The surrogate learns a small linear map, and keeps the symmetry of the torus."""

import pytest
import torch

from genmech_fem.surrogates import FieldSurrogate
from genmech_fem.training import Recipe, TorusSymmetries, fit, load_weights, save_weights

SMALL = {"widths": (16,), "patch": 2, "hidden": 32}


def gradients(x):
    """Central differences on the torus, and the means of x and x^2."""
    field = torch.cat([x.roll(-1, axis) - x.roll(1, axis) for axis in (2, 3)], dim=1)
    return {"x": x, "field": 50 * field, "vector": torch.cat([x.mean(dim=(2, 3)), x.square().mean(dim=(2, 3))], dim=1)}


@pytest.fixture(scope="module")
def trained():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    level = torch.rand(64, 1, 1, 1, generator=generator)
    data = gradients(level + 0.3 * torch.randn(64, 1, 8, 8, generator=generator))
    data["vector"] = data["vector"][:, :1]
    torch.manual_seed(0)
    model = FieldSurrogate(1, 1, 2, **SMALL)
    symmetries = TorusSymmetries({"x": "scalar", "field": "vector", "vector": "scalar"})
    for _ in fit(model, data, Recipe(steps=300, batch_size=32, learning_rate=1e-2), augment=symmetries):
        pass
    return model


def test_a_linear_map_is_learned_in_physical_units(trained):
    generator = torch.Generator().manual_seed(9)
    data = gradients(torch.rand(32, 1, 1, 1, generator=generator) + 0.3 * torch.randn(32, 1, 8, 8, generator=generator))
    with torch.no_grad():
        vector, field = trained(data["x"])
    assert ((field - data["field"]).norm() / data["field"].norm()).item() < 0.1
    assert (vector - data["vector"][:, :1]).abs().max().item() < 0.1
    assert (vector - data["vector"][:, :1]).abs().mean().item() < 0.03


def test_the_vector_is_invariant_and_the_field_moves_along(trained):
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        vector, field = trained(x)
        moved_vector, moved_field = trained(x.roll((2, -4), (2, 3)))
    torch.testing.assert_close(moved_vector, vector, atol=1e-5, rtol=0)
    torch.testing.assert_close(moved_field, field.roll((2, -4), (2, 3)), atol=1e-3, rtol=0)


def test_a_saved_surrogate_predicts_the_same(trained, tmp_path):
    save_weights(trained, tmp_path / "surrogate.safetensors", trained.config())
    config, tensors = load_weights(tmp_path / "surrogate.safetensors")
    again = FieldSurrogate(**config)
    again.load_state_dict(tensors)
    x = torch.rand(2, 1, 8, 8)
    assert all(torch.equal(a, b) for a, b in zip(again(x), trained(x), strict=True))


def test_fine_tuning_keeps_the_normalisation(trained):
    mean = trained.x_scale.mean.clone()
    trained.prepare(gradients(torch.randn(4, 1, 8, 8) + 100))
    assert torch.equal(trained.x_scale.mean, mean)
