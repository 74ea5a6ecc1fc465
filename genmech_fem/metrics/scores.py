"""The scores of the report card: functions of one set of images and of the real one that it is compared with."""

import math

import numpy as np

from genmech_fem.metrics.classes import Classes, class_recall, class_shares
from genmech_fem.metrics.distributions import (
    energy_distance,
    gaussian_kernel,
    median_distance,
    mmd,
    precision_recall_density_coverage,
    standardize,
    vendi_score,
    wasserstein,
)
from genmech_fem.metrics.effective import EffectiveProperties
from genmech_fem.metrics.image_set import ImageSet
from genmech_fem.metrics.image_statistics import GREY, ImageStatistics

AS_REAL, LOW, HIGH = "as real", "low", "high"

type Entries = list[tuple[str, float, str]]  # name, value and which values are good


def all_scores(x: ImageSet, reference: ImageSet, k: int) -> Entries:
    """All scores for which something was measured; see `feature_scores` for k."""
    entries = image_scores(x.statistics, reference.statistics)
    entries += feature_scores(x.statistics.features(), reference.statistics.features(), k)
    if x.classes is not None and reference.classes is not None:
        entries += class_scores(x.classes, reference.classes)
    if x.distances is not None:
        entries += memory_scores(x.distances)
    if x.properties is not None and reference.properties is not None:
        entries += property_scores(x.properties, reference.properties)
    return entries


def relative_error(curves: np.ndarray, reference: np.ndarray) -> float:
    """L2 norm of the difference of two mean curves over that of the reference's; curves are rows (n, points)."""
    expected = reference.mean(axis=0)
    scale = float(np.linalg.norm(expected))
    return float(np.linalg.norm(curves.mean(axis=0) - expected)) / scale if scale > 0 else math.nan


def image_scores(x: ImageStatistics, reference: ImageStatistics) -> Entries:
    """Scores of the statistics of single images.

    The S2 error is the `relative_error` of the autocovariance, S2(r) less the squared volume fraction of
    each image, from 0 to half the cell; the volume fraction has its own scores.
    """
    entries = [
        ("volume fraction, mean", float(x.volume_fraction.mean()), AS_REAL),
        ("volume fraction, W1", wasserstein(x.volume_fraction, reference.volume_fraction), LOW),
        ("S2 error", relative_error(x.autocovariance, reference.autocovariance), LOW),
        ("lineal-path error", relative_error(x.lineal_path, reference.lineal_path), LOW),
        ("inclusions, mean", float(x.component_count.mean()), AS_REAL),
        ("inclusions, W1", wasserstein(x.component_count, reference.component_count), LOW),
        ("circularity, mean", float(x.circularity.mean()), AS_REAL),
    ]
    if x.disc_share is not None:
        entries += [
            ("share of discs", float(x.disc_share.mean()), AS_REAL),
            ("share of images with discs only", float((x.disc_share == 1).mean()), AS_REAL),
        ]
    return [
        *entries,
        ("jump over the border / inside", float(x.seam.mean()), AS_REAL),
        (f"share of grey pixels, {GREY[0]} to {GREY[1]}", float(x.grey_share.mean()), AS_REAL),
    ]


def feature_scores(x: np.ndarray, reference: np.ndarray, k: int) -> Entries:
    """Scores of the descriptors as points (n, features), in units of the reference's standard deviations.

    Args:
        x: Descriptors of the set.
        reference: Descriptors of the reference.
        k: Neighbour that sets the balls of precision, recall, density and coverage.
    """
    x, reference = standardize(x, reference), standardize(reference, reference)
    bandwidth = median_distance(reference)
    found = precision_recall_density_coverage(x, reference, k)
    return [
        ("descriptors, energy distance", energy_distance(x, reference), LOW),
        ("descriptors, MMD^2", mmd(x, reference, bandwidth), LOW),
        *((f"descriptors, {name}", value, HIGH) for name, value in found._asdict().items()),
        ("diversity, Vendi score", vendi_score(gaussian_kernel(x, x, bandwidth)), AS_REAL),
    ]


def class_scores(x: Classes, reference: Classes) -> Entries:
    """Recall of the classes, and the share of each that the reference knows."""
    shares = class_shares(x.labels, reference.known)
    return [
        ("class recall", class_recall(x.labels, reference.labels), HIGH),
        *((f"share of class {one}", float(share), AS_REAL) for one, share in zip(reference.known, shares, strict=True)),
    ]


def memory_scores(distances: np.ndarray) -> Entries:
    """Scores of the distance of each sample to the training set (n,), see `nearest_distance`."""
    return [
        ("distance to training, median", float(np.median(distances)), AS_REAL),
        ("distance to training, smallest", float(distances.min()), AS_REAL),
    ]


def property_scores(x: EffectiveProperties, reference: EffectiveProperties) -> Entries:
    """Scores of the effective properties; not a number where no image was solved."""
    values, expected = x.solved, reference.solved
    energy, distances = math.nan, [math.nan] * len(x.names)
    if len(values) and len(expected):
        energy = energy_distance(standardize(values, expected), standardize(expected, expected))
        distances = [wasserstein(a, b) for a, b in zip(values.T, expected.T, strict=True)]
    return [
        ("not solved, share", len(x.failures) / len(x.values), LOW),
        ("effective properties, energy distance", energy, LOW),
        *((f"{name}, W1 [{x.unit}]", distance, LOW) for name, distance in zip(x.names, distances, strict=True)),
    ]
