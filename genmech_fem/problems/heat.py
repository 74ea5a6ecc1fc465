r"""Transient heat conduction by the theta scheme: c du/dt = div(kappa grad u) + f.

.. math:: \int c \frac{u_n - u_{n-1}}{\Delta t} v
          + \kappa \nabla (\theta u_n + (1 - \theta) u_{n-1}) \cdot \nabla v \, dx = \int f v \, dx + \int q v \, ds

Crank and Nicolson (1947), doi:10.1017/S0305004100023197.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ufl
from dolfinx import fem, mesh

from genmech_fem.problems.applied import apply, cell_control, cell_measure
from genmech_fem.problems.conditions import Condition, Dirichlet, Flux, Source
from genmech_fem.problems.solver_options import SolverOptions, positive_definite
from genmech_fem.problems.tags import Tags
from genmech_fem.problems.transient import TransientProblem
from genmech_fem.problems.variational import VariationalProblem


@dataclass(frozen=True)
class TimeSteps:
    """Equal steps in time.

    Args:
        size: Length of a step [s].
        count: Number of steps.
        theta: 1 is the implicit Euler method (order 1), 0.5 that of Crank and Nicolson (order 2).

    Raises:
        ValueError: The size is not positive, there is no step, or theta is outside [0.5, 1],
            where the scheme is stable for any size.
    """

    size: float
    count: int
    theta: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.size < float("inf") and self.count >= 1 and 0.5 <= self.theta <= 1):
            raise ValueError(f"TimeSteps: expected size > 0, count >= 1 and theta in [0.5, 1], got {self}")


def transient_heat(
    domain: mesh.Mesh,
    times: TimeSteps,
    conditions: Sequence[Condition] = (Dirichlet(), Source(0.0)),
    *,
    degree: int = 1,
    series: Iterable[str] = (),
    tags: Tags | None = None,
    solver: SolverOptions | None = None,
) -> TransientProblem:
    """Make the problem of a temperature in time; all its steps take one factorisation.

    Controls: ``initial`` temperature u_0 [K], ``conductivity`` kappa [W/(m K)] and
    ``capacity`` c [J/(m^3 K)], one value a cell, at first 1; and one for each condition, by
    default ``boundary_value`` [K] and ``source`` [W/m^3], both 0.

    Observables of every step: ``heat``, the integral of c u [J]; the means in each cell of
    ``flux``, - kappa grad of theta u_n + (1 - theta) u_(n-1) [W/m^2].

    Args:
        domain: The mesh.
        times: The steps.
        conditions: `Dirichlet`, `Source` and `Flux`; elsewhere the boundary is insulated.
        degree: Polynomial degree of u.
        series: Names of conditions that have a value of their own in every step; loads act
            through the whole step, Dirichlet values hold at its end.
        tags: Tags that the conditions refer to.
        solver: PETSc options.

    Raises:
        TypeError: A condition does not fit.
        ValueError: A condition has a wrong place or value.
        ContractError: A name in `series` is unknown or that of a field.
    """
    applied = apply(conditions, domain, allowed=(Dirichlet, Source, Flux), shape=(), degree=degree, tags=tags)
    conductivity, capacity = cell_control(domain, "conductivity", 1.0), cell_control(domain, "capacity", 1.0)
    state, before = (fem.Function(applied.space, name=name) for name in ("temperature", "previous"))
    v = ufl.TestFunction(applied.space)
    dx = cell_measure(domain, 2 * degree)
    flux = -conductivity * ufl.grad(times.theta * state + (1 - times.theta) * before)
    step = VariationalProblem(
        (capacity * (state - before) / times.size * v - ufl.inner(flux, ufl.grad(v))) * dx - applied.work(v),
        state,
        controls=applied.controls_with({"previous": before, "conductivity": conductivity, "capacity": capacity}),
        bcs=applied.bcs,
        observables={"heat": capacity * state * dx, "flux": flux},
        positive={"conductivity": conductivity, "capacity": capacity},
        solver=positive_definite(solver),
    )
    return TransientProblem(step, times.count, series=series)
