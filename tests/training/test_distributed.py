"""Two processes that share the parts of a batch: the same weights as one process with the whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genmech_fem.generative import Architecture, FlowMatching
from genmech_fem.training import Recipe, fit, load_model, save_model

HERE = Path(__file__)


def model_and_data(seed):
    torch.manual_seed(seed)
    model = FlowMatching((1, 8, 8), network=Architecture(widths=(8,), patch=2))
    return model, {"x": torch.randn(24, 1, 8, 8, generator=torch.Generator().manual_seed(1))}


def train(folder, seed=0, recipe=None):
    model, data = model_and_data(seed)
    recipe = recipe or Recipe(steps=8, batch_size=8, parts=2, save_every=4)
    for _ in fit(model, data, recipe, checkpoint=folder / "run", log=folder / "log.jsonl"):
        pass
    return model


def in_two_processes(folder, *words):
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *launch, HERE, folder, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    run = in_two_processes(tmp_path)
    assert run.returncode == 0, run.stderr
    (tmp_path / "alone").mkdir()
    alone, shared = train(tmp_path / "alone"), load_model(tmp_path / "model.safetensors")[0]
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], tensor, rtol=1e-5, atol=1e-6, msg=name)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 8


def test_processes_that_cannot_share_a_batch_say_so(tmp_path):
    run = in_two_processes(tmp_path, "one part")
    assert "fit: expected a multiple of the 2 processes as Recipe.parts, got 1" in run.stderr


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    one_part = Recipe(steps=8, batch_size=8) if len(sys.argv) > 2 else None
    trained = train(Path(sys.argv[1]), seed=rank, recipe=one_part)
    if rank == 0:
        save_model(trained, Path(sys.argv[1]) / "model.safetensors")
    torch.distributed.destroy_process_group()
