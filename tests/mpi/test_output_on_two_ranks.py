"""Files and checkpoints of two ranks hold what those of one hold."""

from pathlib import Path

import numpy as np
import pytest
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import node_features, point_cloud, to_function
from genmech_fem.adapters.checkpoint import load_checkpoint, save_checkpoint
from genmech_fem.adapters.output import write_fields
from genmech_fem.adapters.processes import at_root
from genmech_fem.adapters.pyvista import to_pyvista

ELEMENTS = {"u": ("Lagrange", 3, (2,)), "k": ("DG", 0), "s": ("Lagrange", 1, (2, 2), True), "d": ("DG", 2)}


def box(comm):
    return mesh.create_unit_square(comm, 5, 4)


def formula(shape):
    factors = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    if len(shape) == 2:
        factors = factors + factors.T
    return lambda x: (factors.ravel()[:, None] * (1 + x[0] + 3 * x[1] ** 2)).squeeze()


def fields(comm, names="uks"):
    domain = box(comm)
    functions = {name: fem.Function(fem.functionspace(domain, ELEMENTS[name])) for name in names}
    for u in functions.values():
        u.interpolate(formula(tuple(u.function_space.value_shape)))
    return functions


@pytest.fixture
def folder(tmp_path):
    return Path(MPI.COMM_WORLD.bcast(str(tmp_path)))


def centred(grid):
    """Fields of a grid at the centres and nodes of its cells, in an order that does not depend on the numbering."""
    centres = grid.cell_centers().points
    order = np.lexsort(np.round(centres, 9).T)
    nodes = grid.cell_connectivity.reshape(grid.n_cells, -1)
    columns = [centres, grid["k"][:, None]]
    columns += [np.sort(grid[name][nodes].reshape(grid.n_cells, -1), axis=1) for name in ("u", "s")]
    return np.concatenate(columns, axis=1)[order]


@pytest.mark.parametrize("suffix", [".vtu", ".pvd", ".xdmf", ".vtkhdf"])
def test_a_file_of_all_ranks_is_that_of_one(folder, suffix):
    pyvista = pytest.importorskip("pyvista")
    write_fields(folder / f"together{suffix}", fields(MPI.COMM_WORLD))
    if MPI.COMM_WORLD.rank == 0:
        write_fields(folder / f"alone{suffix}", fields(MPI.COMM_SELF))
        grids = [pyvista.get_reader(folder / f"{name}{suffix}").read() for name in ("together", "alone")]
        together, alone = (g[0] if isinstance(g, pyvista.MultiBlock) else g for g in grids)
        assert together.n_points == alone.n_points
        np.testing.assert_allclose(centred(together), centred(alone), rtol=0, atol=1e-12)
    MPI.COMM_WORLD.barrier()


def test_vtx_of_all_ranks_is_written(folder):
    write_fields(folder / "f.bp", fields(MPI.COMM_WORLD))
    MPI.COMM_WORLD.barrier()
    assert (folder / "f.bp" / "data.0").stat().st_size > 1000


def test_pyvista_shows_the_cells_of_this_rank():
    pytest.importorskip("pyvista")
    grid = to_pyvista(fields(MPI.COMM_WORLD))
    assert MPI.COMM_WORLD.allreduce(grid.n_cells) == 40
    assert MPI.COMM_WORLD.allreduce(grid.area) == pytest.approx(1)
    x, y, _ = grid.cell_centers().points.T
    np.testing.assert_allclose(grid["k"], 1 + x + 3 * y**2, rtol=1e-14)


@pytest.mark.parametrize(("writer", "reader"), [("WORLD", "SELF"), ("SELF", "WORLD"), ("WORLD", "WORLD")])
def test_a_checkpoint_is_read_on_another_number_of_ranks(folder, writer, reader):
    together, alone = (fields(comm, "uksd") for comm in (MPI.COMM_WORLD, MPI.COMM_SELF))
    functions = together if writer == "WORLD" else alone
    domain = functions["u"].function_space.mesh
    domain.topology.create_connectivity(1, 2)
    index = domain.topology.index_map(1)
    facets = np.arange(index.size_local + index.num_ghosts, dtype=np.int32)
    tags = mesh.meshtags(domain, 1, facets, code(domain, facets))
    if writer == "WORLD" or MPI.COMM_WORLD.rank == 0:
        save_checkpoint(folder / "c.npz", functions, {"facets": tags})
    MPI.COMM_WORLD.barrier()
    loaded = load_checkpoint(folder / "c.npz", getattr(MPI, f"COMM_{reader}"))
    assert loaded.domain.topology.index_map(2).size_global == 40
    for name, u in loaded.functions.items():
        expected = fem.Function(u.function_space)
        expected.interpolate(formula(tuple(u.function_space.value_shape)))
        np.testing.assert_allclose(u.x.array, expected.x.array, rtol=1e-14, err_msg=name)
    new = loaded.tags["facets"]
    loaded.domain.topology.create_connectivity(1, 2)
    index = loaded.domain.topology.index_map(1)
    np.testing.assert_array_equal(new.indices, np.arange(index.size_local + index.num_ghosts))
    np.testing.assert_array_equal(new.values, code(loaded.domain, new.indices))


def code(domain, facets):
    """A number that tells the place of a facet."""
    x = mesh.compute_midpoints(domain, 1, facets)
    return np.round(1000 * x[:, 0] + 1e6 * x[:, 1]).astype(np.int32)


def test_a_checkpoint_written_twice_is_the_same_file_bit_for_bit(folder):
    functions = fields(MPI.COMM_WORLD, "uksd")
    for name in "ab":
        save_checkpoint(folder / f"{name}.npz", functions)
    MPI.COMM_WORLD.barrier()
    a, b = ({k: v.tobytes() for k, v in np.load(folder / f"{name}.npz").items()} for name in "ab")
    assert a == b


def test_values_at_nodes_reach_the_ghosts():
    space = fem.functionspace(box(MPI.COMM_WORLD), ("Lagrange", 2, (2,)))
    owned = space.dofmap.index_map.size_local
    array = np.tile(point_cloud(space)[:, 0], (2, 1))
    broken = array.copy()
    broken[:, owned:] = -1
    np.testing.assert_allclose(node_features(to_function(broken, space)), array, rtol=0, atol=1e-15)


def test_all_ranks_raise_where_the_first_fails():
    def fail():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        at_root(MPI.COMM_WORLD, fail)
