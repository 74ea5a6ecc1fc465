"""The data contract: what the axes, the place and the unit of an array are.

Every array is laid out as ``(batch, *value_shape, *place.shape)``; grids use the
axis order ``ij`` (axis 0 is x). Specs are frozen, hashable and turn into JSON, so
they travel inside the data store and inside the ONNX file.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from genmech_fem.errors import ContractError, NotFiniteError

type Arrays = Mapping[str, np.ndarray]
type Place = Grid | Points
type Spec = FieldSpec | ScalarSpec


@dataclass(frozen=True)
class Grid:
    """Regular grid in a box.

    Args:
        shape: Number of points along each axis.
        lower: Lower corner of the box [length].
        upper: Upper corner of the box [length].
        at: ``"cells"`` puts the points at the centres of ``shape`` equal cells,
            ``"nodes"`` puts them at nodes that include the faces of the box.

    Raises:
        ValueError: The box or the shape is empty, or their dimensions differ.
    """

    shape: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    at: Literal["cells", "nodes"] = "cells"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "lower", tuple(float(x) for x in self.lower))
        object.__setattr__(self, "upper", tuple(float(x) for x in self.upper))
        if self.at not in ("cells", "nodes"):
            raise ValueError(f"Grid.at: expected 'cells' or 'nodes', got {self.at!r}")
        if not self.shape or not len(self.shape) == len(self.lower) == len(self.upper):
            raise ValueError(
                "Grid: shape, lower and upper need one entry per axis, "
                f"got shape={self.shape}, lower={self.lower}, upper={self.upper}"
            )
        if min(self.shape) < (1 if self.at == "cells" else 2):
            raise ValueError(f"Grid.shape: expected at least 1 cell or 2 nodes along each axis, got {self.shape}")
        if not all(
            math.isfinite(a) and math.isfinite(b) and a < b for a, b in zip(self.lower, self.upper, strict=True)
        ):
            raise ValueError(f"Grid: expected finite lower < upper, got lower={self.lower}, upper={self.upper}")

    @property
    def dimension(self) -> int:
        """Number of space dimensions."""
        return len(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring points along each axis [length]."""
        gaps = [n if self.at == "cells" else n - 1 for n in self.shape]
        return tuple((b - a) / n for a, b, n in zip(self.lower, self.upper, gaps, strict=True))

    def axes(self) -> tuple[np.ndarray, ...]:
        """Coordinates along each axis [length]."""
        offset = 0.5 if self.at == "cells" else 0.0
        return tuple(
            a + h * (np.arange(n) + offset) for a, h, n in zip(self.lower, self.spacing, self.shape, strict=True)
        )

    def points(self) -> np.ndarray:
        """Coordinates of all points, shape (points, dimension), in the order of ``array.ravel()``."""
        return np.stack(np.meshgrid(*self.axes(), indexing="ij"), axis=-1).reshape(-1, self.dimension)


@dataclass(frozen=True)
class Points:
    """Mesh nodes or a point cloud.

    Args:
        dimension: Number of space dimensions.
        count: Number of points; ``None`` where it differs from sample to sample. Such
            arrays are padded, with the key ``<field>.mask`` (batch, points) telling the
            points that count from the padding (see `pad`).
    """

    dimension: int
    count: int | None = None

    def __post_init__(self) -> None:
        if self.dimension < 1 or (self.count is not None and self.count < 1):
            raise ValueError(
                f"Points: expected dimension >= 1 and count >= 1 or None, got {self.dimension}, {self.count}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a scalar field on these points; -1 is any number."""
        return (-1 if self.count is None else self.count,)


@dataclass(frozen=True)
class FieldSpec:
    """A field: arrays of shape ``(batch, *value_shape, *place.shape)`` in `unit`."""

    name: str
    place: Place
    value_shape: tuple[int, ...] = ()
    unit: str = "1"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value_shape", tuple(int(n) for n in self.value_shape))
        if min(self.value_shape, default=1) < 1:
            raise ValueError(f"FieldSpec: expected a value shape of positive numbers, got {self.value_shape}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample; -1 is any number of points."""
        return (*self.value_shape, *self.place.shape)

    @property
    def channel_shape(self) -> tuple[int, ...]:
        """Shape of one sample as networks see it: (channels, *grid), the value shape flattened."""
        return (math.prod(self.value_shape), *self.place.shape)


@dataclass(frozen=True)
class ScalarSpec:
    """A vector of `size` numbers: arrays of shape ``(batch, size)`` in `unit`."""

    name: str
    size: int = 1
    unit: str = "1"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"ScalarSpec: expected a size >= 1, got {self.size}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return (self.size,)

    @property
    def channel_shape(self) -> tuple[int, ...]:
        """Shape of one sample as networks see it: (size,)."""
        return (self.size,)


def to_json(spec: Spec) -> dict[str, Any]:
    """Turn a spec into plain JSON data."""
    data = {"kind": type(spec).__name__, **asdict(spec)}
    if isinstance(spec, FieldSpec):
        data["place"] = {"kind": type(spec.place).__name__, **asdict(spec.place)}
    return data


def from_json(data: Mapping[str, Any]) -> Spec:
    """Make a spec from what `to_json` wrote.

    Raises:
        ContractError: The data does not describe a spec.
    """
    try:
        fields = _tuples(data)
        kind = fields.pop("kind")
        if kind == "ScalarSpec":
            return ScalarSpec(**fields)
        place = _tuples(fields.pop("place"))
        places: dict[str, type[Grid] | type[Points]] = {"Grid": Grid, "Points": Points}
        fields["place"] = places[place.pop("kind")](**place)
        return {"FieldSpec": FieldSpec}[kind](**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ContractError(f"expected the JSON of a FieldSpec or ScalarSpec, got {data!r}") from error


def _tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def check(arrays: Arrays, specs: Sequence[Spec], role: str = "input") -> dict[str, np.ndarray]:
    """Return `arrays` as floating-point numpy arrays after comparing them with `specs`.

    Args:
        arrays: Arrays by name, each ``(batch, *spec.shape)``.
        specs: What is expected.
        role: The word that error messages use for these arrays.

    Raises:
        ContractError: A name is missing or unknown, or a shape, a batch size, a mask
            breaks the contract.
        NotFiniteError: A value is not finite.
    """
    masks = {f"{s.name}.mask" for s in specs if isinstance(s, FieldSpec) and -1 in s.shape}
    names = {s.name for s in specs} | masks
    if set(arrays) != names:
        raise ContractError(f"expected the {role}s {sorted(names)}, got {sorted(arrays)}")
    checked = {spec.name: _check_one(arrays[spec.name], spec, role) for spec in specs}
    sizes = {name: len(array) for name, array in checked.items()}
    if len(set(sizes.values())) > 1:
        raise ContractError(f"expected one batch size for all {role}s, got {sizes}")
    for name in masks:
        field = checked[name.removesuffix(".mask")]
        mask = np.asarray(arrays[name], dtype=bool)
        if mask.shape != (len(field), field.shape[-1]):
            raise ContractError(f"{role} '{name}': expected {(len(field), field.shape[-1])}, got {mask.shape}")
        checked[name] = mask
    return checked


def _check_one(value: np.ndarray, spec: Spec, role: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ContractError(f"{role} '{spec.name}': expected real numbers, got dtype {array.dtype}")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    expected = spec.shape
    fits = array.ndim == len(expected) + 1 and all(n in (-1, m) for n, m in zip(expected, array.shape[1:], strict=True))
    if not fits:
        wanted = ", ".join(["batch", *("any" if n == -1 else str(n) for n in expected)])
        raise ContractError(f"{role} '{spec.name}': expected shape ({wanted}), got {array.shape}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array.reshape(len(array), -1))).any(axis=1).argmax())
        raise NotFiniteError(f"{role} '{spec.name}': expected finite numbers, sample {bad} holds NaN or infinity")
    return array


def pad(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Stack fields on different numbers of points.

    Args:
        samples: Arrays ``(*value_shape, points_i)``.

    Returns:
        The array ``(batch, *value_shape, max points)`` padded with zeros, and the mask
        ``(batch, max points)`` that is true on the points that count.
    """
    if not samples:
        raise ValueError("pad: expected at least one sample, got none")
    longest = max(sample.shape[-1] for sample in samples)
    array = np.zeros((len(samples), *samples[0].shape[:-1], longest), dtype=np.result_type(*samples))
    mask = np.zeros((len(samples), longest), dtype=bool)
    for row, sample in enumerate(samples):
        array[row, ..., : sample.shape[-1]] = sample
        mask[row, : sample.shape[-1]] = True
    return array, mask


def mask_name(specs: tuple[Spec, ...]) -> str | None:
    """Name of the mask of the first field that varies in size between samples, which stands for all of them."""
    return next((f"{s.name}.mask" for s in specs if -1 in s.shape), None)


def one_mask(arrays: Arrays, specs: tuple[Spec, ...]) -> np.ndarray:
    """The mask (batch, points) that all fields of varying size share.

    Raises:
        ContractError: Their masks differ.
    """
    names = [f"{spec.name}.mask" for spec in specs if -1 in spec.shape]
    first = arrays[names[0]]
    differing = [name for name in names if not np.array_equal(arrays[name], first)]
    if differing:
        raise ContractError(f"expected one mask for all fields, '{names[0]}' and {differing} differ")
    return first


def take(arrays: Arrays, index: slice | np.ndarray | Sequence[int]) -> dict[str, np.ndarray]:
    """Select samples of a batch."""
    return {name: array[index] for name, array in arrays.items()}


def concatenate(batches: Iterable[Arrays]) -> dict[str, np.ndarray]:
    """Join batches of the same fields along the batch axis."""
    parts = list(batches)
    if not parts:
        raise ValueError("concatenate: expected at least one batch, got none")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
