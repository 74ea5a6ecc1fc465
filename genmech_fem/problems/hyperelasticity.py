r"""Compressible neo-Hookean solids at finite strain, and the block of Mechanical MNIST.

.. math:: \psi = \tfrac{\mu}{2} (F:F - 3 - 2 \ln J) + \tfrac{\lambda}{2} \left(\tfrac{J^2 - 1}{2} - \ln J\right)

Bonet and Wood (2008), doi:10.1017/CBO9780511755446; Lejeune, Mechanical MNIST (2020),
doi:10.1016/j.eml.2020.100659.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.variational import VariationalProblem


def neo_hookean(F: Any, mu: Any, lmbda: Any) -> Any:
    """Strain energy density [stress].

    Args:
        F: Deformation gradient (UFL), 3x3, or 2x2 for plane strain (F33 = 1).
        mu: Shear modulus [stress].
        lmbda: First Lamé parameter [stress].
    """
    J = ufl.det(F)
    ln_J = 2 * ufl.ln(ufl.sqrt(J))  # the root keeps NaN in the derivatives too where an element is inverted
    return mu / 2 * (ufl.inner(F, F) - F.ufl_shape[0] - 2 * ln_J) + lmbda / 2 * ((J**2 - 1) / 2 - ln_J)


def lame(youngs_modulus: Any, poisson_ratio: Any) -> tuple[Any, Any]:
    """Lamé parameters mu and lambda [stress]."""
    mu = youngs_modulus / (2 * (1 + poisson_ratio))
    return mu, 2 * mu * poisson_ratio / (1 - 2 * poisson_ratio)


def uniaxial_extension(
    pixels: tuple[int, int] = (28, 28),
    *,
    refine: tuple[int, int] = (1, 2),
    poisson_ratio: float = 0.3,
    degree: int = 2,
    quadrature_degree: int = 4,
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
        degree: Polynomial degree of the displacement.
        quadrature_degree: Degree of the Gauss quadrature; 4 means 3 x 3 points, and 6 changes
            the energies of Mechanical MNIST by less than 0.006 %.
    """
    corners = [np.zeros(2), np.array(pixels, dtype=float)]
    cells = (pixels[0] * refine[0], pixels[1] * refine[1])
    domain = mesh.create_rectangle(MPI.COMM_SELF, corners, cells, mesh.CellType.quadrilateral)
    space = fem.functionspace(domain, ("Lagrange", degree, (2,)))
    state = fem.Function(space, name="displacement")
    modulus = fem.Function(fem.functionspace(domain, ("DG", 0)), name="youngs_modulus")
    modulus.x.array[:] = 1.0
    displacement = fem.Constant(domain, 0.0)

    def hold(component: int, height: float, value: fem.Constant) -> fem.DirichletBC:
        edge = mesh.locate_entities_boundary(domain, 1, lambda x: np.isclose(x[1], height))
        return fem.dirichletbc(value, fem.locate_dofs_topological(space.sub(component), 1, edge), space.sub(component))

    zero = fem.Constant(domain, 0.0)
    top = float(pixels[1])
    F = ufl.Identity(2) + ufl.grad(state)
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": quadrature_degree})
    energy = neo_hookean(F, *lame(modulus, poisson_ratio)) * dx
    return VariationalProblem(
        ufl.derivative(energy, state),
        state,
        controls={"youngs_modulus": modulus, "displacement": displacement},
        bcs=[hold(0, 0.0, zero), hold(1, 0.0, zero), hold(0, top, zero), hold(1, top, displacement)],
        observables={"strain_energy": energy},
        symmetric=True,
    )


def set_pixels(control: fem.Function, values: np.ndarray) -> None:
    """Write values of unit pixels (nx, ny), axis 0 along x, into a control that is constant in each cell."""
    i, j = np.floor(control.function_space.tabulate_dof_coordinates()[:, :2]).astype(int).T
    pixels = (int(i.max()) + 1, int(j.max()) + 1)
    if np.shape(values) != pixels:
        raise ValueError(f"values: expected the pixels, shape {pixels}, got {np.shape(values)}")
    control.x.array[:] = np.asarray(values)[i, j]


def solve_at_load(problem: VariationalProblem, load: fem.Constant, target: float, *, halvings: int = 6) -> None:
    """Solve at ``load = target``, going there from the present load and state in steps as large as they converge.

    Args:
        problem: The problem, solved at the present load.
        load: Scalar control that drives it.
        target: Value of the load to reach.
        halvings: How often the step may be halved.

    Raises:
        ConvergenceError: The smallest step failed; load and state are the last that converged.
    """
    whole = step = target - float(load.value)
    while True:
        reached = float(load.value)
        last = abs(target - reached) <= abs(step) * (1 + 1e-9)
        load.value = target if last else reached + step
        try:
            problem.solve()
        except ConvergenceError:
            load.value, step = reached, step / 2
            if abs(step) < abs(whole) * 0.5**halvings or whole == 0.0:
                raise
        else:
            if last:
                return


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
        solve_at_load(problem, load, float(displacement))
        energies.append(problem.observe()["strain_energy"][0])
    return np.array(energies)
