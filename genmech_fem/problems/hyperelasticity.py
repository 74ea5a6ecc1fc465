"""Hyperelastic solids at finite strain, and the block of Mechanical MNIST.

Lejeune, Mechanical MNIST (2020), doi:10.1016/j.eml.2020.100659.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.problems.applied import apply, cell_control, cell_measure, stiffness_degree
from genmech_fem.problems.conditions import Clamped, Condition, Dirichlet, Pressure, Roller
from genmech_fem.problems.elasticity import MECHANICAL, solid_dimension
from genmech_fem.problems.physics import lame
from genmech_fem.problems.solver_options import SolverOptions
from genmech_fem.problems.tags import Tags
from genmech_fem.problems.variational import VariationalProblem


def neo_hookean(F: Any, mu: Any, lmbda: Any) -> Any:
    r"""Strain energy density [stress] of a compressible neo-Hookean solid.

    .. math:: \psi = \tfrac{\mu}{2} (F:F - 3 - 2 \ln J) + \tfrac{\lambda}{2} \left(\tfrac{J^2 - 1}{2} - \ln J\right)

    Bonet and Wood (2008), doi:10.1017/CBO9780511755446.

    Args:
        F: Deformation gradient (UFL), 3x3.
        mu: Shear modulus [stress].
        lmbda: First Lamé parameter [stress].
    """
    J = ufl.det(F)
    ln_J = 2 * ufl.ln(ufl.sqrt(J))  # the root keeps NaN in the derivatives too where an element is inverted
    return mu / 2 * (ufl.inner(F, F) - 3 - 2 * ln_J) + lmbda / 2 * ((J**2 - 1) / 2 - ln_J)


def hyperelasticity(
    domain: mesh.Mesh,
    conditions: Sequence[Condition],
    *,
    energy: Callable[..., Any] = neo_hookean,
    material: Mapping[str, float] | None = None,
    degree: int = 2,
    tags: Tags | None = None,
    solver: SolverOptions | None = None,
) -> VariationalProblem:
    r"""Make the problem :math:`\int P(F) : \nabla v \, dx = W(v)` with P = d psi / dF and the loads' virtual work W.

    Tractions and body forces keep their direction and refer to the undeformed body;
    a `Pressure` follows the deformed surface, :math:`- p J F^{-T} N` on the undeformed area.

    Controls: the moduli, one value a cell, and one for each condition that has a value. Where
    Newton's method fails, those of the conditions are raised in steps, from those of the last
    solution or from zero.

    Observables: ``strain_energy``, the integral of psi; ``stress``, the mean of the first
    Piola-Kirchhoff stress P in each cell, shape (cells * dimension * dimension,), in 2D the
    components in the plane. A solution has det F > 0 at all quadrature points.

    Args:
        domain: Mesh in 2D (plane strain, unit thickness) or 3D.
        conditions: `Dirichlet`, `Roller`, `Clamped`, `Traction`, `Pressure` and `BodyForce`.
        energy: Strain energy density ``energy(F, **moduli)`` in UFL of the 3x3 deformation gradient F.
        material: Names of the moduli, as `energy` calls its arguments, with first values; by
            default ``{"mu": 1.0, "lmbda": 1.0}``.
        degree: Polynomial degree of u; the quadrature is exact to twice that (of linear simplices, 1 point).
        tags: Tags that the conditions refer to.
        solver: PETSc options and settings of Newton's method.

    Raises:
        TypeError: A condition does not fit.
        ValueError: A condition has a wrong place or value, or the mesh is not that of a solid.
    """
    dimension = solid_dimension(domain)
    applied = apply(conditions, domain, allowed=MECHANICAL, shape=(dimension,), degree=degree, tags=tags)
    material = {"mu": 1.0, "lmbda": 1.0} if material is None else material
    moduli = {name: cell_control(domain, name, value) for name, value in material.items()}
    state, v = fem.Function(applied.space, name="displacement"), ufl.TestFunction(applied.space)
    F = ufl.variable(ufl.Identity(dimension) + ufl.grad(state))
    density = energy(_in_space(F), **moduli)
    dx = cell_measure(domain, 2 * degree if degree > 1 else stiffness_degree(domain, degree))
    options = solver or SolverOptions()
    return VariationalProblem(
        ufl.derivative(density * dx, state, v) - applied.work(v, F),
        state,
        controls=applied.controls_with(moduli),
        bcs=applied.bcs,
        observables={"strain_energy": density * dx, "stress": ufl.diff(density, F)},
        positive={"det F": ufl.det(F)},
        solver=replace(
            options,
            symmetric=not any(isinstance(load, Pressure) for load, _, _ in applied.loads),
            newton=replace(options.newton, loads=options.newton.loads or tuple(applied.controls)),
        ),
    )


def uniaxial_extension(
    pixels: tuple[int, int] = (28, 28),
    *,
    refine: tuple[int, int] = (1, 2),
    poisson_ratio: float = 0.3,
    degree: int = 2,
) -> VariationalProblem:
    """Make the block of unit pixels in plane strain, clamped below, pulled up at the top, sides free.

    Controls: ``youngs_modulus`` [stress], one value a cell, at first 1;
    ``displacement`` [pixel] of the top edge, which does not move sideways. The observable
    ``strain_energy`` [stress pixel^2] is the total strain energy.

    Args:
        pixels: Pixels along x and y.
        refine: Cells of a pixel along x and y. The published energies of Mechanical MNIST come
            from triangles that do not follow the pixels, and are 0.1 to 0.3 % above those of
            the finest meshes; two biquadratic cells along the load come closest to them.
        poisson_ratio: Poisson's ratio [1].
        degree: Polynomial degree of the displacement. The quadrature is exact to twice that;
            more changes the energies of Mechanical MNIST by less than 0.006 %.
    """
    corners = [np.zeros(2), np.array(pixels, dtype=float)]
    cells = (pixels[0] * refine[0], pixels[1] * refine[1])
    domain = mesh.create_rectangle(MPI.COMM_SELF, corners, cells, mesh.CellType.quadrilateral)
    bottom, top = partial(_at_height, height=0.0), partial(_at_height, height=float(pixels[1]))
    return hyperelasticity(
        domain,
        [Clamped(bottom), Roller(top, 0), Dirichlet(top, component=1, name="displacement")],
        energy=lambda F, youngs_modulus: neo_hookean(F, *lame(youngs_modulus, poisson_ratio)),
        material={"youngs_modulus": 1.0},
        degree=degree,
    )


def _at_height(x: np.ndarray, height: float) -> np.ndarray:
    return np.isclose(x[1], height)


def _in_space(F: Any) -> Any:
    """The 3x3 deformation gradient of plane strain, or `F` itself."""
    if F.ufl_shape == (3, 3):
        return F
    return ufl.as_matrix([[F[0, 0], F[0, 1], 0.0], [F[1, 0], F[1, 1], 0.0], [0.0, 0.0, 1.0]])


def set_pixels(control: fem.Function, values: np.ndarray) -> None:
    """Write values of unit pixels (nx, ny), axis 0 along x, into a control that is constant in each cell."""
    i, j = np.floor(control.function_space.tabulate_dof_coordinates()[:, :2]).astype(int).T
    pixels = (int(i.max()) + 1, int(j.max()) + 1)
    if np.shape(values) != pixels:
        raise ValueError(f"values: expected the pixels, shape {pixels}, got {np.shape(values)}")
    control.x.array[:] = np.asarray(values)[i, j]


def extension_energies(
    problem: VariationalProblem, youngs_modulus: np.ndarray, displacements: Iterable[float]
) -> np.ndarray:
    """Strain energies [stress pixel^2] of one block under growing displacements.

    Args:
        problem: What `uniaxial_extension` made; it is used again for every block.
        youngs_modulus: Modulus of the pixels (nx, ny) [stress], axis 0 along x, axis 1 upwards.
        displacements: Displacements of the top edge [pixel], each solved from the state before.

    Raises:
        ValueError: The modulus has the wrong shape or is not positive and finite.
        ConvergenceError: A displacement cannot be reached.
    """
    if not (np.isfinite(youngs_modulus).all() and np.min(youngs_modulus) > 0):
        raise ValueError(f"youngs_modulus: expected positive, finite values, least is {np.min(youngs_modulus)}")
    control, load = problem.controls["youngs_modulus"], problem.controls["displacement"]
    set_pixels(control, youngs_modulus)
    load.value, problem.state.x.array[:] = 0.0, 0.0
    energies = []
    for displacement in displacements:
        load.value = float(displacement)
        problem.solve()
        energies.append(problem.observe(["strain_energy"])["strain_energy"][0])
    return np.array(energies)
