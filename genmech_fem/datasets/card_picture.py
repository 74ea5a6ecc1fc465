"""The picture of a data card: a few samples, one image for every component of every array."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial import KDTree

from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec

PANEL, GAP, LINE = 128, 12, 15  # pixels
COLUMNS = 6
MOST_PANELS = 24  # of one sample
NEIGHBOURS = {2: 8, 3: 27}  # of a point, that reach as far as the widest gap beside it
# viridis, by S. van der Walt and N. Smith (CC0), at equal steps
_COLOURS = (
    "440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e 1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725"
)
_ANCHORS = np.array([list(bytes.fromhex(colour)) for colour in _COLOURS.split()], dtype=float)


@dataclass(frozen=True)
class Panel:
    """One image with its two lines of text."""

    title: str
    note: str
    image: Image.Image


def picture(numbers: Sequence[int], arrays: Arrays, specs: Sequence[Spec]) -> Image.Image:
    """Draw samples below each other.

    Fields on grids of more than two axes are drawn in their middle slice, fields on the
    nodes or cells of stored meshes by the nearest of these points, and other numbers as bars.

    Args:
        numbers: Sample numbers.
        arrays: These samples, with the masks of padded fields.
        specs: Specs of the arrays.
    """
    rows = [list(_panels(arrays, specs, i))[:MOST_PANELS] for i in range(len(numbers))]
    strips = []
    for i, (number, panels) in enumerate(zip(numbers, rows, strict=True)):
        single = [f"{spec.name} = {_range(arrays[spec.name][i], spec.unit)}" for spec in specs if _is_single(spec)]
        strips.append(_heading("   ".join([f"sample {number}", *single])))
        strips += [_strip(panels[start : start + COLUMNS]) for start in range(0, len(panels), COLUMNS)]
    sheet = Image.new("RGB", (max(s.width for s in strips), sum(s.height for s in strips) + GAP), "white")
    y = GAP // 2
    for strip in strips:
        sheet.paste(strip, (0, y))
        y += strip.height
    return sheet


def _heading(text: str) -> Image.Image:
    strip = Image.new("RGB", (GAP + COLUMNS * (PANEL + GAP), LINE + GAP), "white")
    _text(strip, (GAP, GAP // 2), text, "black", 13, strip.width - 2 * GAP)
    return strip


def _strip(panels: Sequence[Panel]) -> Image.Image:
    """Panels beside each other, below their texts."""
    size = (GAP + COLUMNS * (PANEL + GAP), 2 * LINE + max(panel.image.height for panel in panels) + GAP)
    strip = Image.new("RGB", size, "white")
    for column, panel in enumerate(panels):
        x = GAP + column * (PANEL + GAP)
        _text(strip, (x, 0), panel.title, "black", 11, PANEL)
        _text(strip, (x, LINE), panel.note, "dimgrey", 11, PANEL)
        strip.paste(panel.image, (x, 2 * LINE + 2))
    return strip


def _panels(arrays: Arrays, specs: Sequence[Spec], i: int) -> Iterator[Panel]:
    """Panels of sample `i`."""
    for spec in specs:
        if spec.name in ("mesh.points", "mesh.cells") or _is_single(spec):
            continue
        mask = arrays.get(f"{spec.name}.mask")
        values = np.asarray(arrays[spec.name][i], dtype=np.float64)
        values = values if mask is None else values[..., mask[i]]
        if isinstance(spec, ScalarSpec):
            yield Panel(spec.name, _range(values, spec.unit), _bars(values))
            continue
        for index in np.ndindex(spec.value_shape):
            component = values[index]
            title = spec.name + (str(list(index)) if index else "")
            yield Panel(title, _range(component, spec.unit), _field(component, spec, arrays, i))


def _field(values: np.ndarray, spec: FieldSpec, arrays: Arrays, i: int) -> Image.Image:
    place = spec.place
    if isinstance(place, Grid) and place.dimension > 1:
        low, high = values.min(), values.max()
        for n in place.shape[2:]:
            values = values[:, :, n // 2]
        edges = [n * h for n, h in zip(place.shape[:2], place.spacing, strict=False)]
        return _fit(_coloured(values.T[::-1], low, high), edges)
    points = None if isinstance(place, Grid) else _points(arrays, i, values.size)
    return _bars(values) if points is None else _nearest(points, values)


def _points(arrays: Arrays, i: int, count: int) -> np.ndarray | None:
    """The nodes or the centres of the cells (count, dimension) of the mesh of sample `i`, if it has one."""
    if "mesh.points" not in arrays:
        return None
    nodes = arrays["mesh.points"][i][:, arrays["mesh.points.mask"][i]]
    places = [nodes]
    if "mesh.cells" in arrays:
        cells = arrays["mesh.cells"][i][:, arrays["mesh.cells.mask"][i]].astype(int)
        places.append(nodes[:, cells].mean(axis=1))
    return next((place.T for place in places if place.shape[1] == count > 1), None)


def _nearest(points: np.ndarray, values: np.ndarray) -> Image.Image:
    """Colour each pixel by the nearest point, white where that is farther off than the point's own neighbours."""
    lower, upper = points.min(axis=0), points.max(axis=0)
    edges = (upper - lower)[:2]
    steps = np.maximum(np.rint(edges / edges.max() * PANEL), 1).astype(int)
    axes = [a + (b - a) * (np.arange(n) + 0.5) / n for a, b, n in zip(lower, upper, steps, strict=False)]
    middle = (lower + upper)[2:] / 2
    pixels = np.stack(np.meshgrid(*axes, *middle, indexing="ij"), axis=-1).reshape(-1, points.shape[1])
    tree = KDTree(points)
    reach = tree.query(points, [min(NEIGHBOURS[points.shape[1]], len(points))])[0][:, 0]
    distance, index = tree.query(pixels)
    colours = np.where((distance <= reach[index])[:, None], _coloured(values[index], values.min(), values.max()), 255)
    return _fit(np.swapaxes(colours.reshape(*steps, 3), 0, 1)[::-1], edges)


def _bars(values: np.ndarray) -> Image.Image:
    """Bars from zero, left to right."""
    image = Image.new("RGB", (PANEL, PANEL), "whitesmoke")
    draw = ImageDraw.Draw(image)
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    heights = (PANEL - 1) * (1 - (np.append(values, 0.0) - low) / ((high - low) or 1.0))
    edges = np.linspace(0, PANEL, values.size + 1)
    gap = min(2, PANEL // values.size // 4)
    for left, right, top in zip(edges, edges[1:], heights, strict=False):
        corners = sorted((top, heights[-1]))
        draw.rectangle((left + gap, corners[0], right - gap - 1, corners[1]), "#31688e")
    return image


def _coloured(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Colours (..., 3) from 0 to 255 of values between `low` and `high`."""
    share = (values - low) / ((high - low) or 1.0) * (len(_ANCHORS) - 1)
    return np.stack([np.interp(share, np.arange(len(_ANCHORS)), anchor) for anchor in _ANCHORS.T], axis=-1)


def _fit(colours: np.ndarray, edges: Sequence[float] | np.ndarray) -> Image.Image:
    """Make an image of rows from the top whose longer edge is a panel's."""
    width, height = (max(1, round(PANEL * edge / max(edges))) for edge in edges)
    image = Image.fromarray(np.rint(colours).astype(np.uint8))
    shrinks = image.width > width or image.height > height
    return image.resize((width, height), Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST)


def _range(values: np.ndarray, unit: str) -> str:
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return (low if low == high else f"{low}  to  {high}") + (f" {unit}" if unit != "1" else "")


def _is_single(spec: Spec) -> bool:
    return isinstance(spec, ScalarSpec) and spec.size == 1


def _text(image: Image.Image, at: tuple[int, int], text: str, colour: str, size: int, width: int) -> None:
    """Write a line that is cut off where it would become wider than `width`."""
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    shown = text
    while len(text) > 1 and draw.textlength(shown, font) > width:
        text = text[:-1]
        shown = f"{text}..."
    draw.text(at, shown, colour, font)
