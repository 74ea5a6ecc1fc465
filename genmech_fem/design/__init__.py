"""Design loops over ForwardModels: objectives, constraints, parametrisations, optimisers, verification."""

from genmech_fem.design.adam import Adam
from genmech_fem.design.at_volume import AtVolume
from genmech_fem.design.bars import Bars
from genmech_fem.design.botorch import Bayesian
from genmech_fem.design.cma import CMAES
from genmech_fem.design.connectivity import Connected, EnclosedVoids
from genmech_fem.design.constraints import Constraint
from genmech_fem.design.densities import Densities
from genmech_fem.design.diversity import Diversity
from genmech_fem.design.ellipses import Ellipses
from genmech_fem.design.explore import Archive, explore
from genmech_fem.design.features import Descriptors
from genmech_fem.design.filters import DensityFilter, Filter, SensitivityFilter, hat_matrix
from genmech_fem.design.interpolation import RAMP, SIMP, Interpolation
from genmech_fem.design.inverse import inverse_design
from genmech_fem.design.loop import Step
from genmech_fem.design.manufacturability import MinimumFeature
from genmech_fem.design.map_elites import MapElites
from genmech_fem.design.minimize import DesignResult, minimize
from genmech_fem.design.moduli import Moduli
from genmech_fem.design.nlopt import MMA
from genmech_fem.design.novelty import Novelty
from genmech_fem.design.objectives import Mean, Objective, Value, Weighted
from genmech_fem.design.optimal_topology import OptimalTopology
from genmech_fem.design.optimality import OptimalityCriteria
from genmech_fem.design.optimizers import LBFGS, TrustConstr
from genmech_fem.design.overhang import Overhang, PrintFilter
from genmech_fem.design.p_norm import PNorm
from genmech_fem.design.pixel_flips import PixelFlips
from genmech_fem.design.projection import Projection
from genmech_fem.design.pymoo import NSGA2
from genmech_fem.design.refinement import Refinement, refine_cell
from genmech_fem.design.ribs import CMAME
from genmech_fem.design.scorers import Scorer
from genmech_fem.design.search import Evaluation, Optimizer, Search, Space
from genmech_fem.design.similarity import Similarity
from genmech_fem.design.sphere import OnSphere
from genmech_fem.design.symmetry import Symmetry
from genmech_fem.design.targets import FieldTarget, TensorTarget
from genmech_fem.design.topology import topology_optimization
from genmech_fem.design.total_variation import TotalVariation
from genmech_fem.design.verification import Candidates, verify

__all__ = [
    "CMAES",
    "CMAME",
    "LBFGS",
    "MMA",
    "NSGA2",
    "RAMP",
    "SIMP",
    "Adam",
    "Archive",
    "AtVolume",
    "Bars",
    "Bayesian",
    "Candidates",
    "Connected",
    "Constraint",
    "Densities",
    "DensityFilter",
    "Descriptors",
    "DesignResult",
    "Diversity",
    "Ellipses",
    "EnclosedVoids",
    "Evaluation",
    "FieldTarget",
    "Filter",
    "Interpolation",
    "MapElites",
    "Mean",
    "MinimumFeature",
    "Moduli",
    "Novelty",
    "Objective",
    "OnSphere",
    "OptimalTopology",
    "OptimalityCriteria",
    "Optimizer",
    "Overhang",
    "PNorm",
    "PixelFlips",
    "PrintFilter",
    "Projection",
    "Refinement",
    "Scorer",
    "Search",
    "SensitivityFilter",
    "Similarity",
    "Space",
    "Step",
    "Symmetry",
    "TensorTarget",
    "TotalVariation",
    "TrustConstr",
    "Value",
    "Weighted",
    "explore",
    "hat_matrix",
    "inverse_design",
    "minimize",
    "refine_cell",
    "topology_optimization",
    "verify",
]
