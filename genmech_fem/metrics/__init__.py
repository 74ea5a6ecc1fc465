"""Measures of error and quality."""

from genmech_fem.metrics.bounds import hashin_shtrikman
from genmech_fem.metrics.classes import class_recall, class_shares
from genmech_fem.metrics.detection import (
    Interval,
    aupr,
    auroc,
    bootstrap,
    detection_scores,
    false_alarm_rate,
    pixel_auroc,
)
from genmech_fem.metrics.distributions import (
    Manifolds,
    energy_distance,
    gaussian_kernel,
    median_distance,
    mmd,
    precision_recall_density_coverage,
    standardize,
    vendi_score,
    wasserstein,
)
from genmech_fem.metrics.effective import EffectiveProperties, solve_each
from genmech_fem.metrics.feasibility import check_feasible, feasible_fractions
from genmech_fem.metrics.field_errors import nearest_neighbour, quantiles, relative_l2, untrained_predictions
from genmech_fem.metrics.image_set import ImageSet
from genmech_fem.metrics.image_statistics import ImageStatistics
from genmech_fem.metrics.isotropy import isotropic_stiffness
from genmech_fem.metrics.memorization import nearest_distance
from genmech_fem.metrics.report_card import ReportCard, Score, report_card
from genmech_fem.metrics.tensors import relative_frobenius, symmetric_matrix, upper_triangle

__all__ = [
    "EffectiveProperties",
    "ImageSet",
    "ImageStatistics",
    "Interval",
    "Manifolds",
    "ReportCard",
    "Score",
    "aupr",
    "auroc",
    "bootstrap",
    "check_feasible",
    "class_recall",
    "class_shares",
    "detection_scores",
    "energy_distance",
    "false_alarm_rate",
    "feasible_fractions",
    "gaussian_kernel",
    "hashin_shtrikman",
    "isotropic_stiffness",
    "median_distance",
    "mmd",
    "nearest_distance",
    "nearest_neighbour",
    "pixel_auroc",
    "precision_recall_density_coverage",
    "quantiles",
    "relative_frobenius",
    "relative_l2",
    "report_card",
    "solve_each",
    "standardize",
    "symmetric_matrix",
    "untrained_predictions",
    "upper_triangle",
    "vendi_score",
    "wasserstein",
]
