"""What is written of a verified cell."""

import json
from pathlib import Path

import numpy as np

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.drafts import write_atomic
from genmech_fem.explorer.comparison import Comparison
from genmech_fem.explorer.local_fields import grid_of
from genmech_fem.geometry import write


def write_cell(folder: Path, solver: ConformingHomogenization, found: Comparison) -> list[Path]:
    """Write the mesh for Gmsh and XDMF readers, with local fields for ParaView, the phase field and the figures.

    Args:
        folder: Where; it is made.
        solver: Knows the materials.
        found: The cell.

    Raises:
        OSError: The files cannot be written.
    """
    folder.mkdir(exist_ok=True)
    solved = found.solved
    name = f"cell_{solved.cell.key}_refine_{solved.refine}"
    paths = {suffix: folder / f"{name}.{suffix}" for suffix in ("msh", "xdmf", "vtu", "npy", "json")}
    for suffix in ("msh", "xdmf"):
        write(solved.mesh, paths[suffix])
    grid_of(solver, solved).save(paths["vtu"])
    np.save(paths["npy"], solved.cell.phase)
    write_atomic(paths["json"], json.dumps(found.record(), indent=1).encode())
    return list(paths.values())
