import subprocess
import sys
import time

import numpy as np
import pytest
from random_fields import side_mismatch

from genmech_fem.errors import MeshingError, MissingExtraError
from genmech_fem.geometry import l_bracket, mbb_beam, plate_with_hole, random_inclusions, spoked_disc
from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.gmsh_models import PlaneBody, run_gmsh
from genmech_fem.geometry.outlines import circle, polygon, rectangle

PLATE = {"width": 2.0, "height": 1.0, "radius": 0.2, "size": 0.1}
BRACKET = {"width": 1.0, "height": 1.5, "arm": 0.4, "size": 0.1}
DISC = {"radius": 1.0, "rim": 0.2, "hub": 0.25, "bore": 0.1, "spokes": 5, "spoke_width": 0.12, "size": 0.1}
BEAM = {"width": 3.0, "height": 1.0, "patch": 0.1, "size": 0.2}
DISCS = {"count": 5, "radius": (0.1, 0.15), "size": 0.1}


def facet_measures(mesh):
    """Length or area of the facets by name."""
    corners = mesh.points[mesh.facets]
    if mesh.dimension == 2:
        sizes = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    else:
        sizes = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    return {name: sizes[mesh.facet_tags == t].sum() for name, t in mesh.names.items() if (mesh.facet_tags == t).any()}


def assert_sound(mesh):
    """Positive cells, no unused points, each facet of the boundary with one name."""
    assert mesh.measures().min() > 0
    np.testing.assert_array_equal(np.unique(mesh.cells), np.arange(len(mesh.points)))
    facets, cells = unique_facets(mesh)
    border = {tuple(sorted(f)) for f in facets[cells[:, 1] < 0].tolist()}
    tagged = [tuple(sorted(f)) for f in mesh.facets.tolist()]
    assert border <= set(tagged)
    assert len(tagged) == len(set(tagged))
    assert set(mesh.names.values()) == {*mesh.tags.tolist(), *mesh.facet_tags.tolist()}


def test_the_area_of_a_plate_converges_quadratically_to_the_closed_form():
    meshes = [plate_with_hole(**PLATE | {"size": size}) for size in (0.04, 0.02)]
    exact = 2 - np.pi * 0.04
    coarse, fine = (mesh.measures().sum() / exact - 1 for mesh in meshes)
    assert 0 < fine < coarse < 2e-3
    assert coarse / fine == pytest.approx(4, rel=0.1)
    for mesh in meshes:
        assert_sound(mesh)
        assert mesh.smallest_angle() > 25
    found = facet_measures(meshes[1])
    assert found == pytest.approx({"left": 1, "right": 1, "bottom": 2, "top": 2, "hole": 0.4 * np.pi}, rel=1e-3)


def test_cells_at_the_hole_are_as_small_as_asked():
    mesh = plate_with_hole(**PLATE, hole_size=0.02)
    hole = mesh.points[mesh.facets[mesh.facet_tags == mesh.names["hole"]]]
    lengths = np.linalg.norm(hole[:, 1] - hole[:, 0], axis=1)
    assert 0.015 < lengths.min() < lengths.max() < 0.025


def test_a_plate_in_3d_has_the_volume_and_all_its_sides():
    mesh = plate_with_hole(**PLATE, thickness=0.2)
    assert_sound(mesh)
    area = facet_measures(mesh)
    assert mesh.measures().sum() == pytest.approx(0.2 * (2 - np.pi * 0.04), rel=2e-3)
    assert area["front"] == pytest.approx(2 - np.pi * 0.04, rel=2e-3)
    assert area["left"] == pytest.approx(0.2)
    assert area["hole"] == pytest.approx(0.2 * 0.4 * np.pi, rel=0.01)
    assert area["back"] == pytest.approx(area["front"])


def test_lengths_may_be_in_any_unit():
    tiny = plate_with_hole(**{name: 1e-7 * x for name, x in PLATE.items()})
    assert 1e14 * tiny.measures().sum() == pytest.approx(2 - np.pi * 0.04, rel=3e-3)
    assert set(tiny.names) == {"plate", "left", "right", "bottom", "top", "hole"}


@pytest.mark.parametrize("fillet", [0.0, 0.2])
def test_a_bracket_has_its_area_and_its_ends(fillet):
    mesh = l_bracket(**BRACKET, fillet=fillet, fillet_size=0.02)
    assert_sound(mesh)
    exact = 0.4 * (1.0 + 1.5 - 0.4) + fillet**2 * (1 - np.pi / 4)
    assert mesh.measures().sum() == pytest.approx(exact, rel=1e-4)
    expected = {"left": 1.5, "right": 0.4, "bottom": 1.0, "top": 0.4, "surface": 1.7 - 2 * fillet}
    expected |= {"fillet": np.pi / 2 * fillet} if fillet else {}
    assert facet_measures(mesh) == pytest.approx(expected, rel=1e-3)
    near = np.linalg.norm(mesh.points[mesh.cells].mean(axis=1) - (0.4 + 0.3 * fillet), axis=1) < 0.05
    assert mesh.measures()[near].max() < 0.01 * 0.04


def test_a_bracket_with_a_sharp_corner_in_3d_has_its_volume():
    mesh = l_bracket(**BRACKET, thickness=0.3)
    assert_sound(mesh)
    assert mesh.measures().sum() == pytest.approx(0.3 * 0.4 * 2.1)
    assert facet_measures(mesh)["surface"] == pytest.approx(0.3 * 1.7)


def test_the_patches_of_beams_have_their_lengths_and_places():
    half = mbb_beam(**BEAM)
    whole = mbb_beam(**BEAM | {"width": 6.0}, half=False)
    assert facet_measures(half) == pytest.approx(
        {"left": 1, "right": 1, "bottom": 2.9, "top": 2.9, "load": 0.1, "support": 0.1}
    )
    assert facet_measures(whole) == pytest.approx(
        {"left": 1, "right": 1, "bottom": 5.8, "top": 5.8, "load": 0.2, "support_left": 0.1, "support_right": 0.1}
    )
    for mesh, load, support in ((half, 0.05, "support"), (whole, 3.0, "support_right")):
        assert_sound(mesh)
        for name, place in (("load", [load, 1]), (support, [mesh.points[:, 0].max() - 0.05, 0])):
            ends = mesh.points[np.unique(mesh.facets[mesh.facet_tags == mesh.names[name]])]
            np.testing.assert_allclose((ends.min(axis=0) + ends.max(axis=0)) / 2, place, atol=1e-12)


@pytest.mark.parametrize("spokes", [1, 2, 5])
def test_the_parts_of_a_wheel_have_their_areas(spokes):
    mesh = spoked_disc(**DISC | {"spokes": spokes, "size": 0.04})
    assert_sound(mesh)

    def strip(r):  # half the area between the diameters at -w/2 and w/2
        return 0.06 * np.sqrt(r**2 - 0.06**2) + r**2 * np.arcsin(0.06 / r)

    parts = mesh.phase_fractions() * mesh.measures().sum()
    exact = {
        "hub": np.pi * (0.25**2 - 0.1**2),
        "spokes": spokes * (strip(0.8) - strip(0.25)),
        "rim_ring": np.pi * (1 - 0.8**2),
    }
    for name, area in exact.items():
        assert parts[mesh.names[name]] == pytest.approx(area, rel=0.015)
    lengths = facet_measures(mesh)
    assert lengths["rim"] == pytest.approx(2 * np.pi, rel=2e-3)
    assert lengths["bore"] == pytest.approx(0.2 * np.pi, rel=2e-2)
    joints = [name for name in lengths if name.startswith("interface")]
    assert sum(lengths[name] for name in joints) == pytest.approx(
        spokes * 2 * (0.25 * np.arcsin(0.06 / 0.25) + 0.8 * np.arcsin(0.06 / 0.8)), rel=0.01
    )


def test_discs_across_the_border_are_periodic_and_keep_their_area():
    mesh = random_inclusions(np.random.default_rng(1), **DISCS | {"size": 0.03}, box=(1.5, 1.0))
    assert_sound(mesh)
    assert mesh.measures().sum() == pytest.approx(1.5)
    assert side_mismatch(mesh.points, (0, 0), (1.5, 1.0)) <= 1e-12
    radii = np.random.default_rng(1).uniform(0.1, 0.15, 5)
    area = mesh.measures()[mesh.tags == mesh.names["inclusions"]].sum()
    assert area == pytest.approx((np.pi * radii**2).sum(), rel=0.02)
    assert facet_measures(mesh)["interface"] == pytest.approx((2 * np.pi * radii).sum(), rel=0.01)
    border = np.isclose(mesh.points[mesh.cells], 0.0).any(axis=(1, 2))
    assert (mesh.tags[border] == 1).any()


def test_discs_inside_keep_the_gap_to_the_border():
    mesh = random_inclusions(np.random.default_rng(2), **DISCS, gap=0.03, periodic=False)
    inside = mesh.points[np.unique(mesh.cells[mesh.tags == 1])]
    assert inside.min() >= 0.03 - 1e-12
    assert inside.max() <= 0.97 + 1e-12


def test_the_same_seed_gives_the_same_discs():
    one, two = (random_inclusions(np.random.default_rng(3), **DISCS) for _ in range(2))
    np.testing.assert_array_equal(one.points, two.points)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: plate_with_hole(**PLATE | {"radius": 0.5}), "plate_with_hole.radius: expected less than 0.5, got 0.5"),
        (lambda: plate_with_hole(**PLATE | {"radius": np.nan}), "radius: expected a positive length, got nan"),
        (lambda: plate_with_hole(**PLATE | {"size": 0.0}), "size: expected a positive length"),
        (lambda: plate_with_hole(**PLATE, thickness=-1.0), "thickness: expected a positive length"),
        (lambda: plate_with_hole(**PLATE, time_limit=0.0), "time_limit: expected a positive, finite number of seconds"),
        (lambda: plate_with_hole(**PLATE, time_limit=np.inf), "finite number of seconds, got inf"),
        (lambda: l_bracket(**BRACKET, fillet=0.7), r"expected arm \+ fillet below 1.0, got 0.4 \+ 0.7"),
        (lambda: l_bracket(**BRACKET | {"arm": 1.0}), "expected arm"),
        (lambda: l_bracket(**BRACKET, fillet=-0.1), "fillet: expected a positive length"),
        (lambda: mbb_beam(**BEAM | {"patch": 1.5}), "patch: expected less than half of width=3.0"),
        (lambda: spoked_disc(**DISC | {"hub": 0.8}), "expected bore < hub < radius - rim"),
        (lambda: spoked_disc(**DISC | {"spokes": 0}), "spokes: expected a whole number of at least 1, got 0"),
        (lambda: spoked_disc(**DISC | {"spoke_width": 0.4}), "expected 5 spokes side by side at the hub"),
        (lambda: random_inclusions(np.random.default_rng(), **DISCS | {"radius": (0.2, 0.1)}), "smallest <= largest"),
        (lambda: random_inclusions(np.random.default_rng(), **DISCS | {"radius": (0.1, 0.5)}), "smallest <= largest"),
        (lambda: random_inclusions(np.random.default_rng(), **DISCS | {"count": 1.5}), "count: expected a whole"),
        (lambda: random_inclusions(np.random.default_rng(), **DISCS, gap=-1.0), "gap: expected a length of at least 0"),
    ],
)
def test_what_cannot_be_is_refused_before_gmsh_runs(call, text, monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *args, **options: pytest.fail("gmsh ran"))
    with pytest.raises(ValueError, match=text):
        call()


def test_discs_without_room_are_refused_soon():
    began = time.process_time()
    with pytest.raises(MeshingError, match=r"expected room for 40 discs, found it for \d+ after"):
        random_inclusions(np.random.default_rng(0), **DISCS | {"count": 40})
    assert time.process_time() - began < 5


def test_a_time_limit_ends_gmsh_with_a_clear_error():
    began = time.monotonic()
    with pytest.raises(MeshingError, match=r"gmsh: expected a result within 0.1 s, got none"):
        plate_with_hole(**PLATE, time_limit=0.1)
    assert time.monotonic() - began < 5


def test_crossing_lines_end_in_an_error_or_a_mesh_within_the_limit():
    rng = np.random.default_rng(0)
    began = time.monotonic()
    with pytest.raises(MeshingError, match="gmsh: expected"):
        PlaneBody(polygon(rng.uniform(0, 1, (40, 2))), 0.05).mesh(time_limit=1.5)
    assert time.monotonic() - began < 6


def test_too_many_cells_are_refused_at_once():
    with pytest.raises(MeshingError, match=r"size=1e-05: expected at most 5e\+06 cells, got about 4e\+10"):
        plate_with_hole(**PLATE | {"size": 1e-5})
    with pytest.raises(MeshingError, match=r"expected at most 5e\+06 cells, got about"):
        plate_with_hole(**PLATE, hole_size=1e-7)
    with pytest.raises(MeshingError, match=r"expected at most 5e\+06 cells, got about"):
        plate_with_hole(**PLATE, hole_size=1e-3, thickness=1.0)


def test_an_error_of_gmsh_is_told(tmp_path):
    with pytest.raises(MeshingError, match="gmsh: expected a mesh or file, got none: .*'holes'"):
        run_gmsh({"outer": rectangle((0, 0), (1, 1)).scaled(np.zeros(2), 1.0)}, tmp_path / "mesh.npz", 20.0)


def test_a_crash_of_the_process_is_an_error(monkeypatch, tmp_path):
    script = tmp_path / "crash.py"
    script.write_text("import os; os.abort()")
    monkeypatch.setattr("genmech_fem.geometry.gmsh_models._PROCESS", script)
    with pytest.raises(MeshingError, match="the process ended with -6"):
        plate_with_hole(**PLATE)


def test_without_gmsh_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gmsh", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'genmech_fem\[gmsh\]'"):
        plate_with_hole(**PLATE)


def test_gmsh_never_runs_in_the_calling_process():
    program = (
        "import sys; from genmech_fem.geometry import plate_with_hole;"
        f"plate_with_hole(**{PLATE!r}); assert 'gmsh' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_circles_are_closed_chains_of_arcs():
    outline = circle((2.0, 1.0), 0.5)
    starts, ends = ([piece[i] for piece in outline.pieces] for i in (1, 3))
    assert starts == [0, 1, 2]
    assert ends == [1, 2, 0]
    np.testing.assert_allclose(np.linalg.norm(outline.points[:3] - [2, 1], axis=1), 0.5)
