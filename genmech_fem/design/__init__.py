"""Design loops over ForwardModels: objectives, optimisers, topology optimisation, inverse design, verification."""

from genmech_fem.design.densities import Densities
from genmech_fem.design.filters import DensityFilter, Filter, SensitivityFilter, hat_matrix
from genmech_fem.design.interpolation import RAMP, SIMP, Interpolation
from genmech_fem.design.inverse import Candidates, inverse_design, verify
from genmech_fem.design.minimize import DesignResult, minimize
from genmech_fem.design.objectives import FieldTarget, Objective, TensorTarget
from genmech_fem.design.optimality import OptimalityCriteria
from genmech_fem.design.optimizers import CMAES, LBFGS, Optimizer
from genmech_fem.design.projection import Projection
from genmech_fem.design.topology import TopologyResult, topology_optimization
from genmech_fem.design.topology_steps import TopologyStep, topology_steps

__all__ = [
    "CMAES",
    "LBFGS",
    "RAMP",
    "SIMP",
    "Candidates",
    "Densities",
    "DensityFilter",
    "DesignResult",
    "FieldTarget",
    "Filter",
    "Interpolation",
    "Objective",
    "OptimalityCriteria",
    "Optimizer",
    "Projection",
    "SensitivityFilter",
    "TensorTarget",
    "TopologyResult",
    "TopologyStep",
    "hat_matrix",
    "inverse_design",
    "minimize",
    "topology_optimization",
    "topology_steps",
    "verify",
]
