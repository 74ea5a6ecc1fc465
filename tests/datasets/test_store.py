import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from campaigns import CLOUD, SMALL, X, fingerprint
from fem_campaigns import FIBRES

from genmech_fem.datasets import Store, generate, writer
from genmech_fem.datasets.blocks import Block
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import FieldSpec, Points

HERE = str(Path(__file__).parent)
SPECS = (X, FieldSpec("v", Points(2), (2,)))


def start(code, **arguments):
    """Run a script beside this one that knows the campaigns."""
    head = f"""
import sys
sys.path.insert(0, {HERE!r})
from dataclasses import replace
from campaigns import SMALL
from fem_campaigns import FIBRES
from genmech_fem.datasets import Store, generate
"""
    return subprocess.Popen([sys.executable, "-c", head + code], text=True, **arguments)


@pytest.mark.parametrize("engine", [None, 2], ids=["serial", "processes"])
def test_kill_9_loses_no_finished_sample(tmp_path, engine):
    code = f"""
def note(progress):
    print(progress.finished, flush=True)
generate(replace(FIBRES, size=100_000), {str(tmp_path / "store")!r}, engine={engine}, progress=note)
"""
    reported = 0
    with start(code, stdout=subprocess.PIPE) as child:
        for line in child.stdout:
            reported = int(line)
            if reported == 9:
                child.send_signal(signal.SIGKILL)
    assert len(Store.open(tmp_path / "store").numbers()) >= reported >= 9
    generate(replace(FIBRES, size=12), tmp_path / "store")
    generate(replace(FIBRES, size=12), tmp_path / "whole")
    chosen = np.arange(12)
    for name, array in Store.open(tmp_path / "store").read(chosen)[1].items():
        np.testing.assert_array_equal(array, Store.open(tmp_path / "whole").read(chosen)[1][name])


def test_kills_at_random_moments_leave_a_store_that_reads_and_loses_nothing(tmp_path, monkeypatch):
    """Shards are so small here that many kills fall into the making of one."""
    code = f"""
import genmech_fem.datasets.writer as writer
writer.SHARD_SAMPLES = 3
print("ready", flush=True)
generate(replace(SMALL, size=100_000), {str(tmp_path)!r})
"""
    before = 0
    for delay in np.random.default_rng(0).uniform(0.05, 0.3, 3):
        with start(code, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            time.sleep(delay)
            child.send_signal(signal.SIGKILL)
        found = Store.open(tmp_path)
        numbers, arrays = found.read()
        np.testing.assert_array_equal(arrays["y"], arrays["x"] ** 2)
        finished = np.union1d(numbers, list(found.failures()))
        np.testing.assert_array_equal(finished, np.arange(len(finished)))
        assert len(finished) >= before
        before = len(finished)
    assert before > 20


def test_writers_of_different_parts_share_a_store(tmp_path):
    campaign, path = replace(SMALL, size=400), tmp_path / "store"
    code = f"generate(replace(SMALL, size=400), {str(path)!r}, part=({{}}, 3))"
    children = [start(code.format(k)) for k in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert generate(campaign, path).computed == 0
    generate(campaign, tmp_path / "alone")
    assert fingerprint(path) == fingerprint(tmp_path / "alone")


def test_samples_computed_twice_are_there_once(tmp_path):
    generate(replace(SMALL, size=30), tmp_path / "store")
    generate(replace(SMALL, size=30), tmp_path / "twice", part=(0, 2))
    for file in (tmp_path / "twice" / "shards").iterdir():
        shutil.copy(file, tmp_path / "store" / "shards")
    generate(replace(SMALL, size=30), tmp_path / "alone")
    assert fingerprint(tmp_path / "store") == fingerprint(tmp_path / "alone")


def test_two_writers_of_one_part_are_told_so(tmp_path, monkeypatch):
    found = Store.create(tmp_path, SMALL.specs, {})
    first = writer.Writer(found, "part-0-of-1")
    code = f"from genmech_fem.datasets.writer import Writer; Writer(Store.open({str(tmp_path)!r}), 'part-0-of-1')"
    with start(code, stderr=subprocess.PIPE) as child:
        assert "another process is writing part-0-of-1" in child.communicate(timeout=60)[1]
    first.close()
    writer.Writer(found, "part-0-of-1").close()


def can_mount(folder):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_full_disk_is_said_and_leaves_a_store_that_reads_and_resumes(tmp_path):
    """A small disk where one may be mounted; a limit on the size of files elsewhere."""
    small, mounted = tmp_path / "disk", can_mount(tmp_path / "disk")
    limit = "" if mounted else "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))"
    path = small / "store"
    try:
        code = f"""
generate(SMALL, {str(path)!r})
{limit}
generate(replace(SMALL, size=100_000), {str(path)!r})
"""
        with start(code, stderr=subprocess.PIPE) as child:
            errors = child.communicate(timeout=120)[1]
        assert "the disk is full" in errors
        assert "samples are stored and can be read: free space and repeat the campaign" in errors
        found = Store.open(path)
        numbers, arrays = found.read()
        assert len(numbers) >= 44
        np.testing.assert_array_equal(arrays["y"], arrays["x"] ** 2)
        assert not list(path.rglob("*.part"))
        shutil.copytree(path, tmp_path / "larger")
    finally:
        if mounted:
            subprocess.run(["umount", small], check=True)
    generate(replace(SMALL, size=len(numbers) + 50), tmp_path / "larger")
    assert len(Store.open(tmp_path / "larger").numbers()) > len(numbers)


def damage(path, how):
    shard = sorted((path / "shards").iterdir())[0]
    data = bytearray(shard.read_bytes())
    if how == "truncated":
        shard.write_bytes(data[:-9])
    elif how == "flipped":
        data[-5] ^= 1
        shard.write_bytes(data)
    elif how == "empty":
        shard.write_bytes(b"")
    elif how == "header":
        data[12:40] = b"?" * 28
        shard.write_bytes(data)
    return shard.name


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "header"])
def test_a_damaged_shard_is_named_put_aside_and_made_again(tmp_path, how):
    generate(SMALL, tmp_path)
    before = fingerprint(tmp_path)
    name = damage(tmp_path, how)
    with pytest.raises(DatasetError, match=rf"{name} is damaged .* genmech data check {tmp_path} --quarantine"):
        Store.open(tmp_path).read()
    assert [name in str(error) for error in Store.open(tmp_path).check()] == [True]
    report = generate(SMALL, tmp_path, redo=["damaged"])
    assert report.computed == 50
    assert fingerprint(tmp_path) == before
    assert [file.name for file in (tmp_path / "quarantine").iterdir()] == [name]
    assert Store.open(tmp_path).check() == []


def test_a_damaged_or_missing_manifest_is_named(tmp_path):
    with pytest.raises(DatasetError, match="holds no data store"):
        Store.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DatasetError, match="manifest.json is damaged"):
        Store.open(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 99}))
    with pytest.raises(DatasetError, match="expected a store of version 2, got version 99"):
        Store.open(tmp_path)


def test_other_versions_of_packages_warn(tmp_path):
    generate(SMALL, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["about"]["versions"]["numpy"] = "1.0"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.warns(UserWarning, match="begun with other versions: numpy was '1.0', now"):
        generate(SMALL, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Store.open(tmp_path)


def test_what_the_manifest_holds(tmp_path):
    generate(replace(FIBRES, size=1, title="Fibres", licence="CC BY 4.0"), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["description"]["seed"] == 3
    assert manifest["description"]["model"]["refine"] == 1
    assert manifest["description"]["sampler"]["resolution"] == 16
    assert manifest["about"]["title"] == "Fibres"
    assert manifest["about"]["versions"]["numpy"] == np.__version__
    strain = next(spec for spec in manifest["specs"] if spec["name"] == "strain")
    assert (strain["unit"], strain["place"]["at"], strain["place"]["shape"]) == ("1", "cells", [16, 16])


def test_an_empty_store_and_unknown_samples_or_names_are_refused(tmp_path):
    empty = Store.create(tmp_path, SMALL.specs, {})
    with pytest.raises(DatasetError, match="no finished samples"):
        empty.read()
    assert len(empty.numbers()) == 0
    generate(SMALL, tmp_path / "a")
    filled = Store.open(tmp_path / "a")
    with pytest.raises(DatasetError, match="sample 77 is not among its 44 good samples"):
        filled.read([0, 77])
    with pytest.raises(DatasetError, match=r"names of arrays among \['x', 'y'\], got \['z'\]"):
        filled.read(names=["z"])


def test_samples_come_in_the_order_asked_for_also_across_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "SHARD_SAMPLES", 7)
    generate(CLOUD, tmp_path)
    found = Store.open(tmp_path)
    assert len(found.files()) == 2
    _, whole = found.read()
    numbers = np.array([11, 0, 7, 3, 8, 3])
    _, some = found.read(numbers)
    for i, number in enumerate(numbers):
        n = int(whole["v.mask"][number].sum())
        np.testing.assert_array_equal(some["v"][i, :, :n], whole["v"][number, :, :n])
        assert some["v.mask"][i].sum() == n
    np.testing.assert_array_equal(some["x"], whole["x"][numbers])
    parts = list(found.batches(5, names=["x"]))
    assert [len(numbers) for numbers, _ in parts] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([arrays["x"] for _, arrays in parts]), whole["x"])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool", "uint16"])
def test_dtypes_are_kept(tmp_path, dtype):
    found = Store.create(tmp_path, (X,), {})
    values = np.array([[0, 1], [1, 0]]).astype(dtype)
    found.write([4, 2], {"x": values})
    numbers, arrays = found.read()
    assert numbers.tolist() == [2, 4]
    assert arrays["x"].dtype == dtype
    np.testing.assert_array_equal(arrays["x"], values[::-1])


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    found = Store.create(tmp_path, (X,), {})
    with pytest.raises(ContractError, match="expected arrays of 3 samples, got 2"):
        found.write([0, 1, 2], {"x": np.zeros((2, 2))})
    assert found.files() == []


def test_shards_are_closed_by_number_and_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "SHARD_BYTES", 2000)
    generate(replace(SMALL, size=100), tmp_path)
    found = Store.open(tmp_path)
    assert len(found.files()) > 10
    assert all(file.parent.name == "shards" for file in found.files())
    assert sum(len(Block(file).numbers) for file in found.files()) == len(found.numbers())
    assert not [file for file in os.scandir(tmp_path / "shards") if file.name.endswith(".part")]


def test_jobs_that_begin_the_same_store_at_the_same_moment_share_it(tmp_path):
    code = f"""
import time
from pathlib import Path
from campaigns import X
for k in range(150):
    Path({str(tmp_path)!r}, sys.argv[1] + str(k)).touch()
    while not Path({str(tmp_path)!r}, sys.argv[2] + str(k)).exists():
        pass
    Store.create(Path({str(tmp_path)!r}, "store" + str(k)), (X,), {{"model": 1}})
"""
    jobs = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import sys\nsys.path.insert(0, {HERE!r})\nfrom genmech_fem.datasets import Store\n{code}",
                *names,
            ]
        )
        for names in (("a", "b"), ("b", "a"))
    ]
    try:
        assert [job.wait(timeout=60) for job in jobs] == [0, 0]
    finally:
        for job in jobs:
            job.kill()
    assert len(list(tmp_path.glob("store*/manifest.json"))) == len(list(tmp_path.glob("store*/shards"))) == 150
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "shards").mkdir()
    with pytest.raises(DatasetError, match="not of a data store"):
        Store.create(tmp_path / "other", (X,), {"model": 1})
