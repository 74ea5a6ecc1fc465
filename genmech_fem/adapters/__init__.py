"""Between finite-element functions and arrays: grids, points, graphs, files, and problems as ForwardModels."""

import genmech_fem.problems  # noqa: F401  (loads DOLFINx in the order that its wheel needs)
from genmech_fem.adapters.beams import cantilever, mbb_beam
from genmech_fem.adapters.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from genmech_fem.adapters.conforming_structure import ConformingStructure
from genmech_fem.adapters.each_cell import each_cell
from genmech_fem.adapters.expression_sampling import ExpressionSampling
from genmech_fem.adapters.graph_batches import batch_graphs, pad_graphs, split_graph, unpad_graphs
from genmech_fem.adapters.graphs import Graph, mesh_graph
from genmech_fem.adapters.heat_sink import heat_sink
from genmech_fem.adapters.homogenization import ConformingHomogenization, pixel_homogenization
from genmech_fem.adapters.interpolation import to_cells, to_nodes
from genmech_fem.adapters.linear_maps import (
    LinearMap,
    as_vector,
    cell_means,
    cell_values,
    phase_values,
    sample_history,
    sample_state,
)
from genmech_fem.adapters.load_cases import LoadCases
from genmech_fem.adapters.location import locate
from genmech_fem.adapters.materials import EPOXY, GLASS, Material
from genmech_fem.adapters.mechanisms import inverter
from genmech_fem.adapters.meshes import dolfinx_mesh, mesh_tags, phase_field, solution_functions
from genmech_fem.adapters.nodes import node_features, point_cloud, to_function
from genmech_fem.adapters.output import FieldWriter, write_fields
from genmech_fem.adapters.pixel_structure import pixel_structure
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.adapters.pyvista import to_pyvista
from genmech_fem.adapters.ready import conduction, darcy, pixel_stiffness, tension
from genmech_fem.adapters.residual_guard import ResidualGuard
from genmech_fem.adapters.resolved_structure import ResolvedStructure, assembled
from genmech_fem.adapters.sampling import Sampling, sample_gradients, sample_values
from genmech_fem.adapters.two_scale import homogenized_structure
from genmech_fem.adapters.wheel import Arc, Wheel
from genmech_fem.geometry.interpolation import interpolation_matrix
from genmech_fem.geometry.pyvista import grid_to_pyvista
from genmech_fem.geometry.standard_structures import cantilever_structure, inverter_structure, mbb_structure
from genmech_fem.geometry.structure_parts import Load, Side, Spring, Support, Torque
from genmech_fem.geometry.structures import Structure

__all__ = [
    "EPOXY",
    "GLASS",
    "Arc",
    "Checkpoint",
    "ConformingHomogenization",
    "ConformingStructure",
    "ExpressionSampling",
    "FieldWriter",
    "Graph",
    "LinearMap",
    "Load",
    "LoadCases",
    "Material",
    "ProblemModel",
    "ResidualGuard",
    "ResolvedStructure",
    "Sampling",
    "Side",
    "Spring",
    "Structure",
    "Support",
    "Torque",
    "Wheel",
    "as_vector",
    "assembled",
    "batch_graphs",
    "cantilever",
    "cantilever_structure",
    "cell_means",
    "cell_values",
    "conduction",
    "darcy",
    "dolfinx_mesh",
    "each_cell",
    "grid_to_pyvista",
    "heat_sink",
    "homogenized_structure",
    "interpolation_matrix",
    "inverter",
    "inverter_structure",
    "load_checkpoint",
    "locate",
    "mbb_beam",
    "mbb_structure",
    "mesh_graph",
    "mesh_tags",
    "node_features",
    "pad_graphs",
    "phase_field",
    "phase_values",
    "pixel_homogenization",
    "pixel_stiffness",
    "pixel_structure",
    "point_cloud",
    "sample_gradients",
    "sample_history",
    "sample_state",
    "sample_values",
    "save_checkpoint",
    "solution_functions",
    "split_graph",
    "tension",
    "to_cells",
    "to_function",
    "to_nodes",
    "to_pyvista",
    "unpad_graphs",
    "write_fields",
]
