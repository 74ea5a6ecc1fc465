"""Designs on conforming meshes against finer and finer pixels, and designs that cannot stand."""

import meshio
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from genmech_fem.adapters import Load, Side, Structure, Support, cantilever, cantilever_structure
from genmech_fem.adapters.conforming_structure import ConformingStructure
from genmech_fem.adapters.pixel_structure import pixel_structure
from genmech_fem.adapters.wheel import Wheel
from genmech_fem.errors import ConvergenceError, MeshingError
from genmech_fem.forward import linearize

VOID = 1e-9
FLOOR = Support(Side("bottom"))


def pixels(structure, density):
    """Compliances (batch, cases) of densities on their cells."""
    return pixel_structure(structure)({"youngs_modulus": np.maximum(density, VOID)})["compliance"]


def finer(structure, factor):
    shape = tuple(n * factor for n in structure.shape)
    return Structure(shape, structure.supports, structure.loads, structure.grid.upper)


def from_distance(structure, distance, width):
    """Densities from the distance to the surface, negative inside, which fall from 1 to 0 over a width."""
    x = structure.grid.points().T.reshape(-1, *structure.shape)
    return np.clip(0.5 - distance(*x) / width, 0, 1)[None]


def bar(x, y, start, end, width):
    """Distance to a bar with round ends."""
    along = np.subtract(end, start)
    share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along), 0, 1)
    return np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1]) - width / 2


def two_bars(x, y):
    """Two bars of a truss from the left side of 64 x 32 to a block in the middle of the right one."""
    block = np.maximum(np.abs(x - 64) - 6, np.abs(y - 16) - 6)
    return np.minimum.reduce([bar(x, y, (0, 4), (62, 16), 7), bar(x, y, (0, 28), (62, 16), 7), block])


TRUSS = Structure((32, 16), (Support(Side("left")),), (Load(Side("right", 0.375, 0.625), (0.0, -1.0)),), (64.0, 32.0))


@pytest.fixture(scope="module")
def truss():
    return from_distance(TRUSS, two_bars, 2.0)


def test_a_full_beam_in_the_lower_half_is_that_of_the_pixels():
    load = Load(Side("right", 0.125, 0.375), (0.0, -1.0))
    box = Structure((32, 16), (Support(Side("left")),), (load,))
    density = np.zeros((2, 32, 16))
    density[:, :, :8] = 1.0
    found = ConformingStructure(box, refine=2, youngs_modulus=2.0)({"density": density})
    reference = cantilever((128, 32), 0.5)({"youngs_modulus": np.ones((1, 128, 32))})["compliance"].item()
    np.testing.assert_allclose(found["compliance"], reference / 2, rtol=2e-3)
    np.testing.assert_allclose(found["volume"], 0.5, rtol=1e-3)


def test_a_truss_converges_to_that_of_fine_pixels(truss):
    at = [ConformingStructure(TRUSS, refine=n, smooth=0.0)({"density": truss})["compliance"].item() for n in (1, 2, 4)]
    assert at[2] - at[1] < 0.5 * (at[1] - at[0])
    assert at[0] < at[1] < at[2] < 1.01 * at[0]
    fine = finer(TRUSS, 8)
    assert at[2] == pytest.approx(pixels(fine, from_distance(fine, two_bars, VOID)).item(), rel=0.01)


def test_an_l_frame_is_that_of_fine_pixels():
    """The corner that turns inwards is rounded by less than a cell."""
    load = Load(Side("right", 0.15, 0.35), (0.0, -1.0))
    frame = Structure(
        (40, 40),
        (
            Support(
                Side("top"),
            ),
        ),
        (load,),
    )
    distance = lambda x, y: np.minimum(x - 16, np.maximum(x - 40, y - 16))  # noqa: E731
    found = ConformingStructure(frame, refine=2, smooth=0.0)({"density": from_distance(frame, distance, 1.0)})
    fine = finer(frame, 3)
    assert found["compliance"].item() == pytest.approx(
        pixels(fine, from_distance(fine, distance, VOID)).item(), rel=0.01
    )


def test_the_solid_of_an_optimum_is_as_stiff_as_its_pixels():
    """SIMP of power 3 by optimality criteria; both are as stiff as black and white, not as the grey optimum."""
    shape, volume = (48, 24), 0.4
    model, x = cantilever(shape, 0.25), np.full(shape, volume)
    for _ in range(40):
        density = gaussian_filter(x, 0.8)
        outputs, pull_back = linearize(model, {"youngs_modulus": (VOID + density**3)[None]})
        slope = pull_back({"compliance": np.ones((1, 1))})["youngs_modulus"][0] * 3 * density**2
        gain, low, high = np.sqrt(-gaussian_filter(slope, 0.8)), -20.0, 20.0
        for _ in range(50):
            middle = (low + high) / 2
            new = np.clip(x * gain * np.exp(middle), np.maximum(x - 0.2, 0), np.minimum(x + 0.2, 1))
            low, high = (middle, high) if new.mean() < volume else (low, middle)
        x = new
    black = (density > np.quantile(density, 1 - volume))[None]
    structure = cantilever_structure(shape, 0.25)
    binary = pixels(structure, black).item()
    solid = ConformingStructure(structure, volume, refine=2, smooth=0.5)({"density": density[None]})
    assert solid["compliance"].item() == pytest.approx(binary, rel=0.05)
    assert solid["compliance"].item() < 0.95 * outputs["compliance"].item()
    assert solid["volume"].item() == pytest.approx(volume, rel=0.005)


def columns(*places, shape=(24, 16)):
    """Densities of columns from the floor to the top."""
    density = np.zeros((1, *shape))
    for start, stop in places:
        density[:, start:stop] = 1.0
    return density


def on_top(*intervals, shape=(24, 16)):
    """A load down on each part of the upper side, as a share of its length."""
    loads = tuple(Load(Side("top", *interval), (0.0, -1.0)) for interval in intervals)
    return Structure(shape, (FLOOR,), loads)


def test_parts_that_stand_apart_carry_their_own_loads():
    """Columns 4 and 8 wide and 16 high: c = h / w, less what the floor holds back at their feet."""
    structure = on_top((4 / 24, 8 / 24), (12 / 24, 20 / 24))
    solid = ConformingStructure(structure, refine=2, smooth=0.0)
    density = columns((4, 8), (12, 20))
    found = solid({"density": density})
    np.testing.assert_allclose(found["compliance"][0], [16 / 4, 16 / 8], rtol=0.04)
    np.testing.assert_allclose(
        found["compliance"], pixels(finer(structure, 4), density.repeat(4, 1).repeat(4, 2)), rtol=0.01
    )


def test_parts_without_support_are_left_out_and_loads_on_them_refused():
    structure = on_top((4 / 24, 8 / 24), (12 / 24, 20 / 24))
    solid, density = ConformingStructure(structure, smooth=0.0), columns((4, 8), (12, 20))
    density[:, 12:20, 4:8] = 0.0
    with pytest.raises(MeshingError, match=r"sample 0: loads\[1\]: expected solid that connects it to a support"):
        solid({"density": density})
    with pytest.raises(MeshingError, match=r"sample 1: loads\[1\]: expected facets of the solid"):
        solid({"density": np.concatenate([columns((4, 8), (12, 20)), columns((4, 8))])})
    density[:, :, :2] = 0.0
    with pytest.raises(MeshingError, match="supports: expected solid"):
        solid({"density": density})
    floating = columns((4, 8))
    floating[:, 14:18, 6:10] = 1.0
    alone = ConformingStructure(on_top((4 / 24, 8 / 24)), smooth=0.0)
    design = alone.mesh(floating[0])
    assert design.removed == pytest.approx(16, rel=0.1)
    assert "left" not in design.mesh.names
    assert {"bottom", "top", "surface"} <= set(design.mesh.names)
    whole, part = alone({"density": columns((4, 8))}), alone({"density": floating})
    np.testing.assert_allclose(part["compliance"], whole["compliance"], rtol=0.01)
    np.testing.assert_allclose(part["volume"], 1 / 6, rtol=0.02)


def test_a_design_that_is_not_held_is_refused():
    sliding = Structure((24, 16), (Support(Side("bottom"), (1,)),), (Load(Side("top"), (0.0, -1.0)),))
    with pytest.raises(ConvergenceError, match="sample 0.*moves without a force"):
        ConformingStructure(sliding)({"density": columns((4, 8))})
    with pytest.raises(ValueError, match="sample 0.*from 0 to 1 that vary"):
        ConformingStructure(sliding)({"density": np.ones((1, 24, 16))})


def test_a_column_in_3d_is_as_stiff_as_its_section():
    held = tuple(Support(Side("left"), (axis,)) for axis in range(3))
    block = Structure((8, 6, 6), held, (Load(Side("right"), (1.0, 0.0, 0.0)),))
    density = np.zeros((1, 8, 6, 6))
    density[:, :, :, :3] = 1.0
    found = ConformingStructure(block, degree=1, smooth=0.0)({"density": density})
    assert found["compliance"].item() == pytest.approx(8 / 18, rel=0.05)


def test_files_show_the_displacement(tmp_path, truss):
    solid = ConformingStructure(TRUSS, degree=1, smooth=0.0)
    solid.write(truss[0], tmp_path / "truss.vtu")
    written = meshio.read(tmp_path / "truss.vtu")
    assert len(written.cells[0].data) == len(solid.mesh(truss[0]).mesh.cells)
    patch = (written.points[:, 0] == 64) & (abs(written.points[:, 1] - 16) <= 4)
    sinking = -written.point_data["displacement 0"][patch, 1].mean()
    assert sinking == pytest.approx(solid({"density": truss})["compliance"].item(), rel=0.01)


def test_a_wheel_turns_into_itself():
    wheel = Wheel(48, rim=0.08, angles=4)
    density = wheel.spoked(4, 0.1)
    assert density[wheel.solid].min() >= 0.5
    assert density[wheel.void].max() <= 0.5
    np.testing.assert_allclose(density, density.T, atol=1e-12)
    on_pixels = wheel.model()({"youngs_modulus": np.maximum(density, VOID)[None]})["compliance"][0]
    solid = wheel.conforming()({"density": density[None]})
    forces, torque = solid["compliance"][0, :4], solid["compliance"][0, 4]
    np.testing.assert_allclose(on_pixels[:4], on_pixels[0], rtol=1e-6)
    np.testing.assert_allclose(forces, forces[0], rtol=0.02)
    np.testing.assert_allclose(solid["compliance"][0], on_pixels, rtol=0.1)
    assert torque > 2 * forces[0]  # spokes bend
    assert solid["volume"].item() == pytest.approx(density.mean(), rel=0.005)


@pytest.mark.parametrize("settings", [{"rim": 0.3, "hub": 0.2}, {"resolution": 16}, {"radius": 0.5}, {"angles": 0}])
def test_wheels_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="Wheel"):
        Wheel(**settings)
