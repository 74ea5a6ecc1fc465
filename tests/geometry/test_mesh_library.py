import importlib.util
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.geometry import read

FOLDER = Path(__file__).parents[2] / "meshes"
FILES = ["unit_cell_fibre.msh", "unit_cell_fibre.xdmf", "unit_cell_fibres.vtu"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("make_meshes", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("meshes")
    module.make(folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_each_mesh_is_small_listed_and_made_again_the_same(made, name):
    assert name in (FOLDER / "README.md").read_text()
    assert (FOLDER / name).stat().st_size < 100_000
    stored, again = read(FOLDER / name), read(made / name)
    np.testing.assert_array_equal(stored.cells, again.cells)
    np.testing.assert_array_equal(stored.tags, again.tags)
    np.testing.assert_allclose(stored.points, again.points, atol=1e-12)


def test_nothing_else_lies_there(made):
    assert sorted(path.name for path in made.iterdir()) == FILES
    assert sorted(p.name for p in FOLDER.iterdir() if p.is_file()) == sorted([*FILES, "README.md", "make.py"])
