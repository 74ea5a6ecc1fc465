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

from genmech_fem.problems.certificate import Certificate
from genmech_fem.problems.conditions import (
    BodyForce,
    Clamped,
    Dirichlet,
    Flux,
    Pressure,
    Roller,
    Source,
    Traction,
)
from genmech_fem.problems.diffusion import diffusion
from genmech_fem.problems.elasticity import elasticity
from genmech_fem.problems.fourier import Fourier
from genmech_fem.problems.heat import TimeSteps, transient_heat
from genmech_fem.problems.homogenization import PeriodicHomogenization, periodic_conduction, periodic_elasticity
from genmech_fem.problems.hyperelasticity import (
    extension_energies,
    hyperelasticity,
    neo_hookean,
    set_pixels,
    uniaxial_extension,
)
from genmech_fem.problems.judges import Certified, ResidualCheck
from genmech_fem.problems.law import Law
from genmech_fem.problems.linear import LinearSolver
from genmech_fem.problems.newton import Newton
from genmech_fem.problems.physics import lame
from genmech_fem.problems.problem import Problem
from genmech_fem.problems.solver_options import SolverOptions
from genmech_fem.problems.tags import Tags
from genmech_fem.problems.transient import TransientProblem
from genmech_fem.problems.variational import VariationalProblem

__all__ = [
    "BodyForce",
    "Certificate",
    "Certified",
    "Clamped",
    "Dirichlet",
    "Flux",
    "Fourier",
    "Law",
    "LinearSolver",
    "Newton",
    "PeriodicHomogenization",
    "Pressure",
    "Problem",
    "ResidualCheck",
    "Roller",
    "SolverOptions",
    "Source",
    "Tags",
    "TimeSteps",
    "Traction",
    "TransientProblem",
    "VariationalProblem",
    "diffusion",
    "elasticity",
    "extension_energies",
    "hyperelasticity",
    "lame",
    "neo_hookean",
    "periodic_conduction",
    "periodic_elasticity",
    "set_pixels",
    "transient_heat",
    "uniaxial_extension",
]
