"""Weights on disk: a round trip, and one clear line for a bad file."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genmech_fem.errors import ContractError
from genmech_fem.training import load_weights, save_weights


def test_round_trip_and_no_litter(tmp_path):
    model, path = nn.Linear(2, 3), tmp_path / "deep" / "model.safetensors"
    save_weights(model, path, {"widths": [8, 16], "name": "Ü"})
    save_weights(model, path, {"widths": [8, 16], "name": "Ü"})
    config, tensors = load_weights(path)
    assert config == {"widths": [8, 16], "name": "Ü"}
    assert all(torch.equal(tensors[name], tensor) for name, tensor in model.state_dict().items())
    assert list(path.parent.iterdir()) == [path]


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(nn.Linear(2, 3), path, {})
    whole = path.read_bytes()
    for bad in (whole[:-4], whole[:20], b"", b"not a model"):
        path.write_bytes(bad)
        with pytest.raises(ContractError, match="expected a whole safetensors file"):
            load_weights(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ContractError, match="written by genmech_fem"):
        load_weights(path)
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "nothing")


def test_a_config_that_is_not_json_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(nn.Linear(1, 1), path, {"old": 1})
    with pytest.raises(TypeError):
        save_weights(nn.Linear(1, 1), path, {"new": torch.zeros(1)})
    assert load_weights(path)[0] == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]
