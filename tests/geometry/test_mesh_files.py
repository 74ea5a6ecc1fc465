import sys

import meshio
import numpy as np
import pytest

from genmech_fem.errors import MeshingError, MissingExtraError
from genmech_fem.geometry import Mesh, conforming_mesh, read, write
from genmech_fem.geometry.xdmf import read_xdmf

SUFFIXES = [".msh", ".vtk", ".vtu", ".xdmf"]


def meshes():
    generator = np.random.default_rng(0)
    square = generator.random((4, 2))
    cube = generator.random((8, 3))
    return {
        "stuffed": conforming_mesh(generator.random((8, 8))),
        "one phase": conforming_mesh(np.ones((4, 4))),
        "surface": Mesh(cube, [[0, 1, 2], [3, 4, 5], [5, 6, 7]], "triangle", [2, 0, 2]),
        "quad": Mesh(square, [[0, 1, 2, 3]], "quad", [4]),
        "tetra": Mesh(cube, [[0, 1, 2, 3], [4, 5, 6, 7]], "tetra", [1, 0]),
        "hexahedron": Mesh(cube, [range(8)], "hexahedron", [0]),
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", meshes())
def test_a_mesh_returns_bit_for_bit(tmp_path, suffix, name, capfd):
    mesh = meshes()[name]
    size = len(mesh.points), len(mesh.cells)
    point_data = {"height": np.arange(size[0]), "motion": np.ones((size[0], mesh.dimension))}
    cell_data = {"fibre": np.ones(size[1], dtype=bool), "stress": np.ones((size[1], mesh.dimension, mesh.dimension))}
    write(mesh, tmp_path / f"a{suffix}", point_data=point_data, cell_data=cell_data)
    copy = read(str(tmp_path / f"a{suffix}"))
    assert copy.cell_type == mesh.cell_type
    for part in ("points", "cells", "tags"):
        np.testing.assert_array_equal(getattr(copy, part), getattr(mesh, part))
        assert getattr(copy, part).dtype == getattr(mesh, part).dtype
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fields_arrive_in_the_file(tmp_path, suffix):
    mesh = meshes()["stuffed"]
    motion = np.random.default_rng(1).random((len(mesh.points), 2))
    write(mesh, tmp_path / f"a{suffix}", point_data={"motion": motion})
    raw = read_xdmf(tmp_path / "a.xdmf")[0] if suffix == ".xdmf" else meshio.read(tmp_path / f"a{suffix}")
    stored = raw.point_data["motion"]
    np.testing.assert_array_equal(stored, np.column_stack([motion, np.zeros(len(motion))]))


def test_xdmf_needs_no_hdf5(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    mesh = meshes()["stuffed"]
    write(mesh, tmp_path / "a.xdmf")
    np.testing.assert_array_equal(read(tmp_path / "a.xdmf").tags, mesh.tags)


def test_gmsh_sees_one_named_physical_group_per_phase(tmp_path):
    mesh = meshes()["stuffed"]
    write(mesh, tmp_path / "a.msh")
    stored = meshio.gmsh.read(tmp_path / "a.msh")
    np.testing.assert_array_equal(stored.cell_data["gmsh:physical"][0], mesh.tags + 1)
    assert {name: list(group) for name, group in stored.field_data.items()} == {"phase_0": [1, 2], "phase_1": [2, 2]}


def test_a_file_of_gmsh_keeps_its_physical_tags_and_loses_lines_and_loose_points(tmp_path):
    points = np.array([[9.0, 9.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    blocks = [("line", np.array([[1, 2]])), ("triangle", np.array([[1, 2, 3], [2, 4, 3]]))]
    tags = [np.array([3]), np.array([7, 8])]
    stored = meshio.Mesh(points, blocks, cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags})
    meshio.gmsh.write(tmp_path / "a.msh", stored, fmt_version="2.2")
    mesh = read(tmp_path / "a.msh")
    np.testing.assert_array_equal(mesh.points, points[1:, :2])
    np.testing.assert_array_equal(mesh.cells, [[0, 1, 2], [1, 3, 2]])
    np.testing.assert_array_equal(mesh.tags, [7, 8])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_file_gives_one_clear_line(tmp_path, suffix, capfd):
    path = tmp_path / f"a{suffix}"
    write(meshes()["stuffed"], path)
    content = path.read_bytes()
    for share in np.linspace(0, 0.98, 25):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(MeshingError, match=rf"a\{suffix}: expected a complete \{suffix} mesh file, ") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 50, b"solid cube\n", b"<a><b/></a>"])
def test_a_foreign_file_gives_one_clear_line(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(MeshingError, match=rf"a\{suffix}: expected a complete \{suffix} mesh file, "):
        read(path)


def test_other_cells_are_refused(tmp_path):
    points = np.random.default_rng(0).random((6, 3))
    meshio.vtu.write(tmp_path / "a.vtu", meshio.Mesh(points, [("wedge", np.arange(6)[None])]))
    with pytest.raises(MeshingError, match=r"expected cells of one type of \[.*\], got \['wedge'\]"):
        read(tmp_path / "a.vtu")


def test_xdmf_with_numbers_elsewhere_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.xdmf"
    write(meshes()["quad"], path)
    text = path.read_text()
    path.write_text(text.replace('Format="XML"', 'Format="Binary"'))
    with pytest.raises(MeshingError, match="expected the numbers inside the file or in HDF5, got Format 'Binary'"):
        read(path)
    monkeypatch.setitem(sys.modules, "pyfive", None)
    path.write_text(text.replace('Format="XML"', 'Format="HDF"'))
    with pytest.raises(MissingExtraError, match="pyfive"):
        read(path)


def test_wrong_calls_are_refused(tmp_path):
    mesh = meshes()["stuffed"]
    for call in (read, lambda path: write(mesh, path)):
        with pytest.raises(ValueError, match=r"suffix \['.*'.vtu', '.xdmf'\], got '.stl'"):
            call(tmp_path / "a.stl")
    with pytest.raises(FileNotFoundError, match=r"expected a mesh file, found none at .*b\.msh"):
        read(tmp_path / "b.msh")
    with pytest.raises(ValueError, match=r"is written from mesh\.tags"):
        write(mesh, tmp_path / "a.vtu", cell_data={"phase": mesh.tags})
    with pytest.raises(ValueError, match=r"got float64 of shape \(3,\) for 'u'"):
        write(mesh, tmp_path / "a.vtu", point_data={"u": np.zeros(3)})
    with pytest.raises(ValueError, match="name without blanks"):
        write(mesh, tmp_path / "a.vtu", cell_data={"a b": mesh.tags})
    with pytest.raises(ValueError, match=r"1, 3 or 9 components only, use \.vtu"):
        write(mesh, tmp_path / "a.msh", cell_data={"voigt": np.zeros((len(mesh.cells), 6))})
