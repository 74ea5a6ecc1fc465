"""The C++ example compiles without a warning and gives the numbers of `OnnxModel`, where the headers are.

They are looked for in the folder ORT_INCLUDE, where pkg-config says, and in the usual places. The library of the Python
package serves to link with: it is the same, under a longer name.
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from genmech_fem.runtime import METADATA_KEY, OnnxModel

SOURCE = Path(__file__).parents[1] / "examples" / "onnx_from_cpp" / "main.cpp"
HEADER = "onnxruntime_c_api.h"
PLACES = ("/usr/include", "/usr/local/include", "/opt/onnxruntime/include")


def include():
    """The folder of the header, or None."""
    told = [os.environ.get("ORT_INCLUDE", "")]
    if shutil.which("pkg-config"):
        command = ["pkg-config", "--cflags-only-I", "libonnxruntime"]
        flags = shlex.split(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
        told += [flag.removeprefix("-I") for flag in flags]
    folders = [folder for folder in told if folder] + [
        str(found.parent) for place in PLACES for found in sorted(Path(place).glob(f"**/{HEADER}"))
    ]
    return next((folder for folder in folders if (Path(folder) / HEADER).is_file()), None)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The compiled example."""
    headers, compiler = include(), shutil.which("g++")
    if headers is None or compiler is None:
        pytest.skip(f"needs g++ and {HEADER}: install them, or say where the header is by ORT_INCLUDE")
    folder = tmp_path_factory.mktemp("cpp")
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(library)
    options = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    links = ["-I", headers, "-L", str(folder), "-lonnxruntime", f"-Wl,-rpath,{folder}"]
    subprocess.run([compiler, *options, str(SOURCE), *links, "-o", str(folder / "onnx_from_cpp")], check=True)
    return folder / "onnx_from_cpp"


def run(program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)


def test_it_prints_the_metadata_and_gives_the_numbers_of_python(program, onnx_file, cells, tmp_path):
    phase = cells["phase"][:5]
    phase.astype("<f4").tofile(tmp_path / "phase.f32")
    done = run(program, onnx_file, tmp_path, tmp_path / "phase.f32")
    assert (done.returncode, done.stderr) == (0, "")
    told, *lines = done.stdout.splitlines()
    model = OnnxModel(onnx_file)
    assert json.loads(told) == json.loads(json.dumps(model.metadata))
    assert METADATA_KEY in SOURCE.read_text()
    assert lines == [
        "input phase (any, 16, 16)",
        "output stiffness (any, 6)",
        "output strain (any, 3, 3, 16, 16)",
        "wrote stiffness (5, 6)",
        "wrote strain (5, 3, 3, 16, 16)",
    ]
    for name, expected in model({"phase": phase}).items():
        got = np.fromfile(tmp_path / f"{name}.f32", "<f4").reshape(expected.shape)
        np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


def test_errors_are_one_line(program, onnx_file, cells, tmp_path):
    cells["phase"][:2].astype("<f4").tofile(tmp_path / "phase.f32")
    (tmp_path / "cut.f32").write_bytes((tmp_path / "phase.f32").read_bytes()[:-4])
    (tmp_path / "cut.onnx").write_bytes(onnx_file.read_bytes()[:1000])
    good = onnx_file, tmp_path, tmp_path / "phase.f32"
    for words, message in (
        ((), "expected MODEL.onnx FOLDER INPUT.f32"),
        ((tmp_path / "absent.onnx", *good[1:]), "absent.onnx"),
        ((tmp_path / "cut.onnx", *good[1:]), "cut.onnx"),
        ((*good, tmp_path / "phase.f32"), "expected 1 input files, got 2"),
        ((*good[:2], tmp_path / "cut.f32"), "expected a multiple of 1024 bytes for phase (any, 16, 16), got 2044"),
        ((*good[:2], tmp_path / "absent.f32"), "no input file"),
        ((onnx_file, tmp_path / "absent", good[2]), "cannot write"),
    ):
        done = run(program, *words)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.startswith("onnx_from_cpp: ")
        assert done.stderr.strip().count("\n") == 0
