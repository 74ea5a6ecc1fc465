"""Between finite-element functions and arrays: sampling operators and problems as ForwardModels."""

import genmech_fem.problems  # noqa: F401  (loads DOLFINx in the order that its wheel needs)
from genmech_fem.adapters.homogenization import (
    EPOXY,
    GLASS,
    ConformingHomogenization,
    Material,
    phase_values,
    pixel_homogenization,
)
from genmech_fem.adapters.meshes import dolfinx_mesh, phase_field
from genmech_fem.adapters.problem_model import (
    LinearMap,
    ProblemModel,
    as_vector,
    cell_values,
    sample_history,
    sample_state,
)
from genmech_fem.adapters.sampling import locate, sampling_matrices

__all__ = [
    "EPOXY",
    "GLASS",
    "ConformingHomogenization",
    "LinearMap",
    "Material",
    "ProblemModel",
    "as_vector",
    "cell_values",
    "dolfinx_mesh",
    "locate",
    "phase_field",
    "phase_values",
    "pixel_homogenization",
    "sample_history",
    "sample_state",
    "sampling_matrices",
]
