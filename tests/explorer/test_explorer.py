"""The explorer without its page: real networks, real solves, and what is known of them in closed form."""

import json
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import replace

import meshio
import numpy as np
import pytest

from genmech_fem.design import TensorTarget
from genmech_fem.errors import ContractError, MissingExtraError
from genmech_fem.explorer import Cell, Explorer
from genmech_fem.explorer.atlas import MAPS, Atlas
from genmech_fem.explorer.latent import Encoder, slerp
from genmech_fem.explorer.local_fields import ENERGY, VON_MISES, local_fields
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.geometry import read
from genmech_fem.metrics import isotropic_stiffness, relative_frobenius, symmetric_matrix, upper_triangle
from genmech_fem.microstructure import sharpen
from genmech_fem.runtime import FlowSampler

BUSY = ("starting", "running")
SIDE = Grid((5,), (0.0,), (1.0,))


@pytest.fixture(scope="module")
def explorer(source):
    with Explorer(source) as found:
        yield found


def wait(explorer, states=BUSY, seconds=120):
    """The progress once it has left some states."""
    deadline = time.monotonic() + seconds
    while explorer.progress.state in states and time.monotonic() < deadline:
        time.sleep(0.02)
    return explorer.progress


@pytest.fixture(scope="module")
def compared(explorer):
    """The best of some candidates, verified."""
    with pytest.raises(ValueError, match="mesh and verify one first"):
        explorer.export()
    explorer.generate(12)
    explorer.search.join()
    explorer.verify(explorer.search.ranked[0][1], 2)
    assert wait(explorer).state == "done"
    return explorer.comparison


def velocity(function):
    """A model of a flow of five numbers under a condition."""
    specs = FieldSpec("x_t", SIDE), ScalarSpec("t", 1), ScalarSpec("c", 1)
    return FunctionModel(
        lambda a: {"velocity": function(a["x_t"], a["t"], a["c"])}, specs, (FieldSpec("velocity", SIDE),)
    )


def test_the_noise_of_an_exponential_flow_is_the_closed_form():
    field, c = FieldSpec("x", SIDE), np.array([[0.7], [-0.4]])
    x = np.random.default_rng(0).standard_normal((2, 5))
    noise = Encoder(velocity(lambda x, t, c: c * x), field, mean=0.3, std=2.0, steps=200)({"x": x, "c": c})
    np.testing.assert_allclose(noise, (x - 0.3) / 2 * np.exp(-c), rtol=1e-5)


def test_decoding_the_noise_gives_the_field_again_to_second_order():
    model, field = velocity(lambda x, t, c: np.sin(3 * x) + c * t**2), FieldSpec("x", SIDE)
    given = {"x": np.random.default_rng(1).standard_normal((4, 5)), "c": np.full((4, 1), 0.5)}
    errors = []
    for steps in (10, 20, 40):
        noise = Encoder(model, field, mean=0.2, std=1.5, steps=steps)(given)
        again = FlowSampler(model, field, mean=0.2, std=1.5, steps=steps)({"noise": noise, "c": given["c"]})["x"]
        errors.append(np.abs(again - given["x"]).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 1.8).all()


def test_the_way_between_noises_is_an_arc():
    a, b = np.random.default_rng(2).standard_normal((2, 6, 6))
    b *= 3
    whole = np.arccos((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
    for share in (0.0, 0.3, 1.0):
        c = slerp(a, b, share)
        assert np.linalg.norm(c) == pytest.approx((1 - share) * np.linalg.norm(a) + share * np.linalg.norm(b))
        angle = np.arccos(np.clip((a * c).sum() / np.linalg.norm(a) / np.linalg.norm(c), -1, 1))
        assert angle == pytest.approx(share * whole, abs=1e-7)
    np.testing.assert_allclose(slerp(a, 2 * a, 0.5), 1.5 * a)


def test_distances_of_the_stiffness_map_are_those_of_frobenius(explorer):
    stiffness = explorer.training["stiffness"]
    rows = MAPS["stiffness"](explorer.training["phase"], stiffness)
    between = np.linalg.norm(symmetric_matrix(stiffness[0] - stiffness[1]))
    assert np.linalg.norm(rows[0] - rows[1]) == pytest.approx(between)


def test_a_map_of_a_plane_shows_all_of_it():
    rows = np.random.default_rng(3).standard_normal((30, 2)) @ np.array([[3, 1, 0, 2, 0, 1], [0, 1, 1, -1, 0, 1]])
    atlas = Atlas(lambda _, stiffness: stiffness, np.zeros((30, 2, 2)), rows)
    assert sum(atlas.shares) == pytest.approx(1)
    assert atlas.points.min(axis=0) == pytest.approx(0)
    assert atlas.points.max(axis=0) == pytest.approx(1)
    design = np.column_stack([atlas.points, np.ones(30)])
    assert np.linalg.norm(design @ np.linalg.lstsq(design, rows)[0] - rows) < 1e-9  # points and rows are affine images
    np.testing.assert_allclose(atlas(np.zeros((1, 2, 2)), rows[[4]])[0], atlas.points[4])


def test_the_ends_of_a_walk_are_the_training_cells(explorer, source):
    first, second = explorer.ends
    for share, number in ((0.0, first), (1.0, second)):
        cell = explorer.walk(first, second, share)
        known = sharpen(explorer.training["phase"][number])
        noise = np.random.default_rng(0).standard_normal((1, *known.shape))
        other = source.flow({"noise": noise, "stiffness": explorer.training["stiffness"][[number]]})["phase"][0]
        assert np.abs(cell.phase - known).mean() < 0.1 * np.abs(sharpen(other) - known).mean()
    half = explorer.walk(first, second, 0.5)
    np.testing.assert_allclose(
        half.predicted["stiffness"], source.surrogate({"phase": half.phase[None]})["stiffness"][0]
    )


def test_the_asked_stiffness_moves_without_the_noise(explorer):
    first, second = explorer.ends
    alone, both = explorer.walk(first, second, 0.5, 0.0), explorer.walk(first, second, 0.5)
    assert alone.key != both.key
    assert both.key == explorer.walk(first, second, 0.5, 0.5).key


@pytest.mark.parametrize("where", [(0, 18, 0.5), (-1, 1, 0.5), (0, 1, 1.1), (0, 1, 0.5, -0.1)])
def test_walks_elsewhere_are_refused(explorer, where):
    with pytest.raises(ValueError, match="expected cells from 0 to 17 and shares from 0 to 1"):
        explorer.walk(*where)


def test_bounds_are_said_at_once_and_keep_the_target(explorer):
    kept = explorer.target
    least, most = explorer.ask(kept)
    assert 0 <= least < most <= 1
    with pytest.raises(ContractError, match="Voigt"):
        explorer.ask(upper_triangle(2 * isotropic_stiffness(70.0, 0.22)))
    for wrong in ((1, 2, 3), (np.nan,) * 6):
        with pytest.raises(ValueError, match="six finite numbers"):
            explorer.ask(wrong)
    np.testing.assert_array_equal(explorer.target, kept)
    assert explorer.isotropic(3.5, 0.35) == pytest.approx(upper_triangle(isotropic_stiffness(3.5, 0.35)))


def test_what_speaks_for_a_cell_and_against_it(explorer):
    phase, stiffness = (explorer.training[name][0] for name in ("phase", "stiffness"))
    solved = Cell("known", phase, {"stiffness": stiffness})
    assert [remark.good for remark in explorer.remarks(solved)] == [True, True]
    stiff, full = upper_triangle(2 * isotropic_stiffness(70.0, 0.22)), 1 - 0.01 * phase
    bounds, distance = explorer.remarks(Cell("wrong", full, {"stiffness": stiff}))
    assert "no cell has the predicted C*" in bounds.text
    assert not bounds.good
    assert not distance.good
    glass = Cell("another fraction", full, {"stiffness": stiffness})
    assert not explorer.remarks(glass)[0].good


def test_candidates_are_those_of_the_networks_the_best_first(explorer, source):
    explorer.generate(12, seed=5)
    explorer.search.join()
    noise = np.random.default_rng(5).standard_normal((12, *source.flow.inputs[0].shape))
    target = np.repeat(explorer.target[None], 12, axis=0)
    phases = sharpen(source.flow({"noise": noise, "stiffness": target})["phase"])
    expected = TensorTarget(explorer.target).error(source.surrogate({"phase": phases}))
    errors, cells = zip(*explorer.search.ranked, strict=True)
    np.testing.assert_allclose(errors, np.sort(expected), rtol=1e-6)
    assert [cell.name for cell in cells] == [f"candidate {i}" for i in np.argsort(expected)]
    with pytest.raises(ValueError, match="candidates >= 1"):
        explorer.generate(0)


def test_a_search_stops_when_it_is_told_to(explorer):
    explorer.generate(5000)
    while not explorer.search.done:
        time.sleep(0.01)
    explorer.stop()
    explorer.search.join()
    assert 0 < explorer.search.done < 5000


def test_the_verified_cell_is_that_of_the_solver(compared, source):
    cell, solver = compared.solved.cell, source.solver(2)
    direct = solver({"phase": cell.phase[None]})
    np.testing.assert_allclose(compared.solved.stiffness, direct["stiffness"][0], rtol=1e-9)
    truth, guess = compared.strains
    np.testing.assert_allclose(truth, direct["strain"][0], rtol=1e-7, atol=1e-9)
    errors = compared.errors
    assert errors["verified"] == pytest.approx(relative_frobenius(direct["stiffness"][0], compared.target))
    assert errors["surrogate"] == pytest.approx(relative_frobenius(compared.predicted, direct["stiffness"][0]))
    assert errors["strain"] == pytest.approx(
        np.sqrt(((guess - truth) ** 2).sum() / ((truth - fixed(truth)) ** 2).sum())
    )
    name, wanted, predicted, verified, difference = compared.rows[3]
    assert (name, wanted, verified) == ("C22", compared.target[3], compared.solved.stiffness[3])
    assert difference == pytest.approx(predicted - verified)


def fixed(strain):
    """The mean strains, one a load."""
    return np.broadcast_to(np.eye(3)[:, :, None, None], strain.shape)


def test_local_energies_add_up_to_the_verified_stiffness(compared, source):
    """The lemma of Hill: the mean of the energy is that of the means."""
    areas, fields = compared.solved.mesh.measures(), local_fields(source.solver(2), compared.solved)
    np.testing.assert_allclose(2 * fields[ENERGY] @ areas, compared.solved.stiffness[[0, 3, 5]], rtol=1e-9)


def test_von_mises_of_a_homogeneous_cell_is_the_closed_form(compared, source):
    solver = replace(source.solver(2), inclusion=source.solver(2).matrix)
    rest = {**compared.solved.answers, "displacement": 0 * compared.solved.answers["displacement"]}
    (e11, *_), (_, e22, e12) = (local_fields(solver, replace(compared.solved, answers=rest))[VON_MISES],) * 2
    shear = 3.5 / (2 * 1.35)
    np.testing.assert_allclose([e11, e22], 2 * shear)  # deviatoric: s11 - s22 = 2 G, s22 = s33
    np.testing.assert_allclose(e12, np.sqrt(3) * shear * np.sqrt(2))  # Mandel's unit shear is e12 = 1 / sqrt(2)


def test_exported_files_hold_the_mesh_its_fields_and_the_figures(explorer, compared, run_folder):
    paths = {path.suffix: path for path in explorer.export()}
    assert all(path.parent == run_folder / "explorer" for path in paths.values())
    mesh, grid = compared.solved.mesh, meshio.read(paths[".vtu"])
    for suffix in (".msh", ".xdmf"):
        np.testing.assert_array_equal(read(paths[suffix]).tags, mesh.tags)
    energy = grid.cell_data_dict["strain energy density E22 [GPa]"]["triangle"]
    assert 2 * energy @ mesh.measures() == pytest.approx(compared.solved.stiffness[3])
    top = np.isclose(grid.points[:, 1], 1) & np.isclose(grid.points[:, 0], 0.5)
    bottom = np.isclose(grid.points[:, 1], 0) & np.isclose(grid.points[:, 0], 0.5)
    moved = grid.point_data["displacement E22"]
    np.testing.assert_allclose(moved[top] - moved[bottom], [[0, 1, 0]] * top.sum(), atol=1e-9)
    told = json.loads(paths[".json"].read_text())
    assert told["errors"]["verified"] == pytest.approx(relative_frobenius(told["verified"], told["target"]))
    np.testing.assert_array_equal(np.load(paths[".npy"]), compared.solved.cell.phase)


def test_a_solve_is_cancelled_and_the_next_one_works(explorer, compared, source):
    explorer.verify(compared.solved.cell, 8)
    with pytest.raises(ContractError, match="a cell is being solved"):
        explorer.verify(compared.solved.cell, 1)
    assert wait(explorer, ("starting",)).state == "running"
    assert explorer.progress.left is not None
    explorer.cancel()
    assert explorer.progress.state == "cancelled"
    assert explorer.comparison is compared
    explorer.verify(compared.solved.cell, 1)
    assert wait(explorer).state == "done"
    expected = source.solver(1)({"phase": compared.solved.cell.phase[None]})["stiffness"][0]
    np.testing.assert_allclose(explorer.comparison.solved.stiffness, expected, rtol=1e-9)


def test_what_cannot_be_solved_says_why(explorer, compared):
    cell = compared.solved.cell
    explorer.verify(replace(cell, phase=np.full_like(cell.phase, np.nan)), 1)
    assert "NaN" in wait(explorer).failure
    explorer.verify(cell, 8)
    wait(explorer, ("starting",))
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)
    found = wait(explorer)
    assert found.state == "failed"
    assert "the process of the solver ended with" in found.failure
    with pytest.raises(ValueError, match="refine: expected one of"):
        explorer.verify(cell, 3)


def test_a_missing_extra_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "trame.app", None)
    monkeypatch.delitem(sys.modules, "genmech_fem.explorer.page", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'genmech_fem\[explorer\]'"):
        import genmech_fem.explorer.page  # noqa: F401
