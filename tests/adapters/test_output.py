import sys

import meshio
import numpy as np
import pytest
from dolfinx import fem, mesh
from dolfinx.io.utils import XDMFFile
from mpi4py import MPI

from genmech_fem.adapters.output import FieldWriter, write_fields
from genmech_fem.adapters.pyvista import to_pyvista
from genmech_fem.errors import ContractError, MissingExtraError

pyvista = pytest.importorskip("pyvista")
CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]
SUFFIXES = [".bp", ".pvd", ".vtkhdf", ".vtu", ".xdmf"]
UNITS = {"u": "mm", "k": "W/m"}


def box(dimension=2, cell="triangle", n=2):
    create = mesh.create_unit_square if dimension == 2 else mesh.create_unit_cube
    return create(MPI.COMM_SELF, *[n] * dimension, mesh.CellType[cell])


def fields(domain, degree=1):
    """A displacement, a constant in each cell and a symmetric tensor of degree 1."""
    dimension = domain.geometry.dim
    spaces = [
        ("Lagrange", degree, (dimension,)),
        ("DG", 0),
        ("Lagrange", 1, (dimension, dimension), True),
    ]
    u, k, s = (fem.Function(fem.functionspace(domain, space)) for space in spaces)
    u.interpolate(lambda x: x[:dimension] ** degree)
    k.interpolate(lambda x: 1 + x[0])
    s.x.array[:] = 1.0
    return {"u": u, "k": k, "s": s}


def read(path):
    grid = pyvista.get_reader(path).read()
    return grid[0] if isinstance(grid, pyvista.MultiBlock) else grid


def check_displacement(grid, dimension, degree):
    expected = np.zeros((grid.n_points, 3))
    expected[:, :dimension] = grid.points[:, :dimension] ** degree
    np.testing.assert_allclose(grid["u [mm]"], expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize(("suffix", "degree"), [(".vtu", 1), (".vtu", 4), (".vtkhdf", 1), (".vtkhdf", 3), (".pvd", 2)])
def test_vtk_reads_the_grid_that_to_pyvista_makes(tmp_path, dimension, cell, suffix, degree):
    functions = fields(box(dimension, cell), degree)
    write_fields(tmp_path / f"f{suffix}", functions, units=UNITS)
    grid, expected = read(tmp_path / f"f{suffix}"), to_pyvista(functions, units=UNITS)
    check_displacement(grid, dimension, degree)
    assert set(grid.point_data) == {"u [mm]", "s"}
    label = "k [W_m]" if suffix == ".vtkhdf" else "k [W/m]"
    assert set(grid.cell_data) == {label}
    np.testing.assert_array_equal(grid.points, expected.points)
    np.testing.assert_array_equal(grid.cell_connectivity, expected.cell_connectivity)
    np.testing.assert_array_equal(grid.celltypes, expected.celltypes)
    np.testing.assert_array_equal(grid["s"], expected["s"])
    np.testing.assert_array_equal(grid[label], expected["k [W/m]"])


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_vtk_and_dolfinx_read_xdmf(tmp_path, dimension, cell):
    functions = fields(box(dimension, cell), 3)
    write_fields(tmp_path / "f.xdmf", functions, units=UNITS)
    grid = read(tmp_path / "f.xdmf")
    assert grid.n_points == 3**dimension
    check_displacement(grid, dimension, 3)
    np.testing.assert_allclose(grid["k [W/m]"], 1 + grid.cell_centers().points[:, 0], atol=1e-14)
    assert grid["s"].dtype == np.float64
    with XDMFFile(MPI.COMM_SELF, tmp_path / "f.xdmf", "r") as file:
        domain = file.read_mesh(xpath="/Xdmf/Domain/Grid")
    assert domain.topology.index_map(dimension).size_global == grid.n_cells


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_single_precision_and_units_of_other_letters(tmp_path, suffix):
    domain = mesh.create_unit_square(MPI.COMM_SELF, 2, 2, dtype=np.float32)
    functions = {
        name: fem.Function(fem.functionspace(domain, element), dtype=np.float32)
        for name, element in (("u", ("Lagrange", 2)), ("k", ("DG", 0)))
    }
    for u in functions.values():
        u.x.array[:] = 0.1
    write_fields(tmp_path / f"f{suffix}", functions, units={"u": "°C", "k": "µm²"})
    if suffix != ".bp":
        grid = read(tmp_path / f"f{suffix}")
        np.testing.assert_allclose(grid["u [°C]"], 0.1, rtol=1e-6)
        np.testing.assert_array_equal(grid["k [µm²]"], np.float32(0.1))


def test_meshio_reads_vtu(tmp_path):
    write_fields(tmp_path / "f.vtu", fields(box()), units=UNITS)
    assert set(meshio.read(tmp_path / "f.vtu").point_data) == {"u [mm]", "s"}


@pytest.mark.parametrize("functions", [("k",), ("u", "k", "s")])
def test_vtx_holds_names_and_exact_values_of_any_degree(tmp_path, functions):
    domain = box()
    chosen = {name: u for name, u in fields(domain, 4).items() if name in functions}
    with FieldWriter(tmp_path / "f.bp", chosen, units={"k": "W/m"}) as writer:
        writer.write(0.0)
        writer.write(2.5)
    data = (tmp_path / "f.bp" / "data.0").read_bytes()
    assert data.count(chosen["k"].x.array.tobytes()) == 2
    assert b"k [W/m]" in (tmp_path / "f.bp" / "md.0").read_bytes()
    if "u" in chosen:
        u = to_pyvista(chosen)["u"]
        rows = [row.tobytes() for row in u if np.count_nonzero(row[:2]) == 2]
        assert all(data.count(row) >= 2 for row in rows)
        assert len(rows) > 20


def write_series(path, times=(0.0, 1e-9, 2.0)):
    functions = fields(box())
    with FieldWriter(path, functions, units=UNITS) as writer:
        for i, time in enumerate(times):
            functions["k"].x.array[:] = i
            functions["s"].x.array[:] = -i
            writer.write(time)
    return times


@pytest.mark.parametrize("suffix", [".pvd", ".xdmf"])
def test_a_series_has_its_times_and_the_values_of_each(tmp_path, suffix):
    times = write_series(tmp_path / f"f{suffix}")
    reader = pyvista.get_reader(tmp_path / f"f{suffix}")
    assert reader.time_values == pytest.approx(times)
    for i, time in enumerate(reader.time_values):
        reader.set_active_time_value(time)
        grid = reader.read()
        grid = grid[0] if isinstance(grid, pyvista.MultiBlock) else grid
        check_displacement(grid, 2, 1)
        assert set(grid["k [W/m]"]) == {i}
        assert set(np.unique(grid["s"])) == {-i, 0}


def test_a_vtkhdf_series_has_its_times_and_the_values_of_each(tmp_path):
    from vtkmodules.vtkIOHDF import vtkHDFReader

    times = write_series(tmp_path / "f.vtkhdf")
    reader = vtkHDFReader()
    reader.SetFileName(str(tmp_path / "f.vtkhdf"))
    reader.UpdateInformation()
    assert reader.GetNumberOfSteps() == len(times)
    for i, time in enumerate(times):
        reader.SetStep(i)
        reader.Update()
        assert reader.GetTimeValue() == pytest.approx(time, rel=1e-6)
        assert set(pyvista.wrap(reader.GetOutput())["k [W_m]"]) == {i}


def test_every_step_of_pvd_is_on_disk_before_the_end(tmp_path):
    writer = FieldWriter(tmp_path / "f.pvd", fields(box()))
    writer.write(0.0)
    writer.write(1.0)
    assert pyvista.get_reader(tmp_path / "f.pvd").time_values == [0.0, 1.0]
    assert all(read(tmp_path / f"f_{i:05d}.vtu").n_cells == 8 for i in range(2))


def test_writing_leaves_the_functions_alone(tmp_path):
    functions = fields(box(), 2)
    before = {name: (u.name, u.x.array.copy()) for name, u in functions.items()}
    for suffix in SUFFIXES:
        write_fields(tmp_path / f"f{suffix}", functions, units=UNITS)
    for name, u in functions.items():
        assert u.name == before[name][0]
        np.testing.assert_array_equal(u.x.array, before[name][1])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_step_and_no_folder(tmp_path, suffix):
    with FieldWriter(tmp_path / f"f{suffix}", fields(box())):
        pass
    with pytest.raises(FileNotFoundError, match="expected an existing folder"):
        write_fields(tmp_path / "missing" / f"f{suffix}", fields(box()))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_times_have_to_grow(tmp_path, suffix):
    writer = FieldWriter(tmp_path / f"f{suffix}", fields(box()))
    writer.write(1.0)
    for time in (1.0, 0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="expected a finite time after 1"):
            writer.write(time)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="this one is closed"):
        writer.write(2.0)


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    with FieldWriter(tmp_path / "f.vtu", fields(box())) as writer:
        writer.write(0.0)
        with pytest.raises(ValueError, match=r"\.vtu holds one time: use \.pvd"):
            writer.write(1.0)
    jumps = fem.Function(fem.functionspace(box(), ("DG", 1)))
    with pytest.raises(ValueError, match="XDMF holds no functions of DG"):
        write_fields(tmp_path / "f.xdmf", {"jumps": jumps})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bad_functions_names_and_units_are_refused(tmp_path, suffix):
    path, functions = tmp_path / f"f{suffix}", fields(box())
    other = fields(box())["u"]
    edges = fem.Function(fem.functionspace(box(), ("N1curl", 1)))
    for bad, error, message in (
        ({}, ValueError, "at least one function"),
        ({"": other}, ValueError, "expected names without"),
        ({"a/b": other}, ValueError, "expected names without"),
        ({"a<b": other}, ValueError, "expected names without"),
        (functions | {"v": other}, ValueError, "'v': expected functions on one mesh"),
        ({"e": edges}, ContractError, "expected a Lagrange or DG space"),
    ):
        with pytest.raises(error, match=message):
            write_fields(path, bad)
    with pytest.raises(ValueError, match="units: expected names among"):
        write_fields(path, functions, units={"w": "m"})
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a suffix among .*'.bp'.*, got '.txt'"):
        write_fields(tmp_path / "f.txt", fields(box()))


def test_only_vtkhdf_needs_pyvista(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    for suffix in SUFFIXES:
        if suffix != ".vtkhdf":
            write_fields(tmp_path / f"f{suffix}", fields(box()))
    with pytest.raises(MissingExtraError, match="viz"):
        write_fields(tmp_path / "f.vtkhdf", fields(box()))


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "f.vtu").mkdir()
    (tmp_path / "f.vtkhdf").mkdir()
    for suffix in (".vtu", ".vtkhdf"):
        with pytest.raises(OSError, match="f.vt"):
            write_fields(tmp_path / f"f{suffix}", fields(box()))
