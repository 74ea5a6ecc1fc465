"""JAX differentiates through a DOLFINx solver and finds the bar that carries off its heat with least material.

A bar of length 1 with a uniform source of heat is cold at both ends. Its conductivity k(x) costs its mean, and the
compliance C [K W], the integral of source and temperature, is to be small: the optimum of C mean(k) is 1/16 where k is
in proportion to the flux abs(1/2 - x), against 1/12 of a uniform bar. Needs  pip install jax tesseract-jax; run it with
python example_jax.py  (some seconds).
"""

import time
from collections.abc import Callable

import genmech_fem.problems  # noqa: F401  isort: skip  (loads the wheel of DOLFINx in the order that it needs)

import jax
import jax.numpy as jnp
import numpy as np
from dolfinx import mesh
from genmech_tesseract import tesseract_api
from mpi4py import MPI
from scipy.optimize import minimize
from tesseract_core import Tesseract
from tesseract_jax import apply_tesseract

from genmech_fem.adapters import ProblemModel, as_vector, cell_values
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.problems import Dirichlet, Source, diffusion

jax.config.update("jax_enable_x64", True)  # the schema says float64


def solver(cells: int) -> ProblemModel:
    """From the conductivity of each cell to the compliance."""
    ends, quads = [np.zeros(2), np.ones(2)], mesh.CellType.quadrilateral
    bar = mesh.create_rectangle(MPI.COMM_SELF, ends, (cells, 1), quads)
    problem = diffusion(bar, (Dirichlet(lambda x: np.isclose(x[0] * (1 - x[0]), 0.0)), Source(1.0)))
    field = FieldSpec("conductivity", Grid((cells, 1), (0.0, 0.0), (1.0, 1.0)), (), "W/(m K)")
    compliance = as_vector(ScalarSpec("compliance", 1, "K W"), "compliance")
    return ProblemModel(problem, (cell_values(problem.controls["conductivity"], field, "conductivity"),), (compliance,))


def main(cells: int = 64) -> dict[str, float]:
    """Return the optimum, the error of the gradient against central differences, and times of a call [ms]."""
    model = solver(cells)
    client = Tesseract.from_tesseract_api(tesseract_api(model))

    def cost(log: jax.Array) -> jax.Array:
        k = jnp.exp(log)
        return apply_tesseract(client, {"conductivity": k[None, :, None]})["compliance"][0, 0] * jnp.mean(k)

    both = jax.jit(jax.value_and_grad(cost))
    uniform = float(both(jnp.zeros(cells))[0])
    at, along = np.random.default_rng(0).standard_normal((2, cells))
    slope = (cost(at + 1e-4 * along) - cost(at - 1e-4 * along)) / 2e-4
    error = abs(float(slope / jnp.vdot(both(at)[1], along)) - 1)
    found = minimize(both, np.zeros(cells), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    times = {"through JAX": _milliseconds(lambda x: jax.block_until_ready(both(x)), cells)}
    weight = {"compliance": np.ones((1, 1))}
    times["alone"] = _milliseconds(lambda x: model.vjp({"conductivity": np.exp(x)[None, :, None]}, weight), cells)
    print(
        f"C mean(k): uniform {uniform:.6f}, found {found.fun:.6f} after {found.nfev} calls; gradient off by {error:.1e}"
    )
    print("value and gradient: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in times.items()))
    return {"uniform": uniform, "found": float(found.fun), "gradient error": error, **times}


def _milliseconds(call: Callable[[np.ndarray], object], cells: int, repeats: int = 20) -> float:
    """Median time of a call at points that differ, so that nothing is known from the one before."""
    seconds = []
    for x in np.random.default_rng(1).standard_normal((repeats, cells)):
        began = time.perf_counter()
        call(x)
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds))


if __name__ == "__main__":
    main()
