"""DOLFINx problems with a discrete adjoint.

The DOLFINx wheel from PyPI has to be imported under its own name first, so import
this room before `dolfinx` itself.
"""

import contextlib

from genmech_fem.errors import MissingExtraError

with contextlib.suppress(ImportError):
    import dolfinx_solver  # noqa: F401

try:
    import dolfinx  # noqa: F401
except ImportError as error:
    raise MissingExtraError("dolfinx", "fem") from error

from genmech_fem.problems.diffusion import diffusion
from genmech_fem.problems.hyperelasticity import (
    extension_energies,
    lame,
    neo_hookean,
    set_pixels,
    solve_at_load,
    uniaxial_extension,
)
from genmech_fem.problems.problem import Problem
from genmech_fem.problems.solver import DirectSolver, Newton
from genmech_fem.problems.variational import VariationalProblem

__all__ = [
    "DirectSolver",
    "Newton",
    "Problem",
    "VariationalProblem",
    "diffusion",
    "extension_energies",
    "lame",
    "neo_hookean",
    "set_pixels",
    "solve_at_load",
    "uniaxial_extension",
]
