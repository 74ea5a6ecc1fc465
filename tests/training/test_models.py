"""Models on disk: everything comes back, and a file that does not fit gives one clear line."""

import pytest
import torch

from genmech_fem.errors import ContractError
from genmech_fem.generative import Architecture, Diffusion, FlowMatching
from genmech_fem.training import Recipe, fit, load_model, save_model, save_weights, training_record

SMALL = Architecture(widths=(8, 16), patch=1)


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(8, 1, 8, 8, generator=generator), "condition": torch.rand(8, 2, generator=generator)}


def trained(data):
    torch.manual_seed(0)
    model = Diffusion((1, 8, 8), ("scalars", 2), network=SMALL, sampler=("ddpm", 4), prediction="x0")
    list(fit(model, data, Recipe(steps=2, batch_size=4)))
    return model


def test_a_model_comes_back_with_its_notes(tmp_path):
    data = batch()
    model, record = trained(data), training_record(data, Recipe(steps=2, batch_size=4))
    save_model(model, tmp_path / "m.safetensors", record)
    again, notes = load_model(tmp_path / "m.safetensors")
    assert notes == record
    assert record["data"] != training_record(batch(1), Recipe(steps=2))["data"]
    draws = [
        m.sample(3, condition=data["condition"][:3], generator=torch.Generator().manual_seed(2)) for m in (model, again)
    ]
    assert torch.equal(*draws)
    assert not again.training


def test_files_that_do_not_fit_say_why(tmp_path):
    path, model = tmp_path / "m.safetensors", FlowMatching((1, 8, 8), network=SMALL)
    save_weights(model, path, {"model": "Oracle", "arguments": {}})
    with pytest.raises(ContractError, match=r"holds the model 'Oracle'; expected one of .*Diffusion, .*FlowMatching"):
        load_model(path)
    save_weights(model, path, {"model": "FlowMatching", "arguments": {**model.config(), "shape": [2, 8, 8]}})
    with pytest.raises(ContractError, match="its weights do not fit FlowMatching .*size mismatch"):
        load_model(path)
    save_weights(model, path, {"model": "FlowMatching", "arguments": {"colour": "red"}})
    with pytest.raises(ContractError, match="unexpected keyword argument 'colour'"):
        load_model(path)


def test_a_foreign_network_is_given_again(tmp_path):
    class Foreign(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x, t, condition):
            return self.layer(x) * t[:, None, None, None]

    torch.manual_seed(0)
    model = FlowMatching((1, 8, 8), network=Foreign())
    list(fit(model, {"x": batch()["x"]}, Recipe(steps=2, batch_size=4)))
    save_model(model, tmp_path / "m.safetensors")
    with pytest.raises(ContractError, match="give the foreign network if it had one"):
        load_model(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors", network=Foreign())[0]
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    assert torch.equal(model.sample(2, generator=seeds[0]), again.sample(2, generator=seeds[1]))
