import io
import json
import zipfile

import basix.ufl
import numpy as np
import pytest
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters.checkpoint import load_checkpoint, save_checkpoint
from genmech_fem.errors import DatasetError

CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]
ELEMENTS = {
    "p1": ("Lagrange", 1),
    "p4": ("Lagrange", 4, (2,)),
    "dg0": ("DG", 0, (2, 3)),
    "dg3": ("DG", 3),
    "symmetric": ("Lagrange", 2, (2, 2), True),
}


def box(dimension=2, cell="triangle", n=2):
    create = mesh.create_unit_square if dimension == 2 else mesh.create_unit_cube
    domain = create(MPI.COMM_SELF, *[n] * dimension, mesh.CellType[cell])
    for k in range(dimension):
        domain.topology.create_connectivity(k, dimension)
    return domain


def noisy(domain, elements=ELEMENTS):
    generator = np.random.default_rng(0)
    functions = {name: fem.Function(fem.functionspace(domain, element)) for name, element in elements.items()}
    for u in functions.values():
        u.x.array[:] = generator.standard_normal(len(u.x.array)) * 10.0 ** generator.integers(-300, 300)
        u.x.array[:4] = [np.nan, np.inf, -0.0, 5e-324]
    return functions


def by_cell(u):
    """Coordinates and values at the nodes of each cell."""
    space = u.function_space
    values = u.x.array.reshape(-1, space.dofmap.index_map_bs)[space.dofmap.list]
    return space.tabulate_dof_coordinates()[space.dofmap.list], values


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check_equal(old, new):
    order = new.function_space.mesh.topology.original_cell_index
    (x, values), (x_new, values_new) = by_cell(old), by_cell(new)
    np.testing.assert_array_equal(x_new, x[order])
    assert same_bits(values_new, values[order])


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_functions_come_back_bit_for_bit(tmp_path, dimension, cell):
    functions = noisy(box(dimension, cell))
    save_checkpoint(tmp_path / "c.npz", functions)
    loaded = load_checkpoint(tmp_path / "c.npz")
    assert list(loaded.functions) == list(functions)
    for name, u in loaded.functions.items():
        check_equal(functions[name], u)
        assert u.name == name
        assert tuple(u.function_space.value_shape) == tuple(functions[name].function_space.value_shape)


def test_a_second_round_trip_changes_nothing(tmp_path):
    save_checkpoint(tmp_path / "1.npz", noisy(box()))
    once = load_checkpoint(tmp_path / "1.npz")
    save_checkpoint(tmp_path / "2.npz", once.functions)
    twice = load_checkpoint(tmp_path / "2.npz")
    for name, u in twice.functions.items():
        check_equal(once.functions[name], u)


def test_functions_of_one_element_share_a_space(tmp_path):
    domain = box()
    space = fem.functionspace(domain, ("Lagrange", 2))
    save_checkpoint(tmp_path / "c.npz", {name: fem.Function(space) for name in "abc"})
    a, b, c = load_checkpoint(tmp_path / "c.npz").functions.values()
    assert a.function_space is b.function_space is c.function_space
    with zipfile.ZipFile(tmp_path / "c.npz") as file:
        assert sum(name.startswith("dofs") for name in file.namelist()) == 1


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_tags_of_every_dimension_come_back_on_the_same_entities(tmp_path, dimension, cell):
    domain = box(dimension, cell)
    tags = {}
    for k in range(dimension + 1):
        domain.topology.create_entities(k)
        count = domain.topology.index_map(k).size_local
        entities = np.arange(0, count, 2, dtype=np.int32)
        tags[f"d{k}"] = mesh.meshtags(domain, k, entities, (7 * np.arange(len(entities)) - 3).astype(np.int32))
    save_checkpoint(tmp_path / "c.npz", noisy(domain, {"p1": ("Lagrange", 1)}), tags)
    loaded = load_checkpoint(tmp_path / "c.npz")

    def where(domain, tags):
        domain.topology.create_connectivity(tags.dim, dimension)
        x = mesh.compute_midpoints(domain, tags.dim, tags.indices)
        return sorted((*np.round(point, 9), value) for point, value in zip(x, tags.values, strict=True))

    assert list(loaded.tags) == list(tags)
    for name, new in loaded.tags.items():
        assert (new.dim, new.name) == (tags[name].dim, name)
        assert where(loaded.domain, new) == where(domain, tags[name])


@pytest.mark.parametrize(
    ("dtype", "marks"), [(np.int32, [7]), (np.int64, [2**40]), (np.float64, [0.1]), (np.int32, [])]
)
def test_tags_keep_their_type_and_may_be_few(tmp_path, dtype, marks):
    domain = box()
    tags = mesh.meshtags(domain, 1, np.arange(len(marks), dtype=np.int32), np.array(marks, dtype=dtype))
    save_checkpoint(tmp_path / "c.npz", noisy(domain, {"u": ("DG", 0)}), {"t": tags})
    new = load_checkpoint(tmp_path / "c.npz").tags["t"]
    assert new.values.dtype == dtype
    assert new.values.tolist() == marks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_curved_meshes_and_other_number_types(tmp_path, dtype):
    element = basix.ufl.element("Lagrange", "triangle", 3, shape=(3,), dtype=dtype)
    reference = basix.create_element(
        basix.ElementFamily.P, basix.CellType.triangle, 3, basix.LagrangeVariant.gll_warped
    )
    flat = reference.points
    points = np.c_[flat, flat[:, 0] * flat[:, 1]].astype(dtype)
    domain = mesh.create_mesh(MPI.COMM_SELF, np.arange(10)[None], element, points)
    u = fem.Function(fem.functionspace(domain, basix.ufl.element("Lagrange", "triangle", 2, dtype=dtype)), dtype=dtype)
    u.x.array[:] = np.arange(6) / 3
    save_checkpoint(tmp_path / "c.npz", {"u": u})
    loaded = load_checkpoint(tmp_path / "c.npz")
    assert same_bits(
        loaded.domain.geometry.x[loaded.domain.geometry.dofmaps[0][0]], domain.geometry.x[domain.geometry.dofmaps[0][0]]
    )
    assert loaded.functions["u"].x.array.dtype == dtype
    check_equal(u, loaded.functions["u"])


def test_legendre_functions_and_those_with_equidistant_nodes(tmp_path):
    domain = box()
    elements = {
        "legendre": basix.ufl.element("DG", "triangle", 2, basix.LagrangeVariant.legendre, discontinuous=True),
        "equidistant": basix.ufl.element("Lagrange", "triangle", 4, basix.LagrangeVariant.equispaced),
    }
    functions = noisy(domain, elements)
    save_checkpoint(tmp_path / "c.npz", functions)
    loaded = load_checkpoint(tmp_path / "c.npz").functions
    order = loaded["legendre"].function_space.mesh.topology.original_cell_index
    old, new = functions["legendre"], loaded["legendre"]
    assert same_bits(new.x.array[new.function_space.dofmap.list], old.x.array[old.function_space.dofmap.list[order]])
    check_equal(functions["equidistant"], loaded["equidistant"])


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.npz"
    domain = box()
    tags = mesh.meshtags(domain, 2, np.arange(8, dtype=np.int32), np.arange(8, dtype=np.int32))
    save_checkpoint(path, noisy(domain), {"t": tags})
    return path


def test_a_file_that_is_cut_or_changed_anywhere_is_refused(good):
    data = good.read_bytes()
    generator = np.random.default_rng(0)
    for cut in (0, 1, 100, len(data) // 2, len(data) - 1):
        good.write_bytes(data[:cut])
        with pytest.raises(DatasetError, match="expected a whole checkpoint file"):
            load_checkpoint(good)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = [file.read(entry) for entry in file.infolist()]
    for part in parts:
        changed = bytearray(data)
        changed[data.index(part) + generator.integers(len(part))] ^= 16
        good.write_bytes(changed)
        with pytest.raises(DatasetError, match="expected a whole checkpoint file"):
            load_checkpoint(good)


def forged(path, **changes):
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    header |= changes.pop("header", {})
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, **arrays | changes)


def test_a_file_of_something_else_is_refused(good):
    forged(good, header={"format": "another"})
    with pytest.raises(DatasetError, match="expected the format 'genmech_fem checkpoint 1', got 'another'"):
        load_checkpoint(good)
    np.savez(good, a=np.ones(3))
    with pytest.raises(DatasetError, match="expected a whole checkpoint file"):
        load_checkpoint(good)
    good.write_text("text")
    with pytest.raises(DatasetError, match="expected a whole checkpoint file"):
        load_checkpoint(good)
    np.savez(good, header=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="expected a whole checkpoint file"):
        load_checkpoint(good)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("cells", np.full((8, 3), 99)),
        ("cells", np.zeros((8, 3))),
        ("cells", np.zeros((8, 2), dtype=int)),
        ("dofs_0", np.full((8, 3), -1)),
        ("dofs_1", np.zeros((7, 15), dtype=int)),
        ("values_0", np.zeros((2, 1))),
        ("values_1", np.zeros((81, 5))),
        ("points", np.zeros(9)),
        ("points", np.full((9, 2), np.nan)),
        ("tags_0", np.full((8, 2), 8)),
        ("tags_0", np.ones((8, 2), dtype=int)),
        ("tags_0", np.zeros((8, 3), dtype=int)),
        ("marks_0", np.zeros(7, dtype=np.int32)),
        ("marks_0", np.array(list("abcdefgh"))),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(good, name, array):
    forged(good, **{name: array})
    with pytest.raises(DatasetError, match="expected a whole checkpoint file"):
        load_checkpoint(good)


def test_bad_arguments_are_refused(tmp_path):
    domain, other = box(), box()
    u, v = (noisy(d, {"u": ("Lagrange", 1)})["u"] for d in (domain, other))
    with pytest.raises(ValueError, match=r"expected the suffix '.npz', got '.h5'"):
        save_checkpoint(tmp_path / "c.h5", {"u": u})
    with pytest.raises(ValueError, match="expected at least one function"):
        save_checkpoint(tmp_path / "c.npz", {})
    with pytest.raises(ValueError, match="'v': expected functions on one mesh"):
        save_checkpoint(tmp_path / "c.npz", {"u": u, "v": v})
    with pytest.raises(ValueError, match="'n': expected a Lagrange or DG function"):
        save_checkpoint(tmp_path / "c.npz", {"n": fem.Function(fem.functionspace(domain, ("N1curl", 1)))})
    with pytest.raises(ValueError, match=r"'v': expected .* \(\.collapse\(\) of a part\)"):
        save_checkpoint(tmp_path / "c.npz", {"v": noisy(domain)["p4"].sub(0)})
    tags = mesh.meshtags(other, 2, np.arange(2, dtype=np.int32), np.arange(2, dtype=np.int32))
    with pytest.raises(ValueError, match="'t': expected tags of the functions' mesh"):
        save_checkpoint(tmp_path / "c.npz", {"u": u}, {"t": tags})
    with pytest.raises(FileNotFoundError, match="missing"):
        save_checkpoint(tmp_path / "missing" / "c.npz", {"u": u})
    with pytest.raises(FileNotFoundError, match="expected a file, found none"):
        load_checkpoint(tmp_path / "c.npz")
    assert list(tmp_path.iterdir()) == []
