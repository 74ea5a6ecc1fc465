r"""A ready periodic cell: stiff bricks in a mortar that yields.

The mortar obeys the deformation theory of plasticity, whose energy is convex in the strain:

.. math:: \psi = \tfrac{K}{2} \mathrm{tr}(e)^2
          + \mu \left(h |e'|^2 + 2 (1 - h) e_0^2 \left(\sqrt{1 + |e'|^2 / e_0^2} - 1\right)\right)

with the deviator e'; Hencky (1924), doi:10.1002/zamm.19240040405, with a smooth transition.
"""

from typing import Any

import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_external_operator.cells import PeriodicCell
from genmech_fem.fields import ScalarSpec
from genmech_fem.problems import lame
from genmech_fem.problems.physics import mandel_basis


def brick_and_mortar(
    *,
    brick: tuple[float, float] = (20.0, 0.2),
    mortar: tuple[float, float] = (2.0, 0.35),
    yield_strain: float = 0.005,
    hardening: float = 0.1,
    refine: int = 1,
) -> PeriodicCell:
    """Make the cell, in plane strain and of small strains: Mandel components in, Mandel stresses [GPa] out.

    Args:
        brick: Young's modulus [GPa] and Poisson's ratio [1] of the bricks.
        mortar: The same of the mortar before it yields.
        yield_strain: Norm of the deviator e_0 at which the mortar yields [1].
        hardening: Share h of its stiffness that is left [1].
        refine: Times eight biquadratic elements along each side.

    Raises:
        ValueError: A number is outside of its range.
    """
    if not (yield_strain > 0 and 0 < hardening <= 1 and refine >= 1):
        raise ValueError(
            "brick_and_mortar: expected yield_strain > 0, 0 < hardening <= 1 and refine >= 1, "
            f"got {yield_strain}, {hardening} and {refine}"
        )
    (mu_b, lmbda_b), (mu, lmbda) = lame(*brick), lame(*mortar)
    domain = mesh.create_unit_square(MPI.COMM_SELF, 8 * refine, 8 * refine, mesh.CellType.quadrilateral)
    bricks = fem.Function(fem.functionspace(domain, ("DG", 0)))
    x, y = 8 * bricks.function_space.tabulate_dof_coordinates()[:, :2].T
    bricks.x.array[:] = (y > 1) & (y < 3) & (x > 1) & (x < 7) | (y > 5) & (y < 7) & ((x < 2) | (x > 4))
    units = [ufl.as_matrix(unit.tolist()) for unit in mandel_basis(2)]

    def energy(E: Any, w: fem.Function) -> Any:
        strain = sum(E[k] * unit for k, unit in enumerate(units)) + ufl.sym(ufl.grad(w))
        trace, limit = ufl.tr(strain), yield_strain**2
        deviator = ufl.inner(strain, strain) - trace**2 / 3
        plateau = 2 * limit * (ufl.sqrt(1 + deviator / limit) - 1)
        yielding = (lmbda / 2 + mu / 3) * trace**2 + mu * (hardening * deviator + (1 - hardening) * plateau)
        elastic = lmbda_b / 2 * trace**2 + mu_b * ufl.inner(strain, strain)
        return bricks * elastic + (1 - bricks) * yielding

    return PeriodicCell(
        domain, energy, strain=ScalarSpec("strain", 3), stress=ScalarSpec("stress", 3, "GPa"), shape=(2,)
    )
