"""The doctor: what works is told, and what is broken for real is diagnosed, and nothing else."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genmech_fem.cli import main
from genmech_fem.cli.checks import CHECKS, Check, solvers
from genmech_fem.cli.checks.process import examine
from genmech_fem.cli.doctor import NAMES
from genmech_fem.errors import GenmechError


def findings(capsys, *words, code=0):
    """Findings of some checks by name."""
    assert main(["doctor", *words, "--json"]) == code
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def test_dolfinx_its_compiler_and_its_solvers_work(capsys):
    found = findings(capsys, "dolfinx", "compiler", "petsc")
    assert {one["state"] for one in found.values()} == {"works"}
    assert "DOLFINx 0.11" in found["dolfinx"]["found"]
    assert "compiled a new form in" in found["compiler"]["found"]
    errors = [float(part.split()[-1]) for part in found["petsc"]["found"].split(",")]
    assert len(errors) == 3
    assert max(errors) < 1e-8


def test_the_table_names_the_repair_of_what_is_broken(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    assert main(["doctor", "python", "packages", "space", "threads"]) == 1
    text = capsys.readouterr().out
    assert text.count(" works ") == 3
    assert "expected OMP_NUM_THREADS of 1 to" in text
    assert "threads: export OMP_NUM_THREADS=1" in text


def test_a_compiler_that_is_none_is_said(capsys, monkeypatch):
    monkeypatch.setenv("CC", "/nonexistent")
    found = findings(capsys, "compiler", code=1)["compiler"]
    assert found["state"] == "broken"
    assert "the compiler '/nonexistent' makes no form" in found["found"]
    assert "apt install gcc" in found["repair"]


def test_a_path_without_compiler_is_said(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(capsys, "compiler", code=1)["compiler"]
    assert "No such file or directory" in found["found"]


def test_a_cache_that_cannot_be_written_is_said(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = findings(capsys, "cache", code=1)["cache"]
    assert "file" in found["found"]
    assert "export XDG_CACHE_HOME" in found["repair"]


@pytest.mark.parametrize(
    ("source", "said", "repair"),
    [
        ("import os; os.abort()", "SIGABRT in {file}, line 1", "apt install libglu1-mesa"),
        ("raise ImportError('no such thing')", "ImportError: no such thing", "apt install libglu1-mesa"),
        (
            "raise OSError('libXft.so.2: cannot open shared object file: No such file or directory')",
            "libXft.so.2",
            "apt install libxft2",
        ),
        ("import os; os._exit(3)", "its process died: exit code 3", "apt install libglu1-mesa"),
        ("import sys; sys.exit('bye')", "SystemExit: bye", "apt install libglu1-mesa"),
    ],
)
def test_a_broken_gmsh_is_said_and_nothing_else_is_affected(source, said, repair, capsys, monkeypatch, tmp_path):
    file = tmp_path / "gmsh.py"
    file.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    found = findings(capsys, "gmsh", "onnxruntime", code=1)
    assert found["gmsh"]["state"] == "broken"
    assert said.format(file=file) in found["gmsh"]["found"]
    assert found["gmsh"]["repair"].startswith(repair)
    assert found["onnxruntime"]["state"] == "works"


def test_a_check_that_hangs_ends_in_time_with_all_it_started(capsys, monkeypatch, tmp_path):
    beat = tmp_path / "beat"
    (tmp_path / "gmsh.py").write_text(f"""
import subprocess, sys
loop = "import pathlib, time\\nwhile True:\\n pathlib.Path({str(beat)!r}).touch()\\n time.sleep(0.05)"
subprocess.Popen([sys.executable, "-c", loop]).wait()
""")
    monkeypatch.syspath_prepend(tmp_path)
    began = time.monotonic()
    found = findings(capsys, "gmsh", "--time-limit", "3", code=1)["gmsh"]
    assert time.monotonic() - began < 20
    assert found["found"] == "no answer within 3 s"
    last = beat.stat().st_mtime_ns
    time.sleep(0.3)
    assert beat.stat().st_mtime_ns == last


def test_what_is_optional_may_be_missing_unless_it_is_asked_for(monkeypatch, capsys):
    absent = Check("absent", "machine:python", "", "no_such_package", "viz")
    found = examine(absent, 10.0)
    assert (found.state, found.repair) == ("missing", "pip install 'genmech_fem[viz]'")
    monkeypatch.setitem(sys.modules, "gmsh", None)
    assert findings(capsys, "gmsh", code=1)["gmsh"]["state"] == "missing"


def test_a_wrong_mpiexec_is_told_apart(monkeypatch, tmp_path):
    """A launcher that starts every process on its own, as that of another MPI does."""
    launcher = tmp_path / "mpiexec"
    launcher.write_text('#!/bin/sh\nshift 2\n"$@" & "$@"\nwait\n')
    launcher.chmod(0o755)
    monkeypatch.setattr(solvers, "find_launcher", lambda: str(launcher))
    with pytest.raises(GenmechError, match="do not see each other: it is of another MPI"):
        solvers.ranks()


@pytest.mark.slow
def test_a_broken_plugin_is_named(capsys, monkeypatch, tmp_path):
    folder = tmp_path / "torn-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[genmech_fem.microstructures]\ntorn = no_such_module:Torn\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = findings(capsys, "plugins", code=1)["plugins"]
    assert "torn of microstructures (torn)" in found["found"]
    assert "no_such_module" in found["found"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_everything_works_here(name, capsys):
    assert findings(capsys, name)[name]["state"] == "works"


def test_every_check_is_a_function_of_its_module():
    folder = Path(sys.modules["genmech_fem.cli.checks"].__file__).parent
    for check in CHECKS:
        module, _, name = check.function.partition(":")
        assert f"def {name}() -> str:" in (folder / f"{module}.py").read_text()


def test_the_doctor_itself_imports_nothing_that_may_be_broken():
    script = """
import sys
from genmech_fem.cli import main
assert main(["doctor", "python"]) == 0
print([name for name in ("numpy", "scipy", "torch", "dolfinx", "onnxruntime") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
