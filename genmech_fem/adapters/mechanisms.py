"""Compliant mechanisms: the force inverter of Sigmund (1997), doi:10.1080/08905459708945415."""

from genmech_fem.adapters.linear_maps import as_vector
from genmech_fem.adapters.pixel_structure import pixel_problem
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.fields import ScalarSpec
from genmech_fem.geometry.standard_structures import inverter_structure


def inverter(nx: int = 40, ny: int = 20, spring_in: float = 0.1, spring_out: float = 0.1) -> ProblemModel:
    """The upper half of a force inverter: pushed at its left end, the right end should move to the left.

    Input ``youngs_modulus`` (batch, nx, ny), output ``displacement`` (batch, 1) of the output port along x, negative
    where the motion is inverted; an optimiser makes it small.

    Args:
        nx: Cells along the mechanism; they are unit squares.
        ny: Cells over half its height.
        spring_in: Stiffness at the input port, that of an actuator [force/length].
        spring_out: Stiffness at the output port, that of the workpiece [force/length].

    Raises:
        ValueError: There are no cells, or a stiffness is negative.
    """
    problem, moduli = pixel_problem(inverter_structure((nx, ny), spring_in, spring_out))
    return ProblemModel(problem, (moduli,), (as_vector(ScalarSpec("displacement"), "ports"),))
