"""Pictures as arrays on a grid: axis 0 is x, axis 1 is y upwards."""

import io
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from skimage import color, util

from genmech_fem.errors import MeshingError, one_line


def from_rows(picture: np.ndarray) -> np.ndarray:
    """Turn a picture of rows from the top, (rows, columns, ...), into an array (nx, ny, ...)."""
    return np.swapaxes(picture[::-1], 0, 1)


def to_rows(array: np.ndarray) -> np.ndarray:
    """Turn an array (nx, ny, ...) into a picture of rows from the top, (rows, columns, ...)."""
    return np.swapaxes(array, 0, 1)[::-1]


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture as grey values.

    Args:
        path: Picture (PNG, TIFF, JPEG, ...), or an ``.npy`` file with an array (nx, ny[, nz]).

    Returns:
        Grey values (nx, ny) from 0 (black) to 1 (white); colours are weighted by luminance and a
        transparent background counts as white. Stacks of pictures (planes, rows, columns), as of
        computed tomography in TIFF, give (nx, ny, nz). An array in an ``.npy`` file stays as it is.

    Raises:
        FileNotFoundError: There is no such file.
        MeshingError: The file is damaged or holds no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"read_image: expected an image file, found none at {path}")
    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        picture = util.img_as_float64(_decoded(io.BytesIO(path.read_bytes()), path.suffix.lower()))
    except Exception as error:
        raise MeshingError(f"{path}: expected an image file, cannot read it: {one_line(error, 200)}") from error
    if picture.ndim == 3 and picture.shape[-1] == 4:
        picture = color.rgba2rgb(picture)
    if picture.ndim == 3 and picture.shape[-1] == 3:
        picture = color.rgb2gray(picture)
    elif picture.ndim == 3:
        return np.moveaxis(from_rows(np.moveaxis(picture, 0, -1)), -1, 2)
    if picture.ndim != 2:
        raise MeshingError(f"{path}: expected a picture of rows and columns, got an array of shape {picture.shape}")
    return from_rows(picture)


def _decoded(file: io.BytesIO, suffix: str) -> np.ndarray:
    if suffix in (".tif", ".tiff"):
        return np.asarray(tifffile.imread(file))
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGBA") if picture.mode in ("P", "LA", "PA") else picture)
