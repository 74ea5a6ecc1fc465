"""From an image to a conforming mesh to an effective stiffness, with the mesh as a file.

Run it with  python examples/homogenize_image.py
"""

from pathlib import Path

from genmech_fem.adapters import ConformingHomogenization, Material
from genmech_fem.geometry import write
from genmech_fem.metrics import symmetric_matrix

import numpy as np


def main(folder: Path = Path("runs/image"), *, resolution: int = 64, refine: int = 1) -> np.ndarray:
    """Return the effective stiffness (3, 3) [GPa] of a bone-like periodic image, Mandel notation."""
    x, y = np.meshgrid(*[2 * np.pi * (np.arange(resolution) + 0.5) / resolution] * 2, indexing="ij")
    grey = np.sin(x) + np.cos(2 * y) + 0.7 * np.sin(x + 2 * y)
    phase = 1 / (1 + np.exp(-4 * grey))
    model = ConformingHomogenization(
        resolution, matrix=Material(0.1, 0.4), inclusion=Material(18.0, 0.3), refine=refine
    )
    mesh = model.mesh(phase)
    folder.mkdir(parents=True, exist_ok=True)
    write(mesh, folder / "image.vtu")
    stiffness = symmetric_matrix(model({"phase": phase[None]})["stiffness"][0])
    print(f"{len(mesh.cells)} triangles, smallest angle {mesh.smallest_angle():.1f} degrees")
    print("effective stiffness [GPa]\n", stiffness.round(3))
    return stiffness


if __name__ == "__main__":
    main()
