"""Classes of images, and how well one set holds those of another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genmech_fem.errors import ContractError


@dataclass(frozen=True)
class Classes:
    """Classes of images.

    Args:
        labels: Class of each image (n,).
        known: The classes that there are; a part of the images need not hold all of them.
    """

    labels: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, classifier: Callable[[np.ndarray], np.ndarray]) -> "Classes":
        """Classes of images (n, *grid) by a classifier from these to (n,).

        Raises:
            ContractError: It does not give one for each image.
        """
        labels = np.asarray(classifier(images))
        if labels.shape != (len(images),):
            raise ContractError(f"labels: expected a class for each of {len(images)} images, got shape {labels.shape}")
        return cls(labels, np.unique(labels))

    def take(self, rows: np.ndarray) -> "Classes":
        """Those of the images of the numbers `rows` (m,)."""
        return Classes(self.labels[rows], self.known)


def class_shares(labels: np.ndarray, classes: Sequence[object] | np.ndarray) -> np.ndarray:
    """Share of `labels` (n,) in each of the `classes`."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"labels: expected one for each sample (n,), got shape {labels.shape}")
    return np.array([(labels == one).mean() for one in classes])


def class_recall(labels: np.ndarray, reference: np.ndarray) -> float:
    """How much of each class of the `reference` (m,) `labels` (n,) hold, in the mean over these classes.

    A class counts 1 if its share among `labels` is at least that in `reference`, else the ratio of the
    shares: a class that is lost counts 0, whatever its share was.
    """
    classes = np.unique(reference)
    return float(np.minimum(class_shares(labels, classes) / class_shares(reference, classes), 1.0).mean())
