"""Samples that are appended one by one: nothing that was recorded is lost, and the store reads like a campaign's."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from campaigns import SMALL, X, Y

from genmech_fem.cli import main
from genmech_fem.datasets import Recorder, Store, generate, split_by_hash
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import FieldSpec, Points, ScalarSpec, pad


def solved(count, seed=0):
    x = np.random.default_rng(seed).random((count, 2))
    return {"x": x}, {"y": x**2}


def test_batches_come_back_in_order_and_the_usual_commands_read_them(tmp_path, capsys):
    inputs, outputs = solved(30)
    with Recorder(tmp_path / "s", (X,), (Y,)) as recorder:
        for k in range(0, 30, 10):
            rows = slice(k, k + 10)
            recorder.record({"x": inputs["x"][rows]}, {"y": outputs["y"][rows]})
        assert len(recorder) == 30
    store = Store.open(tmp_path / "s")
    numbers, arrays = store.read()
    np.testing.assert_array_equal(numbers, np.arange(30))
    np.testing.assert_array_equal(arrays["x"], inputs["x"])
    np.testing.assert_array_equal(arrays["y"], outputs["y"])
    assert len(store.files()) == 1
    assert main(["data", "info", str(tmp_path / "s")]) == 0
    assert "recorded solves: 30 samples" in capsys.readouterr().out
    assert main(["data", "check", str(tmp_path / "s")]) == 0
    parts = split_by_hash(store, {"train": 0.8, "test": 0.2}, by=["x"])
    assert sum(map(len, parts.values())) == 30


def test_equal_inputs_are_stored_once_also_after_reopening(tmp_path):
    inputs, outputs = solved(5)
    twice = {name: np.concatenate([array, array[::-1]]) for name, array in {**inputs, **outputs}.items()}
    for _ in range(2):
        with Recorder(tmp_path / "s", (X,), (Y,)) as recorder:
            recorder.record({"x": twice["x"]}, {"y": twice["y"]})
            recorder.record(inputs, outputs)
            assert len(recorder) == 5
    more = solved(3, seed=1)
    with Recorder(tmp_path / "s", (X,), (Y,)) as recorder:
        recorder.record(*more)
    numbers, arrays = Store.open(tmp_path / "s").read()
    np.testing.assert_array_equal(numbers, np.arange(8))
    np.testing.assert_array_equal(arrays["x"], np.concatenate([inputs["x"], more[0]["x"]]))


def test_kill_9_loses_nothing_that_was_recorded(tmp_path):
    code = f"""
import sys
import numpy as np
from genmech_fem.datasets import Recorder
from genmech_fem.fields import ScalarSpec
recorder = Recorder({str(tmp_path / "s")!r}, (ScalarSpec("x", 2, "mm"),), (ScalarSpec("y", 2),))
for k in range(10**6):
    x = np.random.default_rng(k).random((1, 2))
    recorder.record({{"x": x}}, {{"y": x**2}})
    print(k, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if int(line) >= 20:
                os.kill(child.pid, signal.SIGKILL)
                last = int(line)
    assert len(Store.open(tmp_path / "s").numbers()) > last
    with Recorder(tmp_path / "s", (X,), (Y,)) as recorder:
        before = len(recorder)
        recorder.record(*solved(1, seed=0))  # known
        recorder.record(*solved(1, seed=10**7))
        assert len(recorder) == before + 1
    numbers, arrays = Store.open(tmp_path / "s").read()
    assert len(numbers) == before + 1 > last + 1
    for k in range(before):
        np.testing.assert_array_equal(arrays["x"][k], np.random.default_rng(k).random(2))
    np.testing.assert_array_equal(arrays["y"], arrays["x"] ** 2)


def test_meshes_of_different_size_are_recorded(tmp_path):
    place = FieldSpec("v", Points(2), (2,))
    values, mask = pad([np.arange(2.0 * n).reshape(2, n) for n in (3, 5, 3)])
    for _ in range(2):
        with Recorder(tmp_path / "s", (place,), (ScalarSpec("y"),)) as recorder:
            recorder.record({"v": values, "v.mask": mask}, {"y": np.arange(3.0)[:, None]})
    _, arrays = Store.open(tmp_path / "s").read()
    np.testing.assert_array_equal(arrays["v.mask"], mask[:2])  # the third is the first once more
    np.testing.assert_array_equal(arrays["v"], values[:2])


def test_other_data_are_refused(tmp_path):
    inputs, outputs = solved(2)
    generate(SMALL, tmp_path / "campaign")
    with pytest.raises(DatasetError, match="holds data of another campaign"):
        Recorder(tmp_path / "campaign", (X,), (Y,))
    with Recorder(tmp_path / "s", (X,), (Y,)) as recorder:
        recorder.record(inputs, outputs)
        with pytest.raises(DatasetError, match="another process is writing"):
            Recorder(tmp_path / "s", (X,), (Y,))
        with pytest.raises(ContractError, match="'y'"):
            recorder.record(inputs, {"y": outputs["y"][:, :1]})
        assert len(recorder) == 1 + 1
    with pytest.raises(DatasetError, match="unit was 'mm', now 'm'"):
        Recorder(tmp_path / "s", (ScalarSpec("x", 2, "m"),), (Y,))
    with pytest.raises(ContractError, match="a name for each"):
        Recorder(tmp_path / "t", (X,), (X,))
