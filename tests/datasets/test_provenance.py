import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from campaigns import SMALL, model
from fem_campaigns import FIBRES, PIXELS

from genmech_fem.datasets.provenance import changes, describe, versions
from genmech_fem.forward import compose
from genmech_fem.microstructure import PeriodicFibres

FACTOR = 2.0


def scaled(generator):
    return FACTOR * generator.random((1, 2))


def test_descriptions_are_equal_in_another_process():
    code = f"""
import sys, json
sys.path.insert(0, {str(Path(__file__).parent)!r})
from campaigns import SMALL
from fem_campaigns import FIBRES, PIXELS
print(json.dumps([c.description for c in (SMALL, FIBRES, PIXELS)], sort_keys=True))
"""
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert "0x" not in runs[0]


def test_a_solver_describes_the_same_before_and_after_solves():
    before = PIXELS.description
    PIXELS.sample(0)
    assert PIXELS.description == before


def test_values_that_a_function_uses_are_part_of_it(monkeypatch):
    def uses(top):
        return lambda generator: {"x": generator.uniform(0, top, (1, 2))}

    assert describe(uses(1.0)) == describe(uses(1.0))
    assert list(changes(describe(uses(1.0)), describe(uses(2.0)))) == ["uses.top was 1.0, now 2.0"]
    before = describe(scaled)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert list(changes(before, describe(scaled))) == ["uses.FACTOR was 2.0, now 3.0"]


def test_functions_differ_by_their_code_not_by_their_place():
    one, same, other = (lambda x: x + 1), (lambda x: x + 1), (lambda x: x + 2)
    assert describe(one)["code"] == describe(same)["code"] != describe(other)["code"]
    assert describe(partial(scaled, 3))["with"] == [3, {}]


def test_dataclasses_arrays_and_chains_are_described_by_their_content():
    assert describe(PeriodicFibres(resolution=16))["resolution"] == 16
    assert describe(np.arange(3.0)) == describe(np.arange(3.0)) != describe(np.arange(4.0))
    inner = model(lambda inputs: {"y": inputs["x"]})
    outer = replace(inner, inputs=inner.outputs, outputs=inner.inputs)
    found = describe(compose(inner, outer))
    assert found["first"]["inputs"][0]["name"] == "x"
    assert list(changes(found, describe(compose(outer, inner))))


def test_changes_name_the_path():
    assert list(changes(FIBRES.description, replace(FIBRES, seed=4).description)) == ["seed was 3, now 4"]
    assert list(changes({"a": [1, 2]}, {"a": [1, 3], "b": 0})) == ["a[1] was 2, now 3", "b was None, now 0"]
    assert list(changes({"a": [1]}, {"a": [1, 2]})) == ["a was [1], now [1, 2]"]
    assert list(changes(SMALL.description, SMALL.description)) == []


def test_versions_name_what_results_depend_on():
    assert versions()["numpy"] == np.__version__
    assert "genmech_fem" in versions()
