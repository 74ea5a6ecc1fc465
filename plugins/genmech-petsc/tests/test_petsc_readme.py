"""The README and the example do what they say; the benchmark runs."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]


def module(name):
    spec = importlib.util.spec_from_file_location(f"petsc_plugin_{name}", FOLDER / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def test_the_code_of_the_readme_runs_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102


def test_the_example_takes_fewer_steps_to_the_same_solutions():
    found = module("example").main(solves=30, steps=300, tests=4, cells=2)
    assert found["from the network"] < found["from zero"]
    assert found["difference"] < 1e-5


@pytest.mark.slow
def test_the_benchmark_has_rows_of_all_tasks(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    benchmark = module("petsc_rows")
    found = list(benchmark.rows(0, benchmark.QUICK))
    assert {row["what"].split(",")[0] for row in found} == set(benchmark.TASKS)
    assert all(row["value"] < 1e-6 for row in found if row["what"].endswith("largest relative residual"))
