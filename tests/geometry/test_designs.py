import resource
import subprocess
import sys

import meshio
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from genmech_fem.adapters import dolfinx_mesh, mesh_tags
from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry import Mesh, read
from genmech_fem.geometry.design_files import export_design, extruded_surface, surface_triangles
from genmech_fem.geometry.designs import design_mesh
from genmech_fem.problems import Clamped, Roller, Traction, elasticity

BOX = {"lower": (0.0, 0.0), "upper": (3.0, 1.0)}
SHAPE = (96, 32)


def bar(start, end, half_width, shape=SHAPE):
    """Pixels within a distance of a line, in pixels."""
    x = np.stack(np.indices(shape), axis=-1) + 0.5
    along = np.subtract(end, start)
    share = np.clip((x - start) @ along / (along @ along), 0, 1)
    return np.linalg.norm(x - start - share[..., None] * along, axis=-1) < half_width


def truss(*, bridge=1.5):
    """Two chords joined by diagonals, one of them `bridge` pixels thick on either side of its axis."""
    solid = bar((0, 2), (96, 2), 2.5) | bar((0, 30), (96, 30), 2.5)
    solid |= bar((2, 2), (30, 30), 1.5) | bar((30, 30), (60, 2), bridge) | bar((60, 2), (94, 30), 1.5)
    return solid.astype(float)


def beam(rows):
    """A level beam along the whole box, of some rows of pixels in its middle."""
    density = np.zeros(SHAPE)
    density[:, 16 - rows // 2 : 16 + rows // 2] = 1.0
    return density


def ball(n, radius, centre=(0.5, 0.5, 0.5)):
    """Grey density of a ball in the unit cube."""
    grid = Grid((n,) * 3, (0.0,) * 3, (1.0,) * 3)
    return np.clip(0.5 + n * (radius - np.linalg.norm(grid.points() - centre, axis=1)), 0, 1).reshape(grid.shape)


def holes(mesh):
    """Number of holes, from Euler's formula, of a plane mesh in one piece."""
    edges = np.unique(np.sort(mesh.cells[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    return 1 - (len(mesh.points) - len(edges) + len(mesh.cells))


def enclosed(points, triangles):
    """Volume within outward triangles; each edge has to be passed once in each direction."""
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert {tuple(e) for e in edges.tolist()} == {tuple(e[::-1]) for e in edges.tolist()}
    return np.linalg.det(points[triangles]).sum() / 6


def masses(path, dimension):
    """What gmsh finds in a CAD file, in a process of its own."""
    script = (
        "import gmsh, sys; gmsh.initialize(); gmsh.option.setNumber('General.Terminal', 0);"
        f"found = gmsh.model.occ.importShapes({str(path)!r});"
        f"print(*[gmsh.model.occ.getMass(d, t) for d, t in found if d == {dimension}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


@pytest.mark.parametrize("smooth", [1.0, 0.0])
def test_a_truss_keeps_its_volume_its_holes_and_its_bridges(smooth):
    density = truss()
    design = design_mesh(density, **BOX, smooth=smooth)
    assert design.volume == pytest.approx(density.mean(), rel=2e-3)
    assert design.mesh.measures().sum() == pytest.approx(3 * density.mean(), rel=2e-3)
    assert (design.islands, design.removed, design.lost_bridges) == ((), 0.0, 0)
    assert design.smooth == smooth
    assert holes(design.mesh) == 2
    assert design.mesh.measures().min() > 0
    assert design.mesh.smallest_angle() > 5
    np.testing.assert_array_equal(np.unique(design.mesh.cells), np.arange(len(design.mesh.points)))


def test_a_bridge_of_one_pixel_is_kept_by_smoothing_less():
    design = design_mesh(truss(bridge=0.8), **BOX, smooth=2.0)
    assert design.lost_bridges == 0
    assert design.smooth < 2.0
    assert holes(design.mesh) == 2


def test_bridges_that_cannot_be_kept_are_told():
    design = design_mesh(np.random.default_rng(0).random((24, 24)), **BOX, smooth=0.0)
    assert 0 < design.lost_bridges < 10


def test_the_sides_of_the_box_have_their_names_and_the_rest_is_surface():
    mesh = design_mesh(truss()[:, 2:], **BOX).mesh
    assert set(mesh.names) == {"solid", "left", "right", "bottom", "top", "surface"}
    corners = mesh.points[mesh.facets]
    for name, axis, place in (("left", 0, 0.0), ("right", 0, 3.0), ("bottom", 1, 0.0), ("top", 1, 1.0)):
        on = (corners[:, :, axis] == place).all(axis=1)
        np.testing.assert_array_equal(on, mesh.facet_tags == mesh.names[name])
    inside = design_mesh(np.pad(truss(), 4), **BOX).mesh
    assert inside.names == {"solid": 0, "surface": 10}


@pytest.mark.parametrize("keep", ["largest", "all"])
def test_islands_are_reported_with_their_centres_and_volumes(keep):
    density = beam(12)
    density[20:26, 4:8] = density[80:84, 26:30] = 1.0
    design = design_mesh(density, **BOX, keep=keep)
    first, second = design.islands
    assert first.centre == pytest.approx((23 / 32, 6 / 32), abs=2e-3)
    assert second.centre == pytest.approx((82 / 32, 28 / 32), abs=2e-3)
    assert first.volume == pytest.approx(24 / 32**2, rel=0.2)
    kept = design.mesh.measures().sum()
    assert kept + design.removed == pytest.approx(3 * density.mean(), rel=2e-3)
    assert design.removed == pytest.approx(first.volume + second.volume if keep == "largest" else 0.0)


def test_parts_that_touch_in_a_corner_only_are_two():
    density = np.zeros((16, 16))
    density[:8, :8] = density[8:, 8:] = 1.0
    design = design_mesh(density - 1e-3 * np.eye(16)[::-1] * density, **BOX, smooth=0.0, volume=0.48)
    assert len(design.islands) == 1
    assert design.lost_bridges == 0


@pytest.mark.parametrize("volume", [0.1, 0.3, 0.6, 0.9])
def test_any_volume_can_be_asked_of_a_grey_density(volume):
    density = gaussian_filter(np.random.default_rng(0).random((48, 40)), 3, mode="wrap")
    density = (density - density.min()) / np.ptp(density)
    design = design_mesh(density, **BOX, volume=volume)
    assert design.volume == pytest.approx(volume, rel=5e-3)
    solid = Grid((48, 40), **BOX).points()[(density > design.threshold).ravel()]
    assert len(solid) / density.size == pytest.approx(volume, abs=0.05)


@pytest.mark.parametrize("radius", [0.15, 0.3])
def test_small_volumes_are_met_in_3d(radius):
    density = ball(14, radius)
    design = design_mesh(density, lower=(0.0,) * 3, upper=(1.0,) * 3)
    assert design.volume == pytest.approx(density.mean(), rel=5e-3)
    assert design.mesh.measures().min() > 0


def test_a_disc_has_its_circumference():
    grid = Grid((40, 40), (-1.0, -1.0), (1.0, 1.0))
    density = np.clip(0.5 + 20 * (0.7 - np.linalg.norm(grid.points(), axis=1)), 0, 1).reshape(40, 40)
    mesh = design_mesh(density, lower=grid.lower, upper=grid.upper).mesh
    surface = mesh.points[mesh.facets]
    assert mesh.measures().sum() == pytest.approx(np.pi * 0.49, rel=2e-3)
    assert np.linalg.norm(surface[:, 1] - surface[:, 0], axis=1).sum() == pytest.approx(1.4 * np.pi, rel=3e-3)
    np.testing.assert_allclose(np.linalg.norm(surface.reshape(-1, 2), axis=1), 0.7, atol=0.01)


def test_tension_of_a_beam_follows_the_closed_form():
    """sigma = t, u = t L / E."""
    mesh = design_mesh(beam(10), **BOX).mesh
    height = 10 / 32

    def middle(x):
        return (x[0] < 1e-9) & (np.abs(x[1] - 0.5) < 0.04)

    assert mesh.measures().sum() == pytest.approx(3 * height, rel=2e-3)
    domain, _ = dolfinx_mesh(mesh)
    problem = elasticity(
        domain,
        [Roller("left", 0), Roller(middle, 1), Traction("right", (2, 0))],
        hypothesis="plane stress",
        tags=mesh_tags(domain, mesh),
    )
    u = problem.solve().x.array.reshape(-1, 2)
    assert u[:, 0].max() == pytest.approx(2 * 3, rel=5e-3)
    assert problem.observe(["compliance"])["compliance"] == pytest.approx(4 * 3 * height, rel=5e-3)


def test_bending_of_a_cantilever_follows_beam_theory():
    """Timoshenko: w = F L^3 / (3 E I) + F L / (k G A), plane stress, unit thickness."""
    mesh = design_mesh(beam(10), **BOX).mesh
    height, length = 10 / 32, 3.0
    domain, _ = dolfinx_mesh(mesh)
    problem = elasticity(
        domain,
        [Clamped("left"), Traction("right", (0, 1 / height))],
        hypothesis="plane stress",
        degree=2,
        tags=mesh_tags(domain, mesh),
    )
    problem.solve()
    expected = length**3 / (3 * height**3 / 12) + length / (5 / 6 * height / 2.6)
    assert problem.observe(["compliance"])["compliance"] == pytest.approx(expected, rel=0.02)


def test_a_hollow_ball_has_its_volume_and_two_closed_surfaces():
    density = ball(16, 0.4) - ball(16, 0.2)
    design = design_mesh(density, lower=(0.0,) * 3, upper=(1.0,) * 3, smooth=0.5)
    assert design.volume == pytest.approx(density.mean(), rel=5e-3)
    assert design.islands == ()
    points, triangles = surface_triangles(design.mesh)
    assert enclosed(points, triangles) == pytest.approx(design.mesh.measures().sum())
    radii = np.linalg.norm(points - 0.5, axis=1)
    np.testing.assert_allclose(np.minimum(np.abs(radii - 0.4), np.abs(radii - 0.2)), 0.0, atol=0.02)


def test_the_extruded_surface_of_a_plane_design_is_closed():
    mesh = design_mesh(truss(), **BOX).mesh
    assert enclosed(*extruded_surface(mesh, 0.25)) == pytest.approx(0.25 * mesh.measures().sum())


def test_files_of_a_plane_design(tmp_path):
    design = design_mesh(truss(), **BOX)
    area = design.mesh.measures().sum()
    for name in ("a.msh", "a.stl", "a.step"):
        export_design(design, tmp_path / name, thickness=0.25)
    again = read(tmp_path / "a.msh")
    np.testing.assert_allclose(again.measures(), design.mesh.measures())
    assert {again.names[name] for name in ("left", "surface")} == {11, 10}
    stl = meshio.read(tmp_path / "a.stl")
    points = np.asarray(stl.points, dtype=float)
    assert np.linalg.det(points[stl.cells[0].data]).sum() / 6 == pytest.approx(0.25 * area, rel=1e-4)
    assert masses(tmp_path / "a.step", 3) == pytest.approx([0.25 * area])


@pytest.mark.parametrize("name", ["a.msh", "a.stl", "a.step"])
def test_a_file_beyond_the_limit_of_the_system_is_named_and_not_left_half(name, tmp_path):
    mesh = design_mesh(truss(), **BOX).mesh
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=name):
            export_design(mesh, tmp_path / name, thickness=0.25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_step_of_a_plane_design_without_thickness_has_one_face_for_each_part(tmp_path):
    density = beam(8)
    density[10:20, 24:30] = 1.0
    design = design_mesh(density, **BOX, keep="all")
    export_design(design, tmp_path / "a.step")
    areas = [design.islands[0].volume, design.mesh.measures().sum() - design.islands[0].volume]
    assert sorted(masses(tmp_path / "a.step", 2)) == pytest.approx(areas)


def test_files_of_a_design_in_3d(tmp_path):
    design = design_mesh(ball(6, 0.35), lower=(0.0,) * 3, upper=(1.0,) * 3, smooth=0.0)
    volume = design.mesh.measures().sum()
    export_design(design, tmp_path / "a.step")
    export_design(design.mesh, tmp_path / "a.stl")
    assert masses(tmp_path / "a.step", 3) == pytest.approx([volume])
    assert len(meshio.read(tmp_path / "a.stl").cells[0].data) == len(surface_triangles(design.mesh)[1])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"density": np.zeros((3, 8))}, "on at least 4 pixels a side, got float64"),
        ({"density": np.full((8, 8), 0.5)}, "from 0 to 1 that vary, got 0.5 to 0.5"),
        ({"density": np.zeros((8, 8))}, "that vary, got 0.0 to 0.0"),
        ({"density": 2 * truss()}, "expected densities from 0 to 1 that vary"),
        ({"density": np.where(truss() > 0, np.nan, 0)}, "expected finite values"),
        ({"volume": 0.0}, "design_mesh.volume: expected a share of the box between 0 and 1, got 0.0"),
        ({"keep": "some"}, "expected 'largest' or 'all', got 'some'"),
        ({"smooth": -1.0}, "expected a width of at least 0 pixels"),
        ({"refine": 0}, "design_mesh.refine: expected a whole number of at least 1, got 0"),
        ({"snap": 0.5}, "design_mesh.snap: expected 0 <= snap < 0.5, got 0.5"),
        ({"upper": (0.0, 1.0)}, "expected finite lower < upper"),
        ({"upper": (1.0, 1.0, 1.0)}, "need one entry per axis"),
    ],
)
def test_what_cannot_be_meshed_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        design_mesh(**{"density": truss(), **BOX, **change})


def test_a_volume_that_no_threshold_gives_is_refused():
    with pytest.raises(MeshingError, match="many pixels have the same density"):
        design_mesh(beam(8), **BOX, volume=0.9, smooth=0.0)


@pytest.mark.parametrize("image", ["checkerboard", "single pixel", "channel of one pixel"])
def test_hard_images_are_meshed_or_refused(image):
    density = np.zeros((16, 16))
    if image == "checkerboard":
        density[np.indices((16, 16)).sum(axis=0) % 2 == 0] = 1.0
    elif image == "single pixel":
        density[5, 7] = 1.0
    else:
        density[:, 8] = 1.0
    try:
        design = design_mesh(density, **BOX)
    except MeshingError as error:
        assert "expected a threshold" in str(error)  # noqa: PT017
    else:
        assert design.mesh.measures().min() > 0
        assert design.volume == pytest.approx(density.mean(), rel=5e-3)


QUAD = Mesh(np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]), [[0, 1, 2, 3]], "quad", [0])


@pytest.mark.parametrize(
    ("mesh", "name", "thickness", "text"),
    [
        (None, "a.obj", None, r"expected a file with the suffix \['.msh', '.step', '.stl'\], got '.obj'"),
        (None, "a.stl", None, "expected a thickness, by which a plane design is extruded in STL"),
        (None, "a.step", -1.0, "thickness: expected a positive length"),
        (QUAD, "a.stl", 1.0, "expected triangles in 2D or tetrahedra, got quad in 2D"),
    ],
)
def test_what_cannot_be_written_is_refused(mesh, name, thickness, text, tmp_path):
    mesh = mesh or Mesh(QUAD.points, [[0, 1, 2], [0, 2, 3]], "triangle", [0, 0])
    with pytest.raises(ValueError, match=text):
        export_design(mesh, tmp_path / name, thickness=thickness)


def test_a_surface_too_fine_for_step_is_refused_at_once(tmp_path):
    n = 2501
    points = np.vstack([[0, 0, 0], np.random.default_rng(0).random((3 * n, 3))])
    cells = np.c_[np.zeros(n, dtype=int), np.arange(1, 3 * n + 1).reshape(n, 3)]
    with pytest.raises(MeshingError, match="expected at most 10000 triangles of a surface for STEP, got 10004"):
        export_design(Mesh(points, cells, "tetra", np.zeros(n, dtype=int)), tmp_path / "a.step")
