"""Measures of error and quality."""

from genmech_fem.metrics.tensors import relative_frobenius, symmetric_matrix, upper_triangle

__all__ = ["relative_frobenius", "symmetric_matrix", "upper_triangle"]
