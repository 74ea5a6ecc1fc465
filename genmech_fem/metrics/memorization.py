r"""Memorisation: how near each sample comes to an image of the training set, over shifts and symmetries of the torus.

The sums :math:`\sum_x s(x + r) t(x)` for all shifts r are one inverse Fourier transform, and none of them exceeds
:math:`\sum_k |S_k| |T_k| / N` with the N modes of both images. Training images are tried in the order of the bound
that this sets to their distance, until it exceeds the distance found: the result is that of trying all.
"""

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
from scipy import fft

from genmech_fem.errors import ContractError, NotFiniteError

BLOCK = 2**24  # pixels of training images whose spectra are held at a time
CHUNK = 2**16  # pixels of correlations at a time: these stay in the cache
ROUNDING = 1e-5  # of single precision, relative to the squares of both images


def nearest_distance(
    samples: np.ndarray, training: np.ndarray, *, symmetries: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each sample to the nearest training image, wherever it is shifted to and however it is turned.

    Args:
        samples: Images (n, *grid), 2D or 3D.
        training: Images (m, *grid).
        symmetries: Whether an image counts as the same under the rotations and mirrors that keep the grid (8 of
            a square, 48 of a cube) and not only under shifts by whole pixels on the torus.

    Returns:
        The root of the mean square difference of the pixels (n,), in the unit of the images, and the number of
        the training image (n,).

    Raises:
        ContractError: Not two sets of images of one shape.
        NotFiniteError: A pixel is NaN or infinite.
    """
    samples, training = _images(samples, "samples"), _images(training, "training")
    if samples.shape[1:] != training.shape[1:]:
        raise ContractError(f"training: expected images {samples.shape[1:]} as the samples, got {training.shape[1:]}")
    best, index = np.full(len(samples), np.inf), np.zeros(len(samples), dtype=int)
    rows = max(1, BLOCK // samples[0].size)
    for start in range(0, len(training), rows):
        block = _Block(training[start : start + rows])
        for i, sample in enumerate(samples):
            square, number = block.nearest(sample, best[i], symmetries)
            if square < best[i]:
                best[i], index[i] = square, start + number
    return np.sqrt(best), index


class _Block:
    """Training images with their spectra."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.shape = images, images.shape[1:]
        self.axes = tuple(range(1, images.ndim))
        self.squares = (images**2).reshape(len(images), -1).sum(axis=1)
        self.spectra = fft.rfftn(images.astype(np.float32), axes=self.axes).conj()
        self.moduli = self._moduli(images)

    def _moduli(self, images: np.ndarray) -> np.ndarray:
        return np.abs(fft.fftn(images.astype(np.float32), axes=self.axes)).reshape(len(images), -1)

    def nearest(self, sample: np.ndarray, best: float, symmetries: bool) -> tuple[float, int]:
        """Mean square difference to the nearest image and its number, where it is below `best`."""
        versions = np.stack(list(_versions(sample)) if symmetries else [sample])
        spectra = fft.rfftn(versions.astype(np.float32), axes=self.axes)
        squares = (sample**2).sum() + self.squares
        bound = (1 - ROUNDING) * squares - 2 / sample.size * (self._moduli(versions) @ self.moduli.T)
        order = np.argsort(bound, axis=None)
        least, found, rows = best * sample.size, None, max(1, CHUNK // sample.size)
        for start in range(0, order.size, rows):
            version, number = np.unravel_index(order[start : start + rows], bound.shape)
            if bound[version[0], number[0]] >= least:
                break
            for reflected in (False, True) if symmetries else (False,):
                spectrum = spectra[version].conj() if reflected else spectra[version]
                sums = fft.irfftn(spectrum * self.spectra[number], s=self.shape, axes=self.axes)
                sums = sums.reshape(len(number), -1)
                distances = squares[number] - 2 * sums.max(axis=1)
                j = int(distances.argmin())
                if distances[j] < least:
                    least = float(distances[j])
                    found = versions[version[j]], reflected, int(number[j]), int(sums[j].argmax())
        return (best, 0) if found is None else (self._difference(*found), found[2])

    def _difference(self, version: np.ndarray, reflected: bool, number: int, shift: int) -> float:
        """Mean square difference in double precision, where the single one found it least."""
        axes = tuple(range(version.ndim))
        image = np.roll(np.flip(version), 1, axes) if reflected else version
        moved = np.roll(image, [-int(r) for r in np.unravel_index(shift, self.shape)], axes)
        return float(np.mean((moved - self.images[number]) ** 2))


def _versions(image: np.ndarray) -> Iterator[np.ndarray]:
    """The image under the symmetries of its grid: of two that differ by a point reflection, one."""
    for axes in permutations(range(image.ndim)):
        turned = image.transpose(axes)
        if turned.shape == image.shape:
            for flips in product((False, True), repeat=image.ndim - 1):
                yield np.flip(turned, tuple(axis for axis, flip in enumerate(flips) if flip))


def _images(images: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(images, dtype=float)
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise ContractError(f"{name}: expected images (batch, nx, ny[, nz]), got shape {array.shape}")
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{name}: expected finite numbers, got NaN or infinity")
    return array
