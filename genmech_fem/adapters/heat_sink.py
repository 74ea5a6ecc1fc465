"""Heat sinks: heat from everywhere leaves by a part of one side."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from genmech_fem.adapters.linear_maps import LinearMap, as_vector, cell_values, sample_state
from genmech_fem.adapters.pixel_structure import box_mesh, check_outputs
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.geometry.structure_parts import Side
from genmech_fem.geometry.structures import node_grid
from genmech_fem.problems import Dirichlet, Source, VariationalProblem, diffusion

_OUTPUTS = ("compliance", "temperature", "heat_flux")
_OUTLET = Side("left", 0.4, 0.6)


def heat_sink(
    shape: Sequence[int] = (40, 40),
    outlet: Side = _OUTLET,
    *,
    upper: Sequence[float] | None = None,
    outputs: Sequence[str] = ("compliance",),
) -> ProblemModel:
    """A box that is heated everywhere by the source 1 and cooled to the temperature 0 at its outlet only.

    Input ``conductivity`` (batch, *cells) [W/(m K)]. Outputs, of which some are chosen:

    - ``compliance`` (batch, 1), the integral of source and temperature [W K].
    - ``temperature`` (batch, *nodes) [K] at the corners of the cells.
    - ``heat_flux`` (batch, dimension, *cells) [W/m^2], its mean in each cell.

    Args:
        shape: Cells along 2 or 3 axes.
        outlet: Part of one side; by default the middle fifth of the left one.
        upper: Size of the box [m]; by default 1 along the longest axis, with square cells.
        outputs: Names of the outputs.

    Raises:
        ValueError: An output is unknown, there are no cells, or the outlet is smaller than one of them.
    """
    check_outputs(outputs, _OUTPUTS)
    size = np.array(shape) / max(shape) if upper is None else upper
    grid = Grid(tuple(shape), (0.0,) * len(shape), tuple(size))
    problem = diffusion(box_mesh(grid), [Dirichlet(outlet.of(grid), 0.0), Source(1.0)])
    spec = FieldSpec("conductivity", grid, (), "W/(m K)")
    conductivity = cell_values(problem.controls[spec.name], spec, spec.name)
    return ProblemModel(
        problem, (conductivity,), tuple(_output(name, grid, problem, conductivity.matrix) for name in outputs)
    )


def _output(name: str, grid: Grid, problem: VariationalProblem, to_control: sparse.csr_array) -> LinearMap:
    if name == "compliance":
        return as_vector(ScalarSpec(name, 1, "W K"), name)
    if name == "temperature":
        return sample_state(problem.state, FieldSpec(name, node_grid(grid), (), "K"))
    axes = np.eye(grid.dimension)
    by_axis = [sparse.kron(to_control.T, axis[None]) for axis in axes]
    return LinearMap(
        FieldSpec(name, grid, (grid.dimension,), "W/m^2"), "flux", sparse.csr_array(sparse.vstack(by_axis))
    )
