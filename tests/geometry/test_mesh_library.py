import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.geometry import read

FOLDER = Path(__file__).parents[2] / "meshes"
BY_NUMPY = ["unit_cell_fibre.msh", "unit_cell_fibre.xdmf", "unit_cell_fibres.vtu"]
BY_GMSH = [
    "l_bracket.vtu", "l_bracket_3d.msh", "mbb_beam.msh", "plate.inp", "plate_with_hole.msh", "random_inclusions.msh",
    "spoked_disc.msh",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("make_meshes", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("meshes")
    module.make(folder)
    return folder


@pytest.mark.parametrize("name", BY_NUMPY)
def test_each_mesh_of_an_image_is_made_again_the_same(made, name):
    stored, again = read(FOLDER / name), read(made / name)
    np.testing.assert_array_equal(stored.cells, again.cells)
    np.testing.assert_array_equal(stored.tags, again.tags)
    np.testing.assert_allclose(stored.points, again.points, atol=1e-12)


@pytest.mark.parametrize("name", BY_GMSH)
def test_each_body_is_made_again_of_the_same_size(made, name):
    stored, again = read(FOLDER / name), read(made / name)
    assert stored.names == again.names
    assert len(stored.cells) == pytest.approx(len(again.cells), rel=0.05)  # gmsh's own version may differ
    np.testing.assert_allclose(stored.phase_fractions(), again.phase_fractions(), atol=2e-3)
    for tag in np.unique(stored.facet_tags):
        assert (again.facet_tags == tag).any()


@pytest.mark.parametrize("name", [*BY_NUMPY, *BY_GMSH])
def test_each_mesh_is_small_and_listed_with_its_number_of_cells(name):
    (line,) = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith(f"| `{name}`")]
    assert (FOLDER / name).stat().st_size < 100_000
    counts = re.findall(r"(\d+) (?:triangles|tetrahedra)", line)
    assert counts in ([], [str(len(read(FOLDER / name).cells))])


def test_nothing_else_lies_there(made):
    assert sorted(path.name for path in made.iterdir()) == sorted([*BY_NUMPY, *BY_GMSH])
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sorted(path.name for path in files) == sorted([*BY_NUMPY, *BY_GMSH, "README.md", "make.py"])
    assert sum(path.stat().st_size for path in files) < 500_000
