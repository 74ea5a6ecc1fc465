r"""Periodic cells whose homogenised response is a law, for training data and for FE^2.

The macroscopic energy is that of the fluctuation w which minimises it,

.. math:: W(E) = \min_w \tfrac{1}{|Y|} \int_Y \psi(E, w) \, dx, \quad \Sigma = \partial W / \partial E,

and is convex in E where the integral is convex in E and w. A structure with such a cell at each quadrature point is
FE^2: Feyel, Chaboche (2000), doi:10.1016/S0045-7825(99)00224-8.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, mesh

from genmech_external_operator.laws import PointLaw
from genmech_fem.errors import ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.problems import Newton, SolverOptions, VariationalProblem
from genmech_fem.problems.periodic import periodic_space


class PeriodicCell:
    """A cell of a material with an energy, under macroscopic strains of any measure.

    Args:
        domain: Mesh of a box with matching opposite sides, on one process.
        energy: Energy density ``energy(E, w)`` in UFL of the macroscopic strains E (n,) and the periodic fluctuation w,
            such as that of the gradient ``E + grad(w)``.
        strain: Name, number n and unit of the macroscopic strains.
        stress: Name and unit of the conjugate stresses.
        shape: Value shape of w, ``(2,)`` of a displacement in 2D.
        degree: Polynomial degree of w; the quadrature is exact to twice that.

    Raises:
        MeshingError: Opposite sides do not match, or cells are bad.
        ValueError: The mesh is spread over several processes.
    """

    def __init__(
        self,
        domain: mesh.Mesh,
        energy: Callable[[Any, fem.Function], Any],
        *,
        strain: ScalarSpec,
        stress: ScalarSpec,
        shape: tuple[int, ...] = (),
        degree: int = 2,
    ) -> None:
        space = periodic_space(domain, shape, degree)
        w, v = fem.Function(space, name="fluctuation"), ufl.TestFunction(space)
        self._strain = fem.Constant(domain, np.zeros(strain.size))
        E = ufl.variable(self._strain)
        density, dx = energy(E, w), ufl.dx(domain=domain, metadata={"quadrature_degree": 2 * degree})
        conjugate = ufl.diff(density, E)
        self.problem = VariationalProblem(
            ufl.derivative(density * dx, w, v),
            w,
            controls={"strain": self._strain},
            bcs=[fem.dirichletbc(np.zeros(shape), np.array([0], dtype=np.int32), space)],
            observables={"energy": density * dx, "stress": [conjugate[k] * dx for k in range(strain.size)]},
            solver=SolverOptions(symmetric=True, newton=Newton(loads=("strain",))),
        )
        self._volume = float(np.prod(np.ptp(domain.geometry.x[:, : domain.geometry.dim], axis=0)))
        self.law = PointLaw(self, strain, stress, name="cell")
        self._fluctuations = np.zeros((0, len(w.x.array)))

    def __call__(self, strains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stresses (points, n) and consistent tangents (points, n, n) of strains (points, n).

        Each point starts from its fluctuation of the last call with as many points.

        Raises:
            ConvergenceError: A cell did not converge; the message names it.
        """
        if len(strains) != len(self._fluctuations):
            self._fluctuations = np.zeros((len(strains), self._fluctuations.shape[1]))
        found = [self._response(k, strain) for k, strain in enumerate(strains)]
        return np.array([stress for stress, _ in found]), np.array([tangent for _, tangent in found])

    def energies(self, strains: np.ndarray) -> np.ndarray:
        """Energies (points,) of strains (points, n).

        Raises:
            ConvergenceError: A cell did not converge; the message names it.
        """
        start = np.zeros(self._fluctuations.shape[1])
        found = []
        for k, strain in enumerate(strains):
            self._solve(k, strain, start)
            found.append(self.problem.observe(["energy"])["energy"][0] / self._volume)
        return np.array(found)

    def _response(self, k: int, strain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stress (n,) and tangent (n, n); the adjoint of each stress is a row of it."""
        self._solve(k, strain, self._fluctuations[k])
        self._fluctuations[k] = self.problem.state.x.array
        stress = self.problem.observe(["stress"])["stress"]
        rows = [self.problem.pull_back({"stress": unit})["strain"] for unit in np.eye(len(stress))]
        return stress / self._volume, np.array(rows) / self._volume

    def _solve(self, k: int, strain: np.ndarray, start: np.ndarray) -> None:
        self._strain.value[:] = strain
        self.problem.state.x.array[:] = start
        try:
            self.problem.solve()
        except ConvergenceError as error:
            raise ConvergenceError(f"the cell of point {k} at the strain {strain.tolist()}: {error}") from error
