import json
import sys

import numpy as np
import pytest
from skimage import draw, io

from genmech_fem.cli import main
from genmech_fem.geometry import read


@pytest.fixture
def picture(tmp_path):
    rows = np.zeros((40, 60), dtype=np.uint8)
    rows[draw.disk((10, 15), 7)] = 255  # up, to the left
    io.imsave(tmp_path / "disc.png", rows, check_contrast=False)
    return tmp_path / "disc.png"


def test_a_picture_becomes_a_mesh_with_its_area_and_place(picture, tmp_path, capsys, pictures_of):
    assert main(["mesh", str(picture), str(tmp_path / "disc.msh"), "--width", "6", "--smooth", "1"]) == 0
    mesh = read(tmp_path / "disc.msh")
    np.testing.assert_allclose(mesh.points.max(axis=0), [6.0, 4.0])
    disc = mesh.tags == 1
    pixels = (io.imread(picture) > 0).sum()
    assert mesh.measures()[disc].sum() == pytest.approx(pixels * 0.01, rel=0.02)
    np.testing.assert_allclose(mesh.points[mesh.cells[disc]].mean(axis=(0, 1)), [1.55, 2.95], atol=0.03)
    said = capsys.readouterr().out
    assert f"{len(mesh.cells)} cells (triangle), smallest angle" in said
    assert "phase 1 6." in said
    assert pictures_of(tmp_path / "disc.report.html", "mesh ") == 1


def test_without_matplotlib_the_report_says_how_to_get_pictures(picture, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[:2] == ["genmech_fem", "plotting"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["mesh", str(picture), str(tmp_path / "disc.msh"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == len(read(tmp_path / "disc.msh").cells)
    page = (tmp_path / "disc.report.html").read_text()
    assert "pip install &#x27;genmech_fem[viz]&#x27;" in page
    assert "<img" not in page


def test_a_stack_becomes_tetrahedra(tmp_path, capsys):
    voxels = np.zeros((10, 8, 8))
    voxels[3:7, 2:6, 2:6] = 1.0
    np.save(tmp_path / "box.npy", voxels)
    assert main(["mesh", str(tmp_path / "box.npy"), str(tmp_path / "box.vtu"), "--periodic"]) == 0
    mesh = read(tmp_path / "box.vtu")
    assert mesh.cell_type == "tetra"
    np.testing.assert_allclose(mesh.measures().sum(), 0.8**2)
    assert "smallest dihedral angle" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["none.png", "a.msh"], "expected an image file, found none"),
        (["{picture}", "a.stl"], "expected a mesh file with the suffix"),
        (["{picture}", "nowhere/a.msh"], "expected a folder that exists"),
        (["{picture}", "a.msh", "--width", "-1"], "--width: expected a positive length, got -1"),
        (["{picture}", "a.msh", "--refine", "0"], "refine"),
    ],
)
def test_bad_input_is_one_line_and_code_2(picture, tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert main(["mesh", *(a.format(picture=picture) for a in arguments)]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
