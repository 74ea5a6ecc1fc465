"""Weights on disk: a round trip, and one clear line for a bad file."""

import subprocess
import sys

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
    (fresh := tmp_path / "fresh").touch()
    assert path.stat().st_mode == fresh.stat().st_mode  # others may read it where they may read any new file
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


def test_a_disk_that_fills_up_is_an_error_and_keeps_the_old_file(tmp_path):
    """A limit on the size of files stands for the full disk."""
    script = f"""
import resource
from pathlib import Path
from torch import nn
from genmech_fem.training import save_weights
path = Path({str(tmp_path)!r}) / "weights.safetensors"
save_weights(nn.Linear(2, 2), path, {{}})
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
save_weights(nn.Linear(90, 90), path, {{}})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr
    assert "cannot be written" in done.stderr
    assert load_weights(tmp_path / "weights.safetensors")[1]["weight"].shape == (2, 2)
    assert len(list(tmp_path.iterdir())) == 1
