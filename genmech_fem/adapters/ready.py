"""Ready-made solvers of two-phase images: phase field -> fields and effective properties, one Q1 element a pixel.

A pixel belongs to the inclusion where the phase field is above 0.5.
"""

from collections.abc import Callable, Mapping

import numpy as np

from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.adapters.linear_maps import LinearMap, as_vector, cell_values, sample_state
from genmech_fem.adapters.materials import EPOXY, GLASS, Material, moduli
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import ForwardModel, FunctionModel, compose
from genmech_fem.geometry.interpolation import interpolation_matrix
from genmech_fem.microstructure import phase_grid, phase_spec
from genmech_fem.problems import Dirichlet, Problem, Roller, diffusion, elasticity, periodic_elasticity

UNITS = {"youngs_modulus": "GPa", "poisson_ratio": "1", "conductivity": "W/(m K)"}


def tension(
    resolution: int = 64, matrix: Material = EPOXY, inclusion: Material = GLASS, strain: float = 0.01
) -> ForwardModel:
    """A unit square in plane strain on rollers at its left and lower sides, pulled at the right one.

    Input ``phase``; outputs ``displacement`` (batch, 2, nx + 1, ny + 1) [m] at the corners of the pixels,
    and ``strain_energy`` (batch, 1) [GJ/m], that of a unit thickness.

    Args:
        resolution: Pixels along each side.
        matrix: Material of phase 0.
        inclusion: Material of phase 1.
        strain: Displacement of the right side over the length [1].
    """
    conditions = (
        Roller(_side(0, 0.0), 0),
        Roller(_side(1, 0.0), 1),
        Dirichlet(_side(0, 1.0), strain, component=0),
    )
    problem = elasticity(pixel_mesh(resolution), conditions)
    displacement = FieldSpec("displacement", _corners(resolution), (2,), "m")
    outputs = (
        sample_state(problem.state, displacement),
        as_vector(ScalarSpec("strain_energy", 1, "GJ/m"), "strain_energy"),
    )
    return _two_phase(problem, resolution, moduli(matrix, inclusion), outputs)


def conduction(resolution: int = 64, matrix: float = 1.0, inclusion: float = 10.0) -> ForwardModel:
    """A unit square between the temperatures 1 at its left and 0 at its right side, insulated above and below.

    Input ``phase``; outputs ``temperature`` (batch, nx + 1, ny + 1) [K] at the corners of the pixels, and
    ``effective_conductivity`` (batch, 1) [W/(m K)] from left to right.

    Args:
        resolution: Pixels along each side.
        matrix: Conductivity of phase 0 [W/(m K)].
        inclusion: Conductivity of phase 1 [W/(m K)].
    """
    conditions = Dirichlet(_side(0, 0.0), 1.0, name="left"), Dirichlet(_side(0, 1.0), 0.0, name="right")
    problem = diffusion(pixel_mesh(resolution), conditions)
    temperature = FieldSpec("temperature", _corners(resolution), (), "K")
    # the dissipation under a unit drop over a unit square is the conductivity
    effective = as_vector(ScalarSpec("effective_conductivity", 1, "W/(m K)"), "dissipation")
    outputs = sample_state(problem.state, temperature), effective
    return _two_phase(problem, resolution, {"conductivity": (matrix, inclusion)}, outputs)


def darcy(resolution: int = 420, every: int = 1) -> ForwardModel:
    """Darcy flow in the unit square under the source 1, with the pressure 0 at its border: a benchmark of operators.

    Input ``permeability`` (batch, nx + 1, ny + 1) at the nodes, of which a cell takes the mean; output ``pressure``
    (batch, nx / every + 1, ny / every + 1) at some of them.

    Args:
        resolution: Cells along each side.
        every: Of how many nodes along a side one is kept.

    Raises:
        ValueError: `every` does not divide `resolution`.
    """
    if every < 1 or resolution % every:
        raise ValueError(f"darcy: expected a divisor of the {resolution} cells along a side as every, got {every}")
    problem, nodes = diffusion(pixel_mesh(resolution)), _corners(resolution)
    given = FieldSpec("permeability", nodes)
    middles = problem.controls["conductivity"].function_space.tabulate_dof_coordinates()[:, :2]
    means = interpolation_matrix(nodes, middles)
    pressure = FieldSpec("pressure", _corners(resolution // every))
    inputs = (LinearMap(given, "conductivity", means),)
    return ProblemModel(problem, inputs, (sample_state(problem.state, pressure),))


def pixel_stiffness(
    resolution: int = 64, matrix: Material = EPOXY, inclusion: Material = GLASS, dimension: int = 2
) -> ForwardModel:
    """The effective stiffness of a periodic cell of pixels or voxels.

    Input ``phase``; output ``stiffness`` (batch, 6) or (batch, 21) [GPa], the upper triangle of the Mandel
    matrix C* (2D: plane strain).

    Args:
        resolution: Pixels along each side.
        matrix: Material of phase 0.
        inclusion: Material of phase 1.
        dimension: 2 or 3.
    """
    problem = periodic_elasticity(pixel_mesh(resolution, dimension))
    stiffness = ScalarSpec("stiffness", problem.loads * (problem.loads + 1) // 2, "GPa")
    outputs = (as_vector(stiffness, "stiffness"),)
    return _two_phase(problem, resolution, moduli(matrix, inclusion), outputs, dimension)


def _two_phase(
    problem: Problem,
    resolution: int,
    values: Mapping[str, tuple[float, ...]],
    outputs: tuple[LinearMap, ...],
    dimension: int = 2,
) -> ForwardModel:
    """From the phase to the values of both phases by name of control, and to the solver."""
    grid = phase_grid(resolution, dimension=dimension)
    specs = tuple(FieldSpec(name, grid, (), UNITS[name]) for name in values)
    inputs = tuple(cell_values(problem.controls[spec.name], spec, spec.name) for spec in specs)

    def assign(arrays: Arrays) -> Arrays:
        return {name: np.where(arrays["phase"] > 0.5, *reversed(pair)) for name, pair in values.items()}

    phase = FunctionModel(assign, (phase_spec(resolution, dimension=dimension),), specs)
    return compose(phase, ProblemModel(problem, inputs, outputs))


def _side(axis: int, place: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.isclose(x[axis], place)


def _corners(resolution: int) -> Grid:
    return Grid((resolution + 1,) * 2, (0.0, 0.0), (1.0, 1.0), at="nodes")
