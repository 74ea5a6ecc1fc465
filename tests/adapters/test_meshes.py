from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from genmech_fem.adapters import dolfinx_mesh, phase_field
from genmech_fem.adapters.meshes import mesh_tags, solution_functions
from genmech_fem.errors import MeshingError
from genmech_fem.geometry import Mesh, read
from genmech_fem.geometry.facets import with_facet_tags
from genmech_fem.geometry.files import read_solution, write
from genmech_fem.geometry.solution import Solution

MESHES = Path(__file__).parents[2] / "meshes"


def integral(form):
    from dolfinx import fem

    return fem.assemble_scalar(fem.form(form))


def test_tags_and_areas_survive_the_way_into_dolfinx():
    from ufl import dx

    mesh = read(MESHES / "unit_cell_fibre.msh")
    domain, tags = dolfinx_mesh(mesh)
    inclusion = phase_field(domain, tags, np.array([0.0, 1.0]))
    assert integral(inclusion * dx) == pytest.approx(mesh.measures()[mesh.tags == 1].sum(), abs=1e-13)


@pytest.mark.parametrize(("cell", "corners"), [("quad", 4), ("hexahedron", 8)])
def test_quadrilaterals_and_hexahedra_keep_their_shape(cell, corners):
    from dolfinx import fem
    from ufl import dx

    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    bottom, top = np.c_[square, np.zeros(4)], np.c_[square, np.ones(4)]
    points = square if cell == "quad" else np.vstack([bottom, top])
    mesh = Mesh(points, np.arange(corners)[None], cell, np.zeros(1, dtype=np.int32))
    domain, _ = dolfinx_mesh(mesh, MPI.COMM_SELF)
    assert integral(fem.Constant(domain, 1.0) * dx) == pytest.approx(1.0)


def test_named_facets_and_cells_keep_their_lengths_and_areas():
    import ufl
    from dolfinx import fem

    mesh = with_facet_tags(read(MESHES / "unit_cell_fibre.msh"))
    domain, _ = dolfinx_mesh(mesh)
    tags = mesh_tags(domain, mesh)
    one = fem.Constant(domain, 1.0)
    ds = ufl.Measure("ds", domain, subdomain_data=tags.facets)
    dS = ufl.Measure("dS", domain, subdomain_data=tags.facets)
    dx = ufl.Measure("dx", domain, subdomain_data=tags.cells)
    for side in ("left", "right", "bottom", "top"):
        assert integral(one * ds(tags.names[side])) == pytest.approx(1.0)
    assert integral(one * dx(tags.names["phase_1"])) == pytest.approx(mesh.measures()[mesh.tags == 1].sum())
    ends = mesh.points[mesh.facets[mesh.facet_tags == mesh.names["interface_0_1"]]]
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum()
    assert integral(one("+") * dS(tags.names["interface_0_1"])) == pytest.approx(length)
    x = ufl.SpatialCoordinate(domain)
    assert integral(x[0] * ds(tags.names["left"])) == pytest.approx(0, abs=1e-14)
    assert integral(x[0] * ds(tags.names["right"])) == pytest.approx(1)


def box(cell):
    square = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4]])
    if cell == "quad":
        return with_facet_tags(Mesh(square, quads, cell, [0, 1]))
    points = np.r_[np.c_[square, np.zeros(6)], np.c_[square, np.full(6, 3.0)]]
    hexahedra = np.c_[quads, quads + 6]
    if cell == "hexahedron":
        return with_facet_tags(Mesh(points, hexahedra, cell, [0, 1]))
    six = [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]]
    return with_facet_tags(Mesh(points, hexahedra[:, six].reshape(-1, 4), cell, np.repeat([0, 1], 6)))


@pytest.mark.parametrize("cell", ["quad", "tetra", "hexahedron"])
def test_sides_of_every_cell_type_have_their_area(cell):
    import ufl
    from dolfinx import fem

    mesh = box(cell)
    domain, _ = dolfinx_mesh(mesh)
    tags = mesh_tags(domain, mesh)
    ds = ufl.Measure("ds", domain, subdomain_data=tags.facets)
    dS = ufl.Measure("dS", domain, subdomain_data=tags.facets)
    one = fem.Constant(domain, 1.0)
    depth = 1.0 if cell == "quad" else 3.0
    assert integral(one * ds(tags.names["left"])) == pytest.approx(depth)
    assert integral(one * ds(tags.names["top"])) == pytest.approx(2 * depth)
    assert integral(one("+") * dS(tags.names["interface_0_1"])) == pytest.approx(depth)
    if cell != "quad":
        assert integral(one * ds(tags.names["back"])) == pytest.approx(2)


@pytest.mark.parametrize("cell", ["quad", "tetra", "hexahedron"])
def test_fields_of_any_shape_become_functions_with_the_exact_values(cell):
    import ufl
    from ufl import dx

    mesh = box(cell)
    tensor = np.random.default_rng(0).random((len(mesh.cells), 2, 3))
    solution = Solution(mesh, {"x": mesh.points, "T": mesh.points[:, 0]}, {"stress": tensor, "number": mesh.tags})
    domain, _ = dolfinx_mesh(mesh)
    functions = solution_functions(domain, solution)
    assert {name: f.name for name, f in functions.items()} == {name: name for name in ("x", "T", "stress", "number")}
    away = functions["x"] - ufl.SpatialCoordinate(domain)
    assert integral(ufl.inner(away, away) * dx) == pytest.approx(0, abs=1e-28)
    for i, j in np.ndindex(2, 3):
        expected = (np.abs(mesh.measures()) * tensor[:, i, j]).sum()
        assert integral(functions["stress"][i, j] * dx) == pytest.approx(expected)
    assert np.array_equal(np.sort(functions["T"].x.array), np.sort(mesh.points[:, 0]))


def test_a_solution_file_arrives_in_dolfinx(tmp_path):
    from ufl import dx

    mesh = read(MESHES / "unit_cell_fibres.vtu")
    heat = mesh.points @ [2.0, -1.0]
    write(mesh, tmp_path / "a.vtu", point_data={"heat": heat}, cell_data={"energy": mesh.tags + 0.5})
    solution = read_solution(tmp_path / "a.vtu")
    domain, _ = dolfinx_mesh(solution.mesh)
    functions = solution_functions(domain, solution)
    assert integral(functions["heat"] * dx) == pytest.approx(0.5)
    assert integral(functions["energy"] * dx) == pytest.approx(0.5 + mesh.phase_fractions()[1])


@pytest.mark.parametrize("encoding", ["ASCII", "HDF5"])
def test_xdmf_files_of_dolfinx_are_read_step_by_step(tmp_path, encoding):
    from dolfinx import fem, io
    from dolfinx import mesh as dmesh

    if encoding == "HDF5":
        pytest.importorskip("pyfive")
    domain = dmesh.create_rectangle(MPI.COMM_SELF, [[0.0, 0.0], [2.0, 1.0]], [4, 3])
    heat = fem.Function(fem.functionspace(domain, ("Lagrange", 1)), name="heat")
    with io.XDMFFile(MPI.COMM_SELF, tmp_path / "a.xdmf", "w", encoding=io.XDMFFile.Encoding[encoding]) as file:
        file.write_mesh(domain)
        for step in range(2):
            heat.interpolate(lambda x, step=step: (1 + step) * x[0] + 10 * x[1])
            file.write_function(heat, 0.5 * step)
    for step in range(2):
        solution = read_solution(tmp_path / "a.xdmf", step)
        mesh = solution.mesh
        assert np.abs(mesh.measures()).sum() == pytest.approx(2.0)
        assert solution.time == 0.5 * step
        np.testing.assert_allclose(solution.point_data["heat"], mesh.points @ [1 + step, 10], atol=1e-13)


def test_tags_and_fields_of_another_mesh_are_refused():
    mesh, other = read(MESHES / "unit_cell_fibre.msh"), read(MESHES / "unit_cell_fibres.vtu")
    domain, _ = dolfinx_mesh(mesh)
    cells = f"{len(other.cells)} cells and {len(other.points)} points that dolfinx_mesh made, got one with 1184"
    with pytest.raises(MeshingError, match=cells):
        mesh_tags(domain, other)
    with pytest.raises(MeshingError, match="that dolfinx_mesh made"):
        solution_functions(domain, Solution(other))
    with pytest.raises(ValueError, match=r"got \['u'\] twice"):
        solution_functions(domain, Solution(mesh, {"u": mesh.points}, {"u": mesh.tags}))


def test_facets_that_no_cell_has_are_refused():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    for facets in ([[0, 2], [1, 3]], [[0, 1], [1, 0]]):
        mesh = Mesh(square, [[0, 1, 2], [0, 2, 3]], "triangle", [0, 0], facets, [1, 2])
        domain, _ = dolfinx_mesh(mesh)
        with pytest.raises(MeshingError, match="expected 2 different facets of the cells, got 1"):
            mesh_tags(domain, mesh)
