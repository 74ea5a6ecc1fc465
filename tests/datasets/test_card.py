"""The data card: its text against the set, its recipe by running it, its picture pixel by pixel."""

import re

import numpy as np
import pytest
from PIL import Image

from genmech_fem.datasets.blocks import Failure
from genmech_fem.datasets.card import write_card
from genmech_fem.datasets.card_picture import COLUMNS, GAP, LINE, PANEL, _coloured, picture
from genmech_fem.datasets.store import Store
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, pad
from genmech_fem.geometry import conforming_mesh

DARK, BRIGHT, WHITE = (68, 1, 84), (253, 231, 37), (255, 255, 255)
GRID = Grid((8, 4), (0, 0), (2, 1))
SPECS = (FieldSpec("E|modulus", GRID, (), "Pa"), FieldSpec("strain", GRID, (2, 2)), ScalarSpec("force", 3, "N"))
DESCRIPTION = {
    "seed": 7,
    "model": {"kind": "package.Solver", "steps": [1, 2], "name": "a|b `c`\nd"},
    "sampler": {"ranges": [{"name": "radius", "lower": 0.1}]},
}


def tables(text):
    """Tables as lists of rows of cells."""
    rows, found = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            found.append(rows)
            rows = []
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    about = {"title": "Beams *and* bars", "licence": "CC BY 4.0", "size": 1200, "source": "measured"}
    store = Store.create(tmp_path_factory.mktemp("cards") / "beams", SPECS, DESCRIPTION, about)
    generator = np.random.default_rng(0)
    arrays = {
        "E|modulus": 1 + generator.random((1100, 8, 4)),
        "strain": generator.random((1100, 2, 2, 8, 4)).astype(np.float32),
        "force": np.tile([-1.0, 0.0, 4.0], (1100, 1)),
    }
    failures = {1100 + i: Failure("diverged", "no | step\nlength", {}) for i in range(4)}
    failures[1104] = Failure("not meshed", "x" * 1000, {})
    store.write(range(1100), arrays, failures)
    return store


@pytest.fixture(scope="module")
def card(store):
    file = write_card(store)
    assert file == store.path / "README.md"
    return file.read_text()


def test_what_it_is(card):
    assert card.startswith("# Beams \\*and\\* bars\n\n1,100 of 1,200 samples, begun on 20")
    assert "Source: measured." in card
    assert card.rstrip().endswith("## Licence\n\nCC BY 4.0")
    assert "numpy" in card
    failures = tables(card)[0]
    assert failures[2:][0] == ["diverged", "4", r"1100: `no \| step length`"]
    assert failures[3][:2] == ["not meshed", "1"]
    assert len(failures[3][2]) < 140


def test_the_tables_are_well_formed(card):
    for table in tables(card):
        assert len({len(row) for row in table}) == 1
        assert set(table[1]) == {"---"}
    settings = {row[0]: row[1] for row in tables(card)[2][2:]}
    assert settings["`seed`"] == "`7`"
    assert settings["`model.steps`"] == "`[1, 2]`"
    assert settings["`model.name`"] == r"`a\|b 'c' d`"
    assert settings["`sampler.ranges[0].lower`"] == "`0.1`"


def test_the_arrays_are_described(store, card):
    rows = [dict(zip(tables(card)[1][0], row, strict=True)) for row in tables(card)[1][2:]]
    assert [row["array"] for row in rows] == [r"`E\|modulus`", "`strain`", "`force`"]
    assert [row["shape"] for row in rows] == ["(8, 4)", "(2, 2, 8, 4)", "(3)"]
    assert rows[0]["place"] == "cells of a 8 x 4 grid on [0, 2] x [0, 1]"
    assert [row["unit"] for row in rows] == ["Pa", "1", "N"]
    assert [row["type"] for row in rows] == ["float64", "float32", "float64"]
    assert (rows[2]["smallest"], rows[2]["mean"], rows[2]["largest"]) == ("-1", "1", "4")
    assert "those of 256 samples" in card
    assert float(rows[0]["mean"]) == pytest.approx(store.read()[1]["E|modulus"].mean(), abs=0.01)


def test_the_recipe_runs(store, card, monkeypatch):
    monkeypatch.chdir(store.path.parent)
    found = {}
    exec(re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1), found)  # noqa: S102
    assert len(found["numbers"]) == len(found["arrays"]["E|modulus"]) == 1100


def test_the_same_set_gives_the_same_card(store, card):
    before = (store.path / "samples.png").read_bytes()
    assert write_card(store).read_text() == card
    assert (store.path / "samples.png").read_bytes() == before
    with Image.open(store.path / "samples.png") as image:
        assert image.format == "PNG"
        assert image.width == GAP + COLUMNS * (PANEL + GAP)


def test_a_store_without_samples_has_no_card(tmp_path):
    with pytest.raises(DatasetError, match="no finished samples"):
        write_card(Store.create(tmp_path, SPECS, {}))


def panel(sheet, column, height=PANEL, line=0):
    """Pixels (height, width, 3) of an image in the first row of panels."""
    x, y = GAP + column * (PANEL + GAP), GAP // 2 + LINE + GAP + 2 * LINE + 2 + line
    return np.asarray(sheet)[y : y + height, x : x + PANEL]


def test_fields_are_drawn_with_x_to_the_right_and_y_upwards():
    x, y = np.meshgrid(np.arange(8.0), np.arange(4.0), indexing="ij")
    specs = (FieldSpec("x", GRID), FieldSpec("y", GRID), FieldSpec("constant", GRID))
    sheet = picture([3], {"x": x[None].astype(np.uint8), "y": y[None], "constant": np.ones((1, 8, 4), bool)}, specs)
    right, upwards, constant = (panel(sheet, column, PANEL // 2) for column in range(3))
    assert {tuple(c) for c in right[:, 0]} == {DARK}
    assert {tuple(c) for c in right[:, -1]} == {BRIGHT}
    assert {tuple(c) for c in upwards[-1]} == {DARK}
    assert {tuple(c) for c in upwards[0]} == {BRIGHT}
    assert (constant == DARK).all()
    assert len(np.unique(right.reshape(-1, 3), axis=0)) == 8


def test_the_middle_slice_of_a_solid_is_drawn():
    solid = np.zeros((1, 16, 16, 9))
    solid[0, 8:, :, 4] = 1.0
    solid[0, 0, 0, 0], solid[0, 0, 1, 0] = -1.0, 3.0
    spec = FieldSpec("phase", Grid((16, 16, 9), (0, 0, 0), (1, 1, 1)))
    image = panel(picture([0], {"phase": solid}, (spec,)), 0)
    assert (image[:, : PANEL // 2] == np.rint(_coloured(np.array(0.0), -1, 3))).all()
    assert (image[:, PANEL // 2 :] == np.rint(_coloured(np.array(1.0), -1, 3))).all()


@pytest.mark.parametrize("of", ["nodes", "cells"])
def test_fields_on_meshes_show_their_shape(of):
    """A square with a round hole: the field is 1 right of the middle, and the hole stays white."""
    x = (np.indices((48, 48)) + 0.5) / 48
    mesh = conforming_mesh((np.hypot(*(x - 0.5)) > 0.25).astype(float))
    kept = mesh.cells[mesh.tags == 1]
    used, cells = np.unique(kept, return_inverse=True)
    points, cells = mesh.points[used], cells.reshape(kept.shape)
    place = points if of == "nodes" else points[cells].mean(axis=1)
    parts = {"mesh.points": points.T, "mesh.cells": cells.T, "field": (place[:, 0] > 0.5).astype(float)}
    arrays = {}
    for name, part in parts.items():
        arrays[name], arrays[f"{name}.mask"] = pad([part, part[..., :3]])
    specs = (
        FieldSpec("mesh.points", Points(2), (2,)),
        FieldSpec("mesh.cells", Points(2), (3,)),
        FieldSpec("field", Points(2)),
    )
    one = {name: array[:1] for name, array in arrays.items()}
    image = panel(picture([0], one, specs), 0)
    x, y = (np.arange(PANEL) + 0.5) / PANEL, (np.arange(PANEL)[:, None] + 0.5) / PANEL
    radius = np.hypot(x - 0.5, y - 0.5)
    left, right = (np.broadcast_to(side, radius.shape) & (radius > 0.27) for side in (x < 0.45, x > 0.55))
    assert (image[left] == DARK).all()
    assert (image[right] == BRIGHT).all()
    assert (image[radius < 0.15] == WHITE).all()


def test_rows_of_numbers_are_bars_from_zero():
    image = panel(picture([0], {"force": np.array([[-1.0, 0.0, 3.0]])}, (ScalarSpec("force", 3),)), 0)
    blue = (image == (0x31, 0x68, 0x8E)).all(axis=2).sum(axis=0)
    middle = blue[[PANEL // 6, PANEL // 2, PANEL * 5 // 6]]
    np.testing.assert_allclose(middle, [PANEL / 4, 1, PANEL * 3 / 4], atol=1.5)


def test_points_of_unknown_place_single_numbers_and_long_names():
    specs = (FieldSpec("cloud", Points(2, 5)), ScalarSpec("energy", 1, "J"), FieldSpec("n" * 80, GRID))
    arrays = {"cloud": np.ones((2, 5)), "energy": np.ones((2, 1)), "n" * 80: np.zeros((2, 8, 4))}
    sheet = np.asarray(picture([0, 1], arrays, specs))
    text = GAP // 2 + LINE + GAP
    assert (sheet[text : text + 2 * LINE, GAP + 2 * PANEL + GAP :] == 255).all()  # the name ends where its image ends
    assert (sheet[GAP // 2 : text, GAP:200] != 255).any()
    only = picture([0], {"energy": np.ones((1, 1))}, specs[1:2])
    assert only.height < 2 * (LINE + 2 * GAP)


def test_the_colours_are_viridis():
    colormaps = pytest.importorskip("matplotlib").colormaps
    values = np.linspace(0, 1, 256)
    assert np.abs(_coloured(values, 0, 1) - 255 * colormaps["viridis"](values)[:, :3]).max() < 8
