"""Fingerprints of the content of samples, also up to whole-pixel shifts on the torus."""

import math
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np

from genmech_fem.fields import Arrays, FieldSpec, Spec

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, Knuth's multiplicative hashing


def fingerprints(array: np.ndarray, *, periodic: bool = False, value_axes: int = 0) -> np.ndarray:
    """Hash the content of every sample; equal samples have equal fingerprints.

    Args:
        array: Real numbers (samples, ...); -0.0 counts as 0.0.
        periodic: Also give one fingerprint to samples that are whole-pixel shifts of each
            other on the torus; mirror images and rotations differ.
        value_axes: Number of axes behind the first that hold components and do not shift.

    Returns:
        Fingerprints (samples,), uint64, the same on every machine.

    Raises:
        ValueError: The array holds other things than real numbers, or lacks axes.
    """
    values = _plain(array)
    if values.ndim < 1 + periodic * (1 + value_axes):
        axes = "(samples, " + "value, " * value_axes + "*grid)" if periodic else "(samples, ...)"
        raise ValueError(f"fingerprints: expected an array {axes}, got shape {values.shape}")
    if not periodic:
        digests = b"".join(blake2b(sample.tobytes(), digest_size=8).digest() for sample in values)
        return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    channels = math.prod(values.shape[1 : 1 + value_axes])
    views = _views(values.reshape(len(values), channels, *values.shape[1 + value_axes :]))
    return np.asarray(views.sum(axis=tuple(range(1, views.ndim)), dtype=np.uint64))


def contents(arrays: Arrays, specs: Sequence[Spec], *, periodic: bool) -> Iterator[np.ndarray]:
    """Put what counts of each sample into one array.

    Args:
        arrays: A batch, with the masks of padded fields.
        specs: The arrays that count; with `periodic`, all fields are on one grid.
        periodic: Give (channels, *grid), where numbers that are no field are the same in
            every pixel; else a row of all numbers without padding.
    """
    grid = next((spec.place.shape for spec in specs if isinstance(spec, FieldSpec)), ())
    masks = {spec.name: arrays.get(f"{spec.name}.mask") for spec in specs}
    for i in range(len(arrays[specs[0].name])):
        if periodic:
            yield np.concatenate([_channels(arrays[spec.name][i], spec, grid) for spec in specs])
        else:
            rows = [(arrays[name][i], None if mask is None else mask[i]) for name, mask in masks.items()]
            yield np.concatenate([part for array, mask in rows for part in _row(array, mask)])


def equal(a: np.ndarray, b: np.ndarray, *, periodic: bool) -> bool:
    """Compare what `contents` gave for two samples, exactly; with `periodic`, over all shifts."""
    if not periodic or a.shape != b.shape:
        return np.array_equal(a, b)
    first, second = (_views(_plain(x)[None])[0] for x in (a, b))
    axes = tuple(range(1, a.ndim))
    # a pixel from where `b` looks as `a` does from its first pixel; symmetric fields have more than one
    origins = np.argwhere(second == first.flat[0])
    return any(np.array_equal(a, np.roll(b, tuple(-origin), axes)) for origin in origins)


def mix(numbers: np.ndarray) -> np.ndarray:
    """Scramble uint64 numbers one to one (the finaliser of SplitMix64, doi:10.1145/2660193.2660195)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(numbers ^ (numbers >> np.uint64(31)))


def _views(values: np.ndarray) -> np.ndarray:
    """Hash the whole torus as it looks from each pixel: (samples, channels, *grid) to (samples, *grid).

    Neighbours at distances 1, 2, 4, ... are mixed in along each axis, so that after the last
    distance a pixel's number depends on every pixel by its position relative to it.
    """
    bits = values.view(np.uint64)
    views = np.zeros((len(bits), *bits.shape[2:]), dtype=np.uint64)
    for channel in range(bits.shape[1]):
        views = mix(views * _ODD + bits[:, channel] + _ODD)
    for axis in range(1, views.ndim):
        distance = 1
        while distance < views.shape[axis]:
            views = mix(views * _ODD + np.roll(views, -distance, axis))
            distance *= 2
    return views


def _plain(array: np.ndarray) -> np.ndarray:
    values = np.asarray(array)
    if values.dtype.kind not in "fiub":
        raise ValueError(f"fingerprints: expected real numbers, got dtype {values.dtype}")
    return np.ascontiguousarray(values, dtype=np.float64) + 0.0  # -0.0 + 0.0 is 0.0


def _channels(array: np.ndarray, spec: Spec, grid: tuple[int, ...]) -> np.ndarray:
    own = grid if isinstance(spec, FieldSpec) else (1,) * len(grid)
    channels = array.reshape(-1, *own)
    return np.broadcast_to(channels, (len(channels), *grid))


def _row(array: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Numbers of one sample in a row; behind their number where it differs by sample."""
    return (array.ravel(),) if mask is None else (np.array([mask.sum()]), array[..., mask].ravel())
