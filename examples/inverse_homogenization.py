"""Inverse homogenisation by gradients: a pixel cell whose stiffness is a wanted one.

The loop differentiates through the DOLFINx solve (discrete adjoint); the target is that of
a real cell with a stiff block, so it can be reached. Run it with
python examples/inverse_homogenization.py
"""

from genmech_fem.adapters import pixel_homogenization
from genmech_fem.design import LBFGS, TensorTarget, minimize
from genmech_fem.metrics import symmetric_matrix

import numpy as np


def main(resolution: int = 16, *, iterations: int = 100) -> float:
    """Return the relative Frobenius distance of the found stiffness to the target."""
    model = pixel_homogenization(resolution)
    block = np.full((1, resolution, resolution), 1.0)
    block[:, 1 : resolution // 2, 1 : resolution // 4] = 10.0
    objective = TensorTarget(model({"youngs_modulus": block})["stiffness"][0])
    start = {"youngs_modulus": np.random.default_rng(0).uniform(2.0, 4.0, block.shape)}
    found = minimize(model, objective, start, LBFGS(), bounds={"youngs_modulus": (0.5, 20.0)}, iterations=iterations)
    print("target [GPa]\n", symmetric_matrix(objective.target).round(3))
    print("found [GPa]\n", symmetric_matrix(found.outputs["stiffness"][0]).round(3))
    print(f"distance {found.value**0.5:.1e} after {found.evaluations} solves: {found.message}")
    return float(found.value**0.5)


if __name__ == "__main__":
    main()
