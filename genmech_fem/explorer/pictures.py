"""Fields as pictures in the page."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from genmech_fem.geometry import to_rows

type Colours = Sequence[str]

PHASES = ("#e9eef4", "#27496d")
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
DIVERGING = ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b")


def coloured(values: np.ndarray, colours: Colours, limits: tuple[float, float]) -> np.ndarray:
    """Colours (..., 3) of values (...), from 0 to 255."""
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours])
    share = (values - limits[0]) / max(limits[1] - limits[0], np.finfo(float).tiny)
    place = np.clip(share, 0, 1)
    channels = [np.interp(place, np.linspace(0, 1, len(stops)), channel) for channel in stops.T]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def picture(field: np.ndarray, colours: Colours = PHASES, limits: tuple[float, float] = (0.0, 1.0)) -> str:
    """A field (nx, ny) as an address of a PNG, x to the right and y upwards."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(to_rows(coloured(field, colours, limits)))).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
