"""A host that knows nothing of DOLFINx calibrates two conductivities through a solver behind a Tesseract.

A plate of fibres in a matrix carries heat from left to right. Its temperatures at 25 points and its effective
conductivity are measured, with noise; SciPy looks for the conductivities of both phases by L-BFGS-B. What the host sees
of the solver are the calls ``apply`` and ``vector_jacobian_product``, which share one solve. Run it with
python example.py  (some seconds).
"""

import time

import numpy as np
from genmech_tesseract import tesseract_api
from scipy.optimize import minimize
from tesseract_core import Tesseract

from genmech_fem.adapters import ProblemModel, as_vector, cell_values, sample_state
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.microstructure import PeriodicFibres, phase_grid
from genmech_fem.problems import Dirichlet, diffusion

TRUE = np.array([0.2, 1.1])
"""Conductivities of matrix and fibres [W/(m K)], epoxy and glass."""


def solver(resolution: int) -> ProblemModel:
    """From conductivities of pixels to temperatures at 5 x 5 points and to the effective conductivity."""
    sides = (
        Dirichlet(lambda x: np.isclose(x[0], 0.0), 1.0, name="left"),
        Dirichlet(lambda x: np.isclose(x[0], 1.0), 0.0, name="right"),
    )
    problem = diffusion(pixel_mesh(resolution), sides)
    conductivity = FieldSpec("conductivity", phase_grid(resolution), (), "W/(m K)")
    temperature = FieldSpec("temperature", Grid((5, 5), (0.0, 0.0), (1.0, 1.0)), (), "K")
    effective = ScalarSpec("effective_conductivity", 1, "W/(m K)")
    return ProblemModel(
        problem,
        (cell_values(problem.controls["conductivity"], conductivity, "conductivity"),),
        (sample_state(problem.state, temperature), as_vector(effective, "dissipation")),
    )


def main(resolution: int = 48, *, noise: float = 1e-3) -> dict[str, float]:
    """Return the relative errors of both conductivities, how often the solver was called, and the seconds it took."""
    client = Tesseract.from_tesseract_api(tesseract_api(solver(resolution)))
    generator = np.random.default_rng(0)
    phase = PeriodicFibres(resolution=resolution)(generator)["phase"]
    parts = np.stack([1 - phase, phase])  # the field of the conductivities is their sum with these weights

    def field(log: np.ndarray) -> dict[str, np.ndarray]:
        return {"conductivity": np.tensordot(np.exp(log), parts, 1)}

    measured = client.apply(field(np.log(TRUE)))
    measured = {name: y + noise * generator.standard_normal(y.shape) for name, y in measured.items()}

    def misfit(log: np.ndarray) -> tuple[float, np.ndarray]:
        """Sum of squared errors, and its gradient by the logarithms of the conductivities."""
        given = field(log)
        error = {name: y - measured[name] for name, y in client.apply(given).items()}
        weights = {name: 2 * e for name, e in error.items()}
        back = client.vector_jacobian_product(given, ["conductivity"], list(error), weights)["conductivity"]
        return sum(float(np.sum(e**2)) for e in error.values()), np.exp(log) * np.tensordot(parts, back, back.ndim)

    began = time.perf_counter()
    found = minimize(misfit, np.zeros(2), jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-10})
    seconds, (matrix, fibres) = time.perf_counter() - began, np.exp(found.x)
    print(f"matrix {matrix:.4f}, fibres {fibres:.4f} W/(m K) after {found.nfev} solves in {seconds:.2g} s")
    errors = {"matrix": float(matrix / TRUE[0] - 1), "fibres": float(fibres / TRUE[1] - 1)}
    return {**errors, "solves": found.nfev, "seconds": seconds}


if __name__ == "__main__":
    main()
