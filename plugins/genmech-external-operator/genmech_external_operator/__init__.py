"""ONNX constitutive laws in any UFL form, with consistent tangents.

Laws from files, cells and tables become external operators of UFL forms; `convex` trains laws and needs torch.
"""

import genmech_fem.problems  # noqa: F401  isort: skip  (before DOLFINx, see there)

from genmech_external_operator.cells import PeriodicCell
from genmech_external_operator.composites import brick_and_mortar
from genmech_external_operator.laws import PointLaw, as_point_law, read_law
from genmech_external_operator.operators import external_operator, mandel
from genmech_external_operator.problem import Attempt, OperatorProblem
from genmech_external_operator.tables import energy_table

__all__ = [
    "Attempt",
    "OperatorProblem",
    "PeriodicCell",
    "PointLaw",
    "as_point_law",
    "brick_and_mortar",
    "energy_table",
    "external_operator",
    "mandel",
    "read_law",
]
