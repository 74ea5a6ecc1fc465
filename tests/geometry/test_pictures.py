import numpy as np
import pytest
from skimage import io

from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry.pictures import from_rows, read_image, to_rows

ROWS = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]], dtype=np.uint8) * 255
"""The letter F as a picture: row 0 at the top."""


def test_the_letter_f_stands_upright_with_axis_0_as_x():
    array = from_rows(ROWS)
    grid = Grid(array.shape, (0.0, 0.0), (4.0, 5.0))
    x, y = grid.points()[array.ravel() > 0].T
    assert (x < 1).sum() == 5  # the stem is on the left
    assert (y > 4).sum() == 4  # the long bar is on top
    assert ((y > 2) & (y < 3)).sum() == 3
    np.testing.assert_array_equal(to_rows(array), ROWS)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_and_colour_pictures_give_the_same_values(tmp_path, suffix):
    io.imsave(tmp_path / f"grey{suffix}", ROWS, check_contrast=False)
    io.imsave(tmp_path / f"rgb{suffix}", np.stack([ROWS] * 3, axis=-1), check_contrast=False)
    grey, colour = read_image(tmp_path / f"grey{suffix}"), read_image(str(tmp_path / f"rgb{suffix}"))
    np.testing.assert_array_equal(grey, from_rows(ROWS) / 255)
    np.testing.assert_allclose(colour, grey, atol=1e-9)


def test_transparent_is_white(tmp_path):
    rgba = np.zeros((5, 4, 4), dtype=np.uint8)
    rgba[..., 3] = 255 - ROWS
    io.imsave(tmp_path / "a.png", rgba, check_contrast=False)
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), from_rows(ROWS) / 255, atol=1e-9)


def test_a_stack_has_its_planes_along_z(tmp_path):
    wide = np.pad(ROWS, ((0, 0), (0, 2)))
    stack = np.stack([wide, wide // 2, wide * 0, wide])
    io.imsave(tmp_path / "a.tif", stack, check_contrast=False)
    voxels = read_image(tmp_path / "a.tif")
    assert voxels.shape == (6, 5, 4)
    for k, plane in enumerate(stack):
        np.testing.assert_array_equal(voxels[:, :, k], from_rows(plane) / 255)


def test_arrays_stay_as_they_are(tmp_path):
    array = np.random.default_rng(0).random((3, 4, 5))
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy"), array)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy", "a.txt"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 40, b"no picture"])
def test_a_foreign_file_gives_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MeshingError, match="expected an image file, cannot read it") as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected an image file, found none at .*a\.png"):
        read_image(tmp_path / "a.png")
