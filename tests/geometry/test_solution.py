import contextlib
import itertools
import subprocess
import sys
from pathlib import Path

import meshio
import numpy as np
import pytest
from scipy.io import netcdf_file

from genmech_fem.errors import MeshingError, MissingExtraError
from genmech_fem.fields import Grid
from genmech_fem.geometry import Mesh
from genmech_fem.geometry.files import read, read_solution, write
from genmech_fem.geometry.solution import Solution

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [2.0, 0.0], [2.0, 1.0]])
TRIANGLES = Mesh(SQUARE, [[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]], "triangle", [0, 0, 1, 1])

PLATE = """*Heading
 a plate of two materials, 3 x 2 nodes
*Part, name=Plate
*Node, nset=lower
  10, 0., 0.
  20, 1., 0.
  30, 2., 0.
**
*NODE
  11, 0., 1.
  21, 1., 1.
  31, 2., 1.
*ELEMENT, TYPE=cps4r, ELSET=Steel
 7, 10, 20, 21, 11
*Element, type=CPS4R, elset="Glass ply"
 9, 20, 30, 31, 21
*Nset, nset=Clamped, generate
  10, 11
*Nset, nset=Everything
 lower, 11, 21,
 31
*Elset, elset=All,
 generate
 7, 9, 2
*Surface, name=Load
 9, S2
*Solid Section, elset=Steel, material=Steel
1.,
*End Part
"""


def steel_and_glass(tmp_path, text=PLATE):
    path = tmp_path / "plate.inp"
    path.write_text(text)
    return path


def test_an_abaqus_file_gives_materials_sets_and_surfaces(tmp_path):
    solution = read_solution(steel_and_glass(tmp_path))
    mesh = solution.mesh
    np.testing.assert_array_equal(mesh.points, [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]])
    np.testing.assert_array_equal(mesh.cells, [[0, 1, 4, 3], [1, 2, 5, 4]])
    np.testing.assert_array_equal(mesh.tags, [mesh.names["Steel"], mesh.names["Glass ply"]])
    assert "All" not in mesh.names  # each cell is in a smaller set
    np.testing.assert_array_equal(mesh.facets, [[2, 5]])
    assert mesh.facet_tags.tolist() == [mesh.names["Load"]]
    sets = {name: nodes.tolist() for name, nodes in solution.point_sets.items()}
    assert sets == {"lower": [0, 1, 2], "Clamped": [0, 3], "Everything": [0, 1, 2, 3, 4, 5]}
    assert {name: cells.tolist() for name, cells in solution.cell_sets.items()} == {
        "Steel": [0],
        "Glass ply": [1],
        "All": [0, 1],
    }


def test_without_surfaces_the_sets_of_nodes_name_the_boundary(tmp_path):
    text = PLATE.replace("*Surface, name=Load\n 9, S2\n", "").replace("10, 11\n*Nset", "10, 11, 1\n*Nset")
    mesh = read(steel_and_glass(tmp_path, text))
    named = {name: mesh.facets[mesh.facet_tags == tag].tolist() for name, tag in mesh.names.items()}
    assert named["lower"] == [[0, 1], [1, 2]]
    assert named["Clamped"] == [[3, 0]]
    assert len(named["Everything"]) == 3  # the rest


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("cps4r", "CXYZ4", "expected a solid, plane, shell or truss element, got the type 'CXYZ4'"),
        ("7, 10, 20, 21, 11", "7, 10, 20, 99, 11", "expected a node of the file, got 99"),
        ("7, 10, 20, 21, 11", "7, 10, 20, 21", "expected 5 numbers for each element of cps4r, got 4 in all"),
        ("  11, 0., 1.", "  10, 0., 1.", "every node once, got node 10 twice: export one part"),
        ("lower, 11", "upper, 11", "expected a set of the file, got 'upper'"),
        (" 9, 20", " 7, 20", "every element once"),
        ("*Heading", "*Include, input=plate.inp\n*Heading", "at most 10 deep"),
    ],
)
def test_a_broken_abaqus_file_gives_one_clear_line(tmp_path, old, new, reason):
    with pytest.raises(MeshingError, match=reason):
        read(steel_and_glass(tmp_path, PLATE.replace(old, new, 1)))


@pytest.mark.parametrize("suffix", [".inp", ".bdf", ".mesh", ".su2"])
def test_a_truncated_text_file_is_read_so_far_or_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".inp":
        path.write_text(PLATE)
    else:
        module = {".bdf": meshio.nastran, ".mesh": meshio.medit, ".su2": meshio.su2}[suffix]
        module.write(path, meshio.Mesh(SQUARE, [("triangle", TRIANGLES.cells)]))
    content = path.read_bytes()
    for size in range(0, len(content), max(1, len(content) // 60)):
        path.write_bytes(content[:size])
        with contextlib.suppress(MeshingError):
            assert len(read(path).cells) <= len(TRIANGLES.cells)


def test_an_included_file_is_read_at_its_place(tmp_path):
    nodes, rest = PLATE.split("**\n")
    (tmp_path / "nodes.inc").write_text(nodes)
    copy = read(steel_and_glass(tmp_path, "*INCLUDE, INPUT=nodes.inc\n" + rest))
    np.testing.assert_array_equal(copy.points, read(steel_and_glass(tmp_path)).points)


def test_surfaces_of_solid_elements_are_their_faces_seen_from_outside(tmp_path):
    cube = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
    centres = {
        1: [0.5, 0.5, 0],
        2: [0.5, 0.5, 1],
        3: [0.5, 0, 0.5],
        4: [1, 0.5, 0.5],
        5: [0.5, 1, 0.5],
        6: [0, 0.5, 0.5],
    }
    text = "*NODE\n" + "\n".join(f"{i + 1}, {x}, {y}, {z}" for i, (x, y, z) in enumerate(cube))
    text += "\n*ELEMENT, TYPE=C3D8R\n1, 1, 2, 3, 4, 5, 6, 7, 8\n"
    text += "".join(f"*SURFACE, NAME=side{k}\n1, S{k}\n" for k in centres)
    mesh = read(steel_and_glass(tmp_path, text))
    for k, centre in centres.items():
        (facet,) = mesh.facets[mesh.facet_tags == mesh.names[f"side{k}"]]
        np.testing.assert_allclose(mesh.points[facet].mean(axis=0), centre)


@pytest.mark.parametrize("version", ["2.2", "4.1"])
@pytest.mark.parametrize("binary", [False, True])
def test_gmsh_gives_physical_groups_of_cells_and_facets(tmp_path, version, binary):
    gmsh_made = tmp_path / "plate.msh"
    script = f"""
import gmsh
gmsh.initialize()
gmsh.option.setNumber("General.Terminal", 0)
gmsh.option.setNumber("Mesh.MshFileVersion", {version})
gmsh.option.setNumber("Mesh.Binary", {int(binary)})
gmsh.model.occ.addRectangle(0, 0, 0, 1, 1)
gmsh.model.occ.addDisk(0.5, 0.5, 0, 0.2, 0.2)
gmsh.model.occ.fragment([(2, 1)], [(2, 2)])
gmsh.model.occ.synchronize()
gmsh.model.addPhysicalGroup(2, [2], 5, "disc")
gmsh.model.addPhysicalGroup(2, [3 if (2, 3) in gmsh.model.getEntities(2) else 1], 7, "plate")
left = [tag for dim, tag in gmsh.model.getEntitiesInBoundingBox(-0.1, -0.1, -0.1, 0.01, 1.1, 0.1, 1)]
gmsh.model.addPhysicalGroup(1, left, 3, "left side")
gmsh.option.setNumber("Mesh.MeshSizeMax", 0.1)
gmsh.model.mesh.generate(2)
gmsh.write({str(gmsh_made)!r})
gmsh.finalize()
"""
    pytest.importorskip("gmsh")
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    mesh = read(gmsh_made)
    assert mesh.names == {"disc": 5, "plate": 7, "left side": 3}
    assert mesh.measures().sum() == pytest.approx(1.0)
    assert mesh.measures()[mesh.tags == 5].sum() == pytest.approx(np.pi * 0.04, rel=0.05)
    left = mesh.points[mesh.facets[mesh.facet_tags == 3]]
    assert np.abs(left[..., 0]).max() < 1e-12
    assert np.linalg.norm(left[:, 1] - left[:, 0], axis=1).sum() == pytest.approx(1.0)


def test_facets_and_names_return_from_a_gmsh_file(tmp_path):
    names = {"matrix": 0, "fibre": 1, "left": 11, "interface": 100}
    facets, facet_tags = [[0, 3], [1, 2]], [11, 100]
    mesh = Mesh(SQUARE, TRIANGLES.cells, "triangle", TRIANGLES.tags, facets, facet_tags, names)
    write(mesh, tmp_path / "a.msh", cell_data={"stress": np.arange(4.0)}, point_data={"height": np.arange(6.0)})
    solution = read_solution(tmp_path / "a.msh")
    copy = solution.mesh
    for part in ("points", "cells", "tags", "facets", "facet_tags"):
        np.testing.assert_array_equal(getattr(copy, part), getattr(mesh, part))
    assert copy.names == names | {"phase_0": 0, "phase_1": 1}
    np.testing.assert_array_equal(solution.cell_data["stress"], np.arange(4.0))
    np.testing.assert_array_equal(solution.point_data["height"], np.arange(6.0))


@pytest.mark.parametrize("name", ["matrix", "disc"])
def test_gmsh_reads_the_groups_that_are_written(tmp_path, name):
    gmsh = pytest.importorskip("gmsh")
    del gmsh
    mesh = Mesh(SQUARE, TRIANGLES.cells, "triangle", TRIANGLES.tags, [[0, 3]], [11], {name: 0, "left": 11})
    write(mesh, tmp_path / "a.msh")
    script = f"""
import gmsh
gmsh.initialize()
gmsh.option.setNumber("General.Terminal", 0)
gmsh.open({str(tmp_path / "a.msh")!r})
print(sorted((dim, tag, gmsh.model.getPhysicalName(dim, tag)) for dim, tag in gmsh.model.getPhysicalGroups()))
gmsh.finalize()
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1] == str([(1, 11, "left"), (2, 1, name), (2, 2, "phase_1")])


def test_a_facet_tag_of_0_does_not_fit_gmsh(tmp_path):
    mesh = Mesh(SQUARE, TRIANGLES.cells, "triangle", TRIANGLES.tags, [[0, 3]], [0])
    with pytest.raises(ValueError, match="holds facet tags from 1 on, got 0"):
        write(mesh, tmp_path / "a.msh")


def fields():
    return {"u": np.arange(12.0).reshape(6, 2), "T": np.arange(6.0)}, {"stress": np.arange(16.0).reshape(4, 2, 2)}


def meshio_mesh():
    at_points, at_cells = fields()
    flat = {name: [data.reshape(len(data), -1)] for name, data in at_cells.items()}
    return meshio.Mesh(np.c_[SQUARE, np.zeros(6)], [("triangle", TRIANGLES.cells)], at_points, flat)


WAYS = {
    "ascii.vtu": lambda path: meshio.vtu.write(path, meshio_mesh(), binary=False),
    "plain.vtu": lambda path: meshio.vtu.write(path, meshio_mesh(), compression=None),
    "zlib.vtu": lambda path: meshio.vtu.write(path, meshio_mesh(), compression="zlib"),
    "lzma.vtu": lambda path: meshio.vtu.write(path, meshio_mesh(), compression="lzma"),
    "ascii.vtk": lambda path: meshio.vtk.write(path, meshio_mesh(), binary=False),
    "old.vtk": lambda path: meshio.vtk.write(path, meshio_mesh(), fmt_version="4.2"),
    "new.vtk": lambda path: meshio.vtk.write(path, meshio_mesh()),
}


@pytest.mark.parametrize("name", WAYS)
def test_every_dialect_of_vtk_gives_the_same_arrays(tmp_path, name):
    WAYS[name](tmp_path / name)
    check_fields(read_solution(tmp_path / name))


def check_fields(solution):
    at_points, at_cells = fields()
    np.testing.assert_array_equal(solution.mesh.points, SQUARE)
    np.testing.assert_array_equal(solution.mesh.cells, TRIANGLES.cells)
    np.testing.assert_array_equal(solution.point_data["T"], at_points["T"])
    np.testing.assert_array_equal(solution.point_data["u"][:, :2], at_points["u"])
    np.testing.assert_array_equal(solution.cell_data["stress"].reshape(4, -1), at_cells["stress"].reshape(4, -1))


def vtk_grid():
    pyvista = pytest.importorskip("pyvista")
    grid = pyvista.UnstructuredGrid({5: TRIANGLES.cells}, np.c_[SQUARE, np.zeros(6)])
    at_points, at_cells = fields()
    grid.point_data.update(at_points)
    grid.cell_data["stress"] = at_cells["stress"].reshape(4, -1)
    return grid


ENCODINGS = [*itertools.product(["Ascii", "Binary", "Appended"], ["None", "ZLib"]), ("Appended", "LZ4")]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_vtu_files_of_vtk_itself_are_read(tmp_path, encoding):
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    grid = vtk_grid()
    mode, compression = encoding
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(grid)
    writer.SetFileName(str(tmp_path / "a.vtu"))
    getattr(writer, f"SetDataModeTo{mode}")()
    getattr(writer, f"SetCompressorTypeTo{compression}")()
    writer.Write()
    check_fields(read_solution(tmp_path / "a.vtu"))


@pytest.mark.parametrize("suffix", [".vtkhdf", ".vtk", ".vtm"])
def test_files_that_only_vtk_reads_well_are_read_by_it(tmp_path, suffix):
    grid = vtk_grid()
    grid.cell_data["number"] = np.arange(4, dtype=np.int64)
    if suffix == ".vtm":
        pyvista = pytest.importorskip("pyvista")
        parts = pyvista.MultiBlock({"one": grid.extract_cells([0, 1]), "two": grid.extract_cells([2, 3])})
        parts.save(tmp_path / "a.vtm")
    else:
        grid.save(tmp_path / f"a{suffix}")
    solution = read_solution(tmp_path / f"a{suffix}")
    if suffix != ".vtm":
        check_fields(solution)
        return
    assert len(solution.mesh.points) == 6  # those of the seam are one
    assert solution.mesh.names == {"one": 0, "two": 1}
    np.testing.assert_array_equal(solution.mesh.tags, [0, 0, 1, 1])
    np.testing.assert_array_equal(solution.cell_data["number"], np.arange(4))


def test_a_series_in_time_gives_its_steps(tmp_path):
    grid = vtk_grid()
    for step in range(3):
        grid.point_data["T"] = np.full(6, float(step))
        grid.save(tmp_path / f"a{step}.vtu")
    sets = "".join(f'<DataSet timestep="{0.5 * k}" part="0" file="a{k}.vtu"/>' for k in range(3))
    (tmp_path / "a.pvd").write_text(
        f'<VTKFile type="Collection" version="0.1"><Collection>{sets}</Collection></VTKFile>'
    )
    for step, time in ((-1, 1.0), (1, 0.5)):
        solution = read_solution(tmp_path / "a.pvd", step)
        assert solution.time == time
        np.testing.assert_array_equal(solution.point_data["T"], np.full(6, 2 * time))
    with pytest.raises(MeshingError, match="step=3: expected one of 3 steps"):
        read_solution(tmp_path / "a.pvd", 3)


def exodus(path):
    """Two blocks of quadrilaterals, a side set and a node set; two steps of a field (as Cubit or MOOSE write it)."""
    file = netcdf_file(path, "w", version=1)
    sizes = {"len_name": 33, "num_dim": 2, "num_nodes": 6, "num_elem": 2, "num_el_blk": 2, "num_el_in_blk1": 1}
    sizes |= {"num_nod_per_el1": 4, "num_el_in_blk2": 1, "num_nod_per_el2": 4, "num_side_sets": 1, "num_side_ss1": 1}
    sizes |= {"num_node_sets": 1, "num_nod_ns1": 2, "num_nod_var": 1, "num_elem_var": 1, "four": 4, "len_string": 33}
    sizes |= {"len_line": 81}
    for name, size in {"time_step": None, **sizes}.items():
        file.createDimension(name, size)
    file.title, file.version, file.api_version = "plate", np.float32(5.14), np.float32(5.14)
    file.floating_point_word_size, file.file_size, file.int64_status = np.int32(8), np.int32(1), np.int32(0)
    file.maximum_name_length = np.int32(32)

    def put(name, data, *dimensions, kind=None):
        data = np.asarray(data)
        variable = file.createVariable(name, kind or {"i": "i4", "f": "f8", "S": "S1"}[data.dtype.kind], dimensions)
        variable[: len(data)] = data
        return variable

    def text(*names):
        return np.array([list(name.ljust(33, "\0")) for name in names], dtype="S1")

    put("time_whole", [0.0, 2.0], "time_step")
    put("coordx", SQUARE[:, 0], "num_nodes")
    put("coordy", SQUARE[:, 1], "num_nodes")
    put("coor_names", text("x", "y"), "num_dim", "len_name")
    put("eb_status", [1, 1], "num_el_blk")
    put("eb_prop1", [4, 9], "num_el_blk").name = "ID"
    put("eb_names", text("steel", "glass"), "num_el_blk", "len_name")
    put("connect1", [[1, 2, 3, 4]], "num_el_in_blk1", "num_nod_per_el1").elem_type = "QUAD4"
    put("connect2", [[2, 5, 6, 3]], "num_el_in_blk2", "num_nod_per_el2").elem_type = "QUAD4"
    put("ss_status", [1], "num_side_sets")
    put("ss_prop1", [3], "num_side_sets").name = "ID"
    put("ss_names", text("load"), "num_side_sets", "len_name")
    put("elem_ss1", [2], "num_side_ss1")
    put("side_ss1", [2], "num_side_ss1")
    put("ns_status", [1], "num_node_sets")
    put("ns_prop1", [8], "num_node_sets").name = "ID"
    put("ns_names", text("clamped"), "num_node_sets", "len_name")
    put("node_ns1", [1, 4], "num_nod_ns1")
    put("name_nod_var", text("T"), "num_nod_var", "len_name")
    put("name_elem_var", text("energy"), "num_elem_var", "len_name")
    put("vals_nod_var1", [np.zeros(6), np.arange(6.0)], "time_step", "num_nodes")
    put("vals_elem_var1eb1", [[0.0], [1.5]], "time_step", "num_el_in_blk1")
    put("vals_elem_var1eb2", [[0.0], [2.5]], "time_step", "num_el_in_blk2")
    file.close()


def test_exodus_gives_blocks_side_sets_and_steps(tmp_path):
    pytest.importorskip("pyvista")
    exodus(tmp_path / "a.exo")
    solution = read_solution(tmp_path / "a.exo")
    mesh = solution.mesh
    np.testing.assert_array_equal(mesh.points, SQUARE)
    np.testing.assert_array_equal(mesh.cells, [[0, 1, 2, 3], [1, 4, 5, 2]])
    np.testing.assert_array_equal(mesh.tags, [4, 9])
    np.testing.assert_array_equal(mesh.facets, [[4, 5]])
    assert mesh.facet_tags.tolist() == [3]
    assert mesh.names == {"steel": 4, "glass": 9, "load": 3}
    assert solution.point_sets["clamped"].tolist() == [0, 3]
    assert solution.time == 2.0
    np.testing.assert_array_equal(solution.point_data["T"], np.arange(6.0))
    np.testing.assert_array_equal(solution.cell_data["energy"], [1.5, 2.5])
    assert not read_solution(tmp_path / "a.exo", 0).point_data["T"].any()


def test_a_damaged_file_for_vtk_gives_one_clear_line(tmp_path):
    pytest.importorskip("pyvista")
    exodus(tmp_path / "a.exo")
    content = (tmp_path / "a.exo").read_bytes()
    for size in (200, len(content) // 2):
        (tmp_path / "b.exo").write_bytes(content[:size])
        with pytest.raises(
            MeshingError, match=r"b\.exo: expected a complete \.exo mesh file, cannot read it: "
        ) as caught:
            read(tmp_path / "b.exo")
        assert "\n" not in str(caught.value)


def test_a_file_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    pytest.importorskip("pyvista")
    exodus(tmp_path / "a.exo")
    monkeypatch.setattr("genmech_fem.geometry.vtk_files.TIME_LIMIT", 0.01)
    with pytest.raises(MeshingError, match=r"VTK: no result within 0\.01 s"):
        read(tmp_path / "a.exo")


def test_without_pyvista_the_extra_is_named(tmp_path, monkeypatch):
    exodus(tmp_path / "a.exo")
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(MissingExtraError, match=r"genmech_fem\[viz\]"):
        read(tmp_path / "a.exo")


def test_nastran_and_medit_keep_their_property_numbers(tmp_path):
    points = np.c_[SQUARE, np.zeros(6)]
    for suffix, key in ((".bdf", "nastran:ref"), (".mesh", "medit:ref"), (".su2", None)):
        data = {key: [np.array([3, 3, 8, 8])]} if key else {}
        raw = meshio.Mesh(points if key else SQUARE, [("triangle", TRIANGLES.cells)], cell_data=data)
        module = {".bdf": meshio.nastran, ".mesh": meshio.medit, ".su2": meshio.su2}[suffix]
        module.write(tmp_path / f"a{suffix}", raw)
        mesh = read(tmp_path / f"a{suffix}")
        np.testing.assert_allclose(mesh.points, SQUARE)
        assert mesh.tags.tolist() == ([3, 3, 8, 8] if key else [0] * 4)


@pytest.mark.parametrize(
    ("kind", "linear", "nodes"),
    [("triangle6", "triangle", 6), ("quad8", "quad", 8), ("tetra10", "tetra", 10), ("hexahedron20", "hexahedron", 20)],
)
def test_cells_of_higher_order_keep_their_corners_and_the_data_there(tmp_path, kind, linear, nodes):
    generator = np.random.default_rng(0)
    flat = kind in ("triangle6", "quad8")
    points = np.c_[generator.random((nodes, 2)), np.zeros(nodes) if flat else generator.random(nodes)]
    raw = meshio.Mesh(points, [(kind, np.arange(nodes)[None])], {"T": np.arange(float(nodes))})
    meshio.vtu.write(tmp_path / "a.vtu", raw)
    solution = read_solution(tmp_path / "a.vtu")
    corners = solution.mesh.cells.shape[1]
    assert solution.mesh.cell_type == linear
    np.testing.assert_array_equal(solution.mesh.points, points[:corners, : 2 if flat else 3])
    np.testing.assert_array_equal(solution.point_data["T"], np.arange(corners))
    assert "higher order" in solution.notes[0]


def test_mixed_cells_are_refused_or_split_on_request(tmp_path):
    blocks = [("quad", np.array([[0, 1, 2, 3]])), ("triangle", np.array([[1, 4, 5], [1, 5, 2]]))]
    raw = meshio.Mesh(np.c_[SQUARE, np.zeros(6)], blocks, cell_data={"phase": [np.array([2]), np.array([0, 1])]})
    meshio.vtu.write(tmp_path / "a.vtu", raw)
    with pytest.raises(MeshingError, match=r"got \['quad', 'triangle'\]: pass split_quads=True"):
        read(tmp_path / "a.vtu")
    mesh = read_solution(tmp_path / "a.vtu", split_quads=True).mesh
    assert mesh.cell_type == "triangle"
    np.testing.assert_array_equal(mesh.tags, [2, 2, 0, 1])
    np.testing.assert_allclose(mesh.measures(), 0.5)


def test_a_quadrilateral_is_split_at_its_shorter_diagonal(tmp_path):
    kite = np.array([[0.0, 0.0], [1.0, -0.2], [3.0, 0.0], [1.0, 0.2]])
    write(Mesh(kite, [[0, 1, 2, 3]], "quad", [1]), tmp_path / "a.vtu")
    mesh = read_solution(tmp_path / "a.vtu", split_quads=True).mesh
    assert all({1, 3} <= set(cell) for cell in mesh.cells.tolist())
    np.testing.assert_allclose(mesh.measures().sum(), 0.6)


@pytest.mark.parametrize("cells", [[[0, 1, 17]], [[0, 1, -2]]])
def test_broken_connectivity_gives_one_clear_line(tmp_path, cells):
    meshio.vtu.write(tmp_path / "a.vtu", meshio.Mesh(np.zeros((6, 3)), [("triangle", np.array(cells))]))
    with pytest.raises(MeshingError, match=r"expected triangle cells of points 0 to 5, got"):
        read(tmp_path / "a.vtu")


MESHES = Path(__file__).parents[2] / "meshes"


@pytest.mark.parametrize("path", sorted(MESHES.glob("*.[mxvi][stdn][hmukp]*")), ids=lambda path: path.name)
def test_every_file_of_the_mesh_library_is_read(path):
    solution = read_solution(path)
    assert np.abs(solution.mesh.measures()).min() > 0
    assert solution.source == str(path)


def test_another_field_can_give_the_tags(tmp_path):
    write(TRIANGLES, tmp_path / "a.vtu", cell_data={"grain": np.array([5, 6, 7, 8]), "E": np.array([0.5, 1, 2, 3])})
    assert read_solution(tmp_path / "a.vtu", tags="grain").mesh.tags.tolist() == [5, 6, 7, 8]
    with pytest.raises(MeshingError, match="expected integer tags in the cell field 'E'"):
        read_solution(tmp_path / "a.vtu", tags="E")
    with pytest.raises(MeshingError, match="tags='grains': expected the name of a cell field among"):
        read_solution(tmp_path / "a.vtu", tags="grains")
    with pytest.raises(MeshingError, match="step=1: expected one of 1 steps"):
        read_solution(tmp_path / "a.vtu", 1)


def sheared(kind):
    """One mesh of the box (0, 0) to (2, 1) or its extrusion, and a linear field."""
    if kind == "triangle":
        return TRIANGLES
    if kind == "quad":
        return Mesh(SQUARE, [[0, 1, 2, 3], [1, 4, 5, 2]], "quad", [0, 1])
    points = np.r_[np.c_[SQUARE, np.zeros(6)], np.c_[SQUARE, np.ones(6)]]
    hexahedra = np.array([[0, 1, 2, 3, 6, 7, 8, 9], [1, 4, 5, 2, 7, 10, 11, 8]])
    if kind == "hexahedron":
        return Mesh(points, hexahedra, kind, [0, 1])
    six = [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]]
    return Mesh(points, hexahedra[:, six].reshape(-1, 4), "tetra", np.repeat([0, 1], 6))


@pytest.mark.parametrize("kind", ["triangle", "quad", "tetra", "hexahedron"])
def test_linear_fields_arrive_on_the_grid_exactly_with_axes_in_order(kind):
    pytest.importorskip("genmech_fem.geometry.location")
    mesh = sheared(kind)
    n = mesh.dimension
    slopes = np.array([[1.0, 10.0, 100.0], [-3.0, 0.5, 2.0]])[:, :n]
    data = mesh.points @ slopes.T + [1.0, 2.0]
    solution = Solution(mesh, {"u": data, "x": mesh.points[:, 0]}, {"phase": mesh.tags})
    grid = Grid((8, 5, 3)[:n], (-0.5, 0.0, 0.0)[:n], (3.5, 1.0, 1.0)[:n])
    fields, inside = solution.sample(grid)
    points = grid.points()
    expected = (points[:, 0] > 0) & (points[:, 0] < 2)
    np.testing.assert_array_equal(inside.ravel(), expected)
    assert fields["u"].shape == (2, *grid.shape)
    np.testing.assert_allclose(fields["u"][:, inside].T, points[expected] @ slopes.T + [1.0, 2.0], atol=1e-13)
    assert np.isnan(fields["u"][:, ~inside]).all()
    np.testing.assert_array_equal(fields["phase"][inside], points[expected, 0] > 1)
    only, _ = solution.sample(grid, ["x"])
    assert list(only) == ["x"]


def test_wrong_names_and_grids_are_refused():
    solution = Solution(TRIANGLES, {"u": np.zeros(6)}, {"u": np.zeros(4), "s": np.zeros(4)})
    with pytest.raises(ValueError, match="expected a grid of dimension 2, got 3"):
        solution.sample(Grid((2, 2, 2), (0, 0, 0), (1, 1, 1)))
    grid = Grid((2, 2), (0, 0), (1, 1))
    with pytest.raises(ValueError, match="'v', which none has: point fields"):
        solution.sample(grid, ["v"])
    with pytest.raises(ValueError, match="'u', which both have"):
        solution.sample(grid)
