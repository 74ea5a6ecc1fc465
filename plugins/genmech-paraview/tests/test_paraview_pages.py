"""The README and the example of the filter run."""

import ast
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageStat
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkImagingCore import vtkRTAnalyticSource

FOLDER = Path(__file__).parents[1]


def test_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), flags=re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102
    extent, verdict = map(ast.literal_eval, capsys.readouterr().out.splitlines())
    wavelet = vtkRTAnalyticSource()
    wavelet.Update()
    values = vtk_to_numpy(wavelet.GetOutput().GetPointData().GetScalars()).astype(float)
    expected = (values[[values.argmin(), values.argmax()]] - values.mean()) / values.std()  # what the network does
    np.testing.assert_allclose(extent, expected, rtol=1e-4)
    assert verdict == pytest.approx([(values.max() - 200) / 160, 0.0], abs=2e-6)


def test_the_example_refuses_what_is_unlike_the_training(tmp_path):
    spec = importlib.util.spec_from_file_location("paraview_example", FOLDER / "example.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    picture = tmp_path / "picture.png"
    rows = example.main(picture, resolution=8, samples=24, steps=30, cells=8)
    known, better = rows["like the training"], rows["better conductors"]
    assert known["accepted"]
    assert not better["accepted"]
    # values leave 1..10 for 30 by (30 - 10) / 9, their deviations by more
    assert better["guard distance"] > 20 / 9 - 1e-6
    assert known["error [%]"] < better["error [%]"]
    assert min(ImageStat.Stat(Image.open(picture).convert("RGB")).stddev) > 20
