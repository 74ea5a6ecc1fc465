"""From a density field to a mesh of the solid, a DOLFINx solve on it, and tensors of its stress.

Run it with  python examples/design_to_mesh.py
"""

from pathlib import Path

from genmech_fem.adapters import ExpressionSampling, dolfinx_mesh, mesh_tags, sample_values, write_fields
from genmech_fem.fields import Grid
from genmech_fem.geometry import design_mesh, export_design
from genmech_fem.problems import Clamped, Traction, elasticity

import numpy as np
import ufl

THICKNESS, LENGTH, HEIGHT = 0.2, 3.0, 1.0  # [m]
LOAD, YOUNGS_MODULUS, POISSON_RATIO = 1.0, 1000.0, 0.3  # [MPa]


def main(folder: Path = Path("runs/design"), *, pixels: int = 20) -> dict[str, float]:
    """Pull a bar with two slots; return its extension and that of slender-bar theory [m], and the largest stress."""
    box = Grid((3 * pixels, pixels), (0.0, 0.0), (LENGTH, HEIGHT))
    x, y = box.points().T.reshape(2, *box.shape)
    slots = (np.abs(x - LENGTH / 2) < 0.8) & (np.abs(np.abs(y - HEIGHT / 2) - 0.25) < 0.1)
    design = design_mesh(1.0 - slots, lower=box.lower, upper=box.upper)
    domain, _ = dolfinx_mesh(design.mesh)
    tags = mesh_tags(domain, design.mesh)
    conditions = [Clamped("left"), Traction("right", (LOAD, 0.0))]
    problem = elasticity(domain, conditions, hypothesis="plane stress", degree=2, tags=tags)
    problem.controls["youngs_modulus"].x.array[:] = YOUNGS_MODULUS
    problem.controls["poisson_ratio"].x.array[:] = POISSON_RATIO
    problem.solve()

    strain = ufl.sym(ufl.grad(problem.state))
    factor = YOUNGS_MODULUS / (1 - POISSON_RATIO**2)
    stress = factor * ((1 - POISSON_RATIO) * strain + POISSON_RATIO * ufl.tr(strain) * ufl.Identity(2))
    tensor = ExpressionSampling(stress, box)()  # (2, 2, nx, ny), NaN in the slots

    folder.mkdir(parents=True, exist_ok=True)
    write_fields(folder / "displacement.vtu", {"u": problem.state}, units={"u": "m"})
    export_design(design, folder / "bar.stl", thickness=THICKNESS)
    open_height = HEIGHT - 4 * 0.1
    theory = LOAD * HEIGHT / YOUNGS_MODULUS * ((LENGTH - 1.6) / HEIGHT + 1.6 / open_height)
    end = np.column_stack([np.full(50, LENGTH), np.linspace(0, HEIGHT, 50)])
    extension = float(sample_values(problem.state.function_space, end)(problem.state)[0].mean())
    largest = float(np.nanmax(tensor[0, 0]))
    print(f"{len(design.mesh.cells)} triangles, extension {extension:.4e} m, slender bar {theory:.4e} m")
    print(
        f"largest stress on the grid {largest:.2f} MPa, mean in the slotted part {LOAD * HEIGHT / open_height:.2f} MPa"
    )
    return {"extension": extension, "theory": theory, "largest stress": largest, "volume": design.volume}


if __name__ == "__main__":
    main()
