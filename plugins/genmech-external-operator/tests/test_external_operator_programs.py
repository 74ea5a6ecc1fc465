"""The example at a small size, and two processes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1]


def test_the_example_agrees_with_ufl_and_comes_near_fe2():
    spec = importlib.util.spec_from_file_location("external_operator_example", FOLDER / "example.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    sizes = example.Sizes(samples=60, tested=20, iterations=150, cells=(2, 1), tables=(4,))
    found = example.main(0, sizes)
    assert found["exact law: error of the displacement [1]"] < 1e-10
    assert found["exact law: Newton iterations"] == found["exact law, in UFL: Newton iterations"]
    assert found["exact law: order of Newton's method [1]"] > 1.7
    assert found["composite, convex network: error of the displacement [1]"] < 0.05
    assert found["composite, convex network: error of the stress [1]"] < 0.05
    assert found["composite, linear homogenisation: error of the stress [1]"] > 0.2
    assert found["composite, convex network: asymmetry of the tangent [1]"] < 1e-12
    assert found["composite, convex network: least eigenvalue of the tangent at twice the strains [GPa]"] > 0
    assert found["composite, convex network: speed-up over FE^2 [1]"] > 5


def test_two_processes_find_what_one_finds_fail_together_and_need_no_torch():
    mpiexec = Path(sys.executable).with_name("mpiexec")
    if not mpiexec.exists():
        pytest.skip("needs mpiexec beside Python")
    command = [mpiexec, "-n", "2", sys.executable, FOLDER / "tests" / "operator_on_two_ranks.py"]
    done = subprocess.run(command, check=True, timeout=100, capture_output=True, text=True)
    alone, *together = (np.array(line.split(), dtype=float) for line in done.stdout.splitlines())
    assert len(together) == 2
    for each in together:
        np.testing.assert_allclose(each, alone, rtol=1e-6, atol=1e-12)
