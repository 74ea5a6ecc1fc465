"""One sample on two ranks: the campaign gives the data of one rank."""

from pathlib import Path

import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.datasets.mpi import Ranks
from genmech_fem.errors import ConvergenceError, DatasetError, GenmechError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.problems import diffusion

WORLD = MPI.COMM_WORLD


def heat(comm):
    """Dissipation in two halves of given conductivity, on a mesh that is distributed over `comm`."""
    problem = diffusion(mesh.create_unit_square(comm, 12, 12))

    def solve(inputs):
        (a, b) = inputs["k"][0]
        if a < 0.1:
            raise ConvergenceError(f"on rank {comm.rank}")
        control = problem.controls["conductivity"]
        x = control.function_space.tabulate_dof_coordinates()
        count = len(control.x.array)
        values = np.where(x[:count, 1] < 0.5, a, b)
        control.x.array[:] = values
        problem.solve()
        return {"dissipation": np.atleast_2d(problem.observe(["dissipation"])["dissipation"])}

    return FunctionModel(solve, (ScalarSpec("k", 2),), (ScalarSpec("dissipation"),))


def draw(generator):
    return {"k": generator.random((1, 2))}


@pytest.fixture
def folder(tmp_path):
    return Path(WORLD.bcast(str(tmp_path)))


def test_both_ranks_solve_each_sample_and_rank_0_stores_it(folder):
    report = generate(Campaign(heat(WORLD), draw, 20), folder / "two", engine=Ranks(WORLD), failure_limit=1)
    assert report.finished == (20 if WORLD.rank == 0 else 0)
    if WORLD.rank == 0:
        alone = generate(Campaign(heat(MPI.COMM_SELF), draw, 20), folder / "one", failure_limit=1)
        assert set(alone.failures) == set(report.failures) != set()
        assert {f.kind for f in report.failures.values()} == {"diverged"}
        numbers, two = Store.open(folder / "two").read()
        np.testing.assert_allclose(
            two["dissipation"], Store.open(folder / "one").read(numbers)[1]["dissipation"], rtol=1e-12
        )


def test_a_group_of_ranks_takes_a_part(folder):
    group = WORLD.Split(WORLD.rank)
    generate(
        Campaign(heat(group), draw, 8), folder, engine=Ranks(group), part=(WORLD.rank, WORLD.size), failure_limit=1
    )
    WORLD.barrier()
    store = Store.open(folder)
    assert len(store.numbers()) + len(store.failures()) == 8


def test_a_refused_campaign_lets_all_ranks_go(folder):
    if WORLD.rank == 0:
        (folder / "note.txt").write_text("not a store")
    WORLD.barrier()
    expected = DatasetError if WORLD.rank == 0 else GenmechError
    with pytest.raises(expected, match="files that are not of a data store|see rank 0"):
        generate(Campaign(heat(WORLD), draw, 4), folder, engine=Ranks(WORLD))
