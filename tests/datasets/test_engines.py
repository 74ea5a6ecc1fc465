import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from campaigns import BAD, SMALL, draw, fingerprint, first_entries, model
from fem_campaigns import FIBRES, PIXELS

from genmech_fem.adapters import pixel_homogenization
from genmech_fem.datasets import Campaign, Processes, Store, generate
from genmech_fem.errors import GenmechError
from genmech_fem.forward import LazyModel


def test_processes_give_the_data_of_the_serial_engine_bit_for_bit(tmp_path):
    generate(FIBRES, tmp_path / "serial")
    report = generate(FIBRES, tmp_path / "processes", engine=2)
    assert report.finished == report.computed == 6
    assert fingerprint(tmp_path / "serial") == fingerprint(tmp_path / "processes")


def test_crashing_and_hanging_samples_cost_nothing_but_themselves(tmp_path):
    report = generate(BAD, tmp_path, engine=Processes(2, time_limit=0.7))
    x = first_entries(BAD.size, BAD.seed)
    kinds = np.select(
        [x > 0.93, x > 0.88, x > 0.8, x > 0.75], ["crashed", "timed out", "ArithmeticError", "not finite"], ""
    )
    assert set(kinds) == {"crashed", "timed out", "ArithmeticError", "not finite", ""}
    assert {i: f.kind for i, f in report.failures.items()} == {i: k for i, k in enumerate(kinds) if k}
    for i, failure in report.failures.items():
        assert failure.parameters["x"][0] == x[i]
        if failure.kind in ("crashed", "timed out"):
            assert "campaigns.py" in failure.log
            assert "in misbehave" in failure.log
    crashed = next(f for f in report.failures.values() if f.kind == "crashed")
    assert crashed.message == "its process ended with SIGABRT"
    numbers, arrays = Store.open(tmp_path).read()
    assert numbers.tolist() == np.flatnonzero(x <= 0.75).tolist()
    np.testing.assert_array_equal(arrays["y"], arrays["x"] ** 2)
    assert multiprocessing.active_children() == []


def test_processes_that_end_before_their_first_sample_are_told_apart_from_bad_campaigns(tmp_path):
    parent = os.getpid()

    def build():
        if os.getpid() != parent:
            os._exit(1)
        return model(lambda inputs: {"y": inputs["x"]})

    with pytest.raises(GenmechError, match="end before their first sample"):
        generate(Campaign(LazyModel(build), draw, 4), tmp_path, engine=2)


def test_a_sampler_that_crashes_is_recorded_too(tmp_path):
    def die(generator):
        x = generator.random((1, 2))
        if x[0, 0] > 0.9:
            os._exit(3)
        return {"x": x}

    report = generate(Campaign(model(lambda inputs: {"y": inputs["x"]}), die, 12, seed=3), tmp_path, engine=2)
    expected = np.flatnonzero(first_entries(12, seed=3) > 0.9).tolist()
    assert expected
    assert sorted(report.failures) == expected
    failure = report.failures[expected[0]]
    assert (failure.kind, failure.message) == ("crashed", "its process ended with exit code 3")
    assert failure.parameters == {"not drawn": "the sampler fails"}


def test_a_script_needs_no_guard_and_may_define_everything_itself(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"""
import numpy as np
from genmech_fem.datasets import Campaign, generate
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel
scale = 3.0
def triple(inputs):
    return {{"y": scale * inputs["x"]}}
x, y = ScalarSpec("x"), ScalarSpec("y")
report = generate(Campaign(FunctionModel(triple, (x,), (y,)), lambda g: {{"x": g.random((1, 1))}}, 8),
                  {str(tmp_path / "store")!r}, engine=2)
print(report.finished, report.failures)
""")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "8 {}\n"
    _, arrays = Store.open(tmp_path / "store").read()
    np.testing.assert_array_equal(arrays["y"], 3.0 * arrays["x"])


def test_solvers_that_cannot_be_sent_are_named_with_the_remedy(tmp_path):
    campaign = replace(PIXELS, model=pixel_homogenization(16))
    with pytest.raises(GenmechError, match="cannot be sent to other processes .* give it a LazyModel"):
        generate(campaign, tmp_path, engine=2)


def test_a_lazy_solver_is_built_in_each_process_and_described_as_what_it_builds(tmp_path):
    generate(PIXELS, tmp_path / "processes", engine=2)
    generate(replace(PIXELS, model=pixel_homogenization(16)), tmp_path / "serial")
    assert fingerprint(tmp_path / "processes") == fingerprint(tmp_path / "serial")


def test_executors_serve_too(tmp_path):
    with ThreadPoolExecutor(2) as executor:
        generate(SMALL, tmp_path / "threads", engine=executor)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        generate(SMALL, tmp_path / "processes", engine=executor)
    assert fingerprint(tmp_path / "threads") == fingerprint(tmp_path / "processes")


def die(inputs):
    if inputs["x"][0, 0] > 0.9:
        os._exit(1)
    return {"y": inputs["x"]}


def test_an_executor_that_breaks_is_reported_and_what_is_finished_is_kept(tmp_path):
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor,
        pytest.raises(GenmechError, match=r"a process of the engine died .* finished samples are kept"),
    ):
        generate(Campaign(model(die), draw, 50), tmp_path, engine=executor)
    first = np.flatnonzero(first_entries(50) > 0.9)[0]
    assert Store.open(tmp_path).numbers().tolist() == list(range(first))


def test_ctrl_c_ends_the_processes_and_the_campaign_resumes(tmp_path):
    folder, store = Path(__file__).parent, tmp_path / "store"
    script = f"""
import sys
sys.path.insert(0, {str(folder)!r})
from dataclasses import replace
from fem_campaigns import PIXELS
from genmech_fem.datasets import generate
generate(replace(PIXELS, size=100_000), {str(store)!r}, engine=2)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(store.glob("pending/*/*.safetensors"))) < 5 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(2)
    _, errors = child.communicate(timeout=30)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    before = set(Store.open(store).numbers().tolist())  # in the order in which two processes ended them: with gaps
    assert len(before) >= 5
    assert generate(PIXELS, store).finished == PIXELS.size
    assert set(Store.open(store).numbers().tolist()) == before | set(range(PIXELS.size))


def test_limits_out_of_range_are_refused():
    with pytest.raises(ValueError, match="workers >= 1"):
        Processes(0)
    with pytest.raises(ValueError, match="time limit > 0"):
        Processes(1, time_limit=0.0)
