import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.datasets import Campaign, Store, generate, local_processes, split
from genmech_fem.errors import DatasetError, GenmechError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.microstructure import PeriodicFibres

REAL = Campaign(ConformingHomogenization(resolution=16, refine=1), PeriodicFibres(resolution=16), 6, seed=3)


def square(inputs):
    if inputs["x"][0, 0] > 0.9:
        raise ArithmeticError("too large")
    return {"y": inputs["x"] ** 2}


def draw(generator):
    return {"x": generator.random((1, 2))}


SMALL = Campaign(FunctionModel(square, (ScalarSpec("x", 2),), (ScalarSpec("y", 2),)), draw, 50)


def fingerprint(path):
    numbers, arrays = Store.open(path).read()
    data = b"".join(arrays[name].tobytes() for name in sorted(arrays))
    return numbers.tolist(), hashlib.sha256(data).hexdigest()


def test_serial_processes_and_any_shard_size_give_the_same_data_bit_for_bit(tmp_path):
    generate(REAL, tmp_path / "serial", shard=4)
    with local_processes(2) as engine:
        report = generate(REAL, tmp_path / "processes", engine=engine, shard=1)
    assert report.finished == report.computed == 6
    assert fingerprint(tmp_path / "serial") == fingerprint(tmp_path / "processes")


def test_an_interrupted_campaign_resumes_and_computes_nothing_twice(tmp_path):
    def stop(done, total):
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(SMALL, tmp_path / "a", shard=5, progress=stop)
    report = generate(SMALL, tmp_path / "a", shard=7)
    assert (report.finished, report.computed) == (50, 30)
    generate(SMALL, tmp_path / "b")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert generate(SMALL, tmp_path / "a").computed == 0


def test_a_killed_campaign_leaves_a_store_that_reads_and_resumes(tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from dataclasses import replace
import test_campaign as t
t.generate(replace(t.REAL, size=10_000), {str(tmp_path / "store")!r}, shard=2)
"""
    child = subprocess.Popen([sys.executable, "-c", script])
    shards = tmp_path / "store" / "shards"
    deadline = time.monotonic() + 60
    while len(list(shards.glob("*.json"))) < 3 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(Store.open(tmp_path / "store").read()[0]) >= 6
    generate(REAL, tmp_path / "store")
    generate(REAL, tmp_path / "whole")
    numbers, arrays = Store.open(tmp_path / "store").read()
    _, whole = Store.open(tmp_path / "whole").read()
    assert numbers[:6].tolist() == list(range(6))
    np.testing.assert_array_equal(arrays["stiffness"][:6], whole["stiffness"])


def die(inputs):
    if inputs["x"][0, 0] > 0.9:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(inputs)


def test_a_worker_that_dies_is_reported_and_what_is_finished_is_kept(tmp_path):
    campaign = Campaign(FunctionModel(die, (ScalarSpec("x", 2),), (ScalarSpec("y", 2),)), draw, 50)
    with (
        local_processes(1) as engine,
        pytest.raises(GenmechError, match=r"a process of the engine died .* finished samples are kept"),
    ):
        generate(campaign, tmp_path, engine=engine, shard=1)
    first = next(i for i in range(50) if draw(np.random.default_rng([0, i]))["x"][0, 0] > 0.9)
    assert Store.open(tmp_path).read()[0].tolist() == list(range(first))


def test_a_disk_that_fills_up_is_an_error_and_leaves_a_store_that_reads(tmp_path):
    """A limit on the size of files stands for the full disk: a real write fails with a real OSError."""
    script = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from dataclasses import replace
import test_campaign as t
t.generate(t.SMALL, {str(tmp_path)!r}, shard=2)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
t.generate(replace(t.SMALL, size=200), {str(tmp_path)!r}, shard=100)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert len(Store.open(tmp_path).read()[0]) > 40
    assert not list(tmp_path.rglob("*.part"))


def test_failures_are_recorded_and_the_campaign_goes_on(tmp_path):
    report = generate(SMALL, tmp_path, shard=8)
    expected = [i for i in range(50) if draw(np.random.default_rng([0, i]))["x"][0, 0] > 0.9]
    assert sorted(report.failures) == expected
    assert set(report.failures.values()) == {"ArithmeticError: too large"}
    numbers, arrays = Store.open(tmp_path).read()
    assert len(numbers) == 50 - len(expected)
    np.testing.assert_array_equal(arrays["y"], arrays["x"] ** 2)


def test_a_store_of_another_campaign_is_refused_and_kept(tmp_path):
    generate(SMALL, tmp_path)
    before = fingerprint(tmp_path)
    other = Campaign(SMALL.model, draw, 50, seed=1)
    with pytest.raises(DatasetError, match="another campaign .*'seed': 0"):
        generate(other, tmp_path)
    assert fingerprint(tmp_path) == before


def damage(path, how):
    shard = sorted((path / "shards").glob("*.safetensors"))[0]
    if how == "truncated":
        shard.write_bytes(shard.read_bytes()[:-9])
    elif how == "missing":
        shard.unlink()
    elif how == "record":
        shard.with_suffix(".json").write_text("{")
    elif how == "manifest":
        (path / "manifest.json").write_text(json.dumps({"version": 1}))


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("truncated", "checksum differs"),
        ("missing", "missing or damaged"),
        ("record", "delete it, and the campaign makes it again"),
        ("manifest", "manifest.json is damaged"),
    ],
)
def test_a_damaged_store_says_which_file_and_what_to_do(tmp_path, how, text):
    generate(SMALL, tmp_path)
    damage(tmp_path, how)
    with pytest.raises(DatasetError, match=text):
        Store.open(tmp_path).read()


def test_an_empty_or_missing_store_is_named(tmp_path):
    with pytest.raises(DatasetError, match="holds no data store"):
        Store.open(tmp_path)
    with pytest.raises(DatasetError, match="no finished samples"):
        Store.create(tmp_path, SMALL.specs, {}).read()


def test_splits_are_disjoint_complete_and_seeded():
    parts = split(100, (0.1, 0.2), seed=4)
    assert [len(part) for part in parts] == [70, 10, 20]
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert all((a == b).all() for a, b in zip(parts, split(100, (0.1, 0.2), seed=4), strict=True))
    with pytest.raises(ValueError, match="empty part"):
        split(3, (0.1,), seed=0)
