"""Interrupted design loops that go on as if they had never stopped."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import save_file

from genmech_fem.adapters import mbb_beam
from genmech_fem.design import (
    CMAES,
    LBFGS,
    Adam,
    Constraint,
    Densities,
    DensityFilter,
    Mean,
    OptimalityCriteria,
    TrustConstr,
    Value,
    Weighted,
    explore,
    minimize,
    topology_optimization,
)
from genmech_fem.errors import ContractError, ConvergenceError, DatasetError
from genmech_fem.fields import Grid, ScalarSpec

A = np.array([1.0, 4.0, 9.0, 16.0])
START = {"x": np.full((1, 4), 0.4)}
PRICED = Weighted((1.0, Value("compliance")), (100.0, Mean("x")))
HALF = Constraint(Mean("x"), most=0.5)


class Bars:
    """Compliance of bars in a row, scaled; it counts samples and refuses those with too little in the first bar."""

    inputs, outputs = (ScalarSpec("x", 4),), (ScalarSpec("compliance"),)

    def __init__(self, scale=1.0, least=0.0):
        self.samples, self.scale, self.least = 0, scale, least

    def __call__(self, inputs):
        self.samples += len(inputs["x"])
        if inputs["x"][:, 0].min() < self.least:
            raise ConvergenceError("too little")
        return {"compliance": self.scale * (A / inputs["x"]).sum(axis=1, keepdims=True)}

    def vjp(self, inputs, cotangents):
        return {"x": -self.scale * A / inputs["x"] ** 2 * cotangents["compliance"]}


def loop(optimizer, **given):
    """The result and the number of samples of a loop."""
    model = given.pop("model", Bars())
    kept = [HALF] if isinstance(optimizer, OptimalityCriteria | TrustConstr) else []
    given = {
        "objective": PRICED,
        "start": START,
        "bounds": {"x": (0.01, 2.0)},
        "constraints": kept,
    } | given
    return minimize(model, optimizer=optimizer, **given), model.samples


def stop_at(iteration):
    def progress(step):
        if step.iteration == iteration:
            raise KeyboardInterrupt

    return progress


def assert_same(found, whole):
    for name in ("value", "violation", "history", "evaluations", "failures", "message"):
        assert getattr(found, name) == getattr(whole, name), name
    for name in ("design", "outputs", "last"):
        for key, array in getattr(whole, name).items():
            np.testing.assert_array_equal(getattr(found, name)[key], array)


OPTIMIZERS = [
    OptimalityCriteria(0.05, tolerance=1e-9),
    LBFGS(),
    CMAES(0.1, seed=3),
    Adam(0.02, steps=20),
    TrustConstr(),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_loop_is_the_uninterrupted_one_bit_for_bit(optimizer, tmp_path):
    whole, samples = loop(optimizer, iterations=8)
    first, before = loop(optimizer, iterations=8, journal=tmp_path, progress=stop_at(5))
    assert first.message == "ended after iteration 5: interrupted"
    steps = []
    rest, after = loop(optimizer, iterations=8, journal=tmp_path, progress=steps.append)
    assert_same(rest, whole)
    assert [step.iteration for step in steps] == list(range(1, 9))
    first_again, best_again = samples // 8, int(whole.value == first.value)
    assert before + after == samples + first_again + best_again


def test_failed_designs_stay_failed_in_the_journal(tmp_path):
    whole, first, found = (
        loop(CMAES(0.2, seed=3), model=Bars(least=0.3), iterations=iterations, journal=journal)[0]
        for iterations, journal in ((6, None), (4, tmp_path), (6, tmp_path))
    )
    assert first.failures
    assert_same(found, whole)


class Draws:
    """Asks for random designs."""

    gradients = False

    def search(self, space):
        generator = np.random.default_rng(0)
        while True:
            yield generator.uniform(0.1, 1.0, (5, space.start.shape[1]))


def test_a_resumed_archive_is_the_uninterrupted_one(tmp_path):
    terms = Value("compliance"), Mean("x")
    whole = explore(Bars(least=0.3), terms, START, Draws(), constraints=[HALF], iterations=6)
    explore(Bars(least=0.3), terms, START, Draws(), constraints=[HALF], iterations=3, journal=tmp_path)
    found = explore(Bars(least=0.3), terms, START, Draws(), constraints=[HALF], iterations=6, journal=tmp_path)
    assert 0 < len(whole.values) < 30 - len(whole.failures)
    np.testing.assert_array_equal(found.designs["x"], whole.designs["x"])
    np.testing.assert_array_equal(found.values, whole.values)
    assert (found.failures, found.evaluations) == (whole.failures, whole.evaluations)


def test_a_finished_loop_is_told_again_at_the_cost_of_its_first_and_its_best_design(tmp_path):
    whole, _ = loop(LBFGS(), iterations=5, journal=tmp_path)
    again, samples = loop(LBFGS(), iterations=5, journal=tmp_path)
    assert_same(again, whole)
    assert samples == 2
    more, _ = loop(LBFGS(), iterations=7, journal=tmp_path)
    assert_same(more, loop(LBFGS(), iterations=7)[0])


@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: b"", lambda data: data[:-8]])
def test_a_damaged_last_file_is_evaluated_again(damage, tmp_path):
    loop(LBFGS(), iterations=4, journal=tmp_path)
    last = tmp_path / "000003.safetensors"
    last.write_bytes(damage(last.read_bytes()))
    (tmp_path / ".000004.safetensors.1.part").write_bytes(b"half of a fi")
    whole, samples = loop(LBFGS(), iterations=6)
    found, after = loop(LBFGS(), iterations=6, journal=tmp_path)
    assert_same(found, whole)
    assert after == 1 + 3
    assert len(list(tmp_path.glob("*.safetensors"))) == samples == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": Bars(1.0001)}, "another model or objective"),
        ({"objective": Value("compliance", 2.0)}, "another model or objective"),
        ({"constraints": [Constraint(Mean("x"), most=0.6)]}, "another model or objective"),
        ({"constraints": []}, "another model or objective"),
        ({"start": {"x": np.full((1, 4), 0.45)}}, "another start or optimiser"),
        ({"optimizer": OptimalityCriteria(0.1)}, "another start or optimiser"),
        ({"optimizer": CMAES(0.1)}, "another start or optimiser"),
    ],
)
def test_the_journal_of_another_loop_is_refused(change, message, tmp_path):
    given = {"optimizer": OptimalityCriteria(0.05), "constraints": [HALF], "journal": tmp_path, "iterations": 3}
    loop(**given)
    kind = TrustConstr() if change.get("constraints") == [] else given["optimizer"]
    with pytest.raises(ContractError, match=f"the journal is that of a loop with {message}: take a new folder"):
        loop(**{**given, "optimizer": kind, "start": START, **change})


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_another_objective_is_told_in_any_unit(scale, tmp_path):
    given = {"iterations": 2, "journal": tmp_path, "objective": Value("compliance")}
    loop(LBFGS(), model=Bars(scale), **given)
    with pytest.raises(ContractError, match="another model or objective"):
        loop(LBFGS(), model=Bars(scale * 1.001), **given)


def test_the_same_value_with_another_gradient_is_told_apart(tmp_path):
    loop(LBFGS(), iterations=2, journal=tmp_path)
    with pytest.raises(ContractError, match="another model or objective"):
        loop(LBFGS(), iterations=2, journal=tmp_path, objective=Value("x", 115 / 1.6))


@pytest.mark.parametrize("name", ["notes.txt", "0000-0009.safetensors", "000000.safetensors"])
def test_a_foreign_folder_is_refused_and_left_as_it_is(name, tmp_path):
    save_file({"phase": np.ones(3)}, tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(DatasetError, match=f"expected the journal of a design loop, found {name}: take a new folder"):
        loop(LBFGS(), journal=tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {name: before}


def test_a_foreign_folder_inside_is_refused_too(tmp_path):
    (tmp_path / "shards").mkdir()
    with pytest.raises(DatasetError, match="found shards"):
        loop(LBFGS(), journal=tmp_path)


def mbb(journal=None, progress=None):
    densities = Densities(DensityFilter(Grid((18, 6), (0, 0), (18, 6)), 1.5))
    return topology_optimization(mbb_beam(18, 6), densities, 0.5, iterations=14, journal=journal, progress=progress)


def test_a_killed_process_loses_nothing(tmp_path):
    """This file is run as a script, whose process gets SIGKILL after some iterations."""
    folder = tmp_path / "journal"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, __file__, str(folder)], env=environment) as process:
        while not (folder / "000005.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    known = len(list(folder.glob("*.safetensors")))
    assert 6 <= known < 14
    whole, found = mbb(), mbb(folder)
    assert_same(found, whole)
    assert len(list(folder.glob("*.safetensors"))) == len(whole.history) == 14


if __name__ == "__main__":
    mbb(sys.argv[1], lambda step: time.sleep(0.05 if step.iteration < 12 else 600))
