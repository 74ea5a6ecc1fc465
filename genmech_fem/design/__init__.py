"""Design loops over ForwardModels: objectives, optimisers, inverse design, verification."""

from genmech_fem.design.inverse import Candidates, inverse_design, verify
from genmech_fem.design.minimize import DesignResult, minimize
from genmech_fem.design.objectives import FieldTarget, Objective, TensorTarget
from genmech_fem.design.optimizers import CMAES, LBFGS, Optimizer

__all__ = [
    "CMAES",
    "LBFGS",
    "Candidates",
    "DesignResult",
    "FieldTarget",
    "Objective",
    "Optimizer",
    "TensorTarget",
    "inverse_design",
    "minimize",
    "verify",
]
