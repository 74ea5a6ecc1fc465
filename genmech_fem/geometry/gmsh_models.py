"""Plane bodies, meshed by gmsh in a process of its own with a time limit.

Geuzaine & Remacle, Int. J. Numer. Methods Eng. 79 (2009), doi:10.1002/nme.2579.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from genmech_fem.errors import MeshingError, require
from genmech_fem.geometry.child_process import run_program
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.outlines import Outline

TIME_LIMIT = 60.0
"""Seconds that gmsh may take."""
_PROCESS = Path(__file__).with_name("gmsh_process.py")
_MOST_CELLS = 5e6
_GRADATION = 0.25  # growth of the size of cells with the distance


@dataclass(frozen=True, eq=False)
class PlaneBody:
    """A plane body between outlines, perhaps extruded along z.

    Args:
        outer: Closed outline of the body.
        holes: Closed outlines of what is cut away.
        splits: Curves that cells must not cross, closed or from border to border; outside the body they do not count.
        size: Size of the cells [length].
        refinements: Smaller cells in cylinders: x, y, radius, size [length].
        periodic: Upper corner of the box whose opposite sides get the same points; its lower corner is the origin.
        thickness: Length along z, from z = 0; none for a plane mesh.
        cells_around: Least number of cells along a whole turn of a curve; 0 for `size` alone.
    """

    outer: Outline
    size: float
    holes: Sequence[Outline] = ()
    splits: Sequence[Outline] = ()
    refinements: Sequence[tuple[float, float, float, float]] = ()
    periodic: tuple[float, float] | None = None
    thickness: float | None = None
    cells_around: int = 20

    def mesh(self, time_limit: float = TIME_LIMIT) -> Mesh:
        """Mesh with triangles or tetrahedra; the tag of a cell is the number of the part between `splits`.

        Args:
            time_limit: Most seconds that gmsh may take.

        Raises:
            MissingExtraError: gmsh is not installed.
            MeshingError: gmsh fails, takes too long, or would make more than 5 million cells.
        """
        origin, upper = self.outer.points.min(axis=0), self.outer.points.max(axis=0)
        scale = float((upper - origin).max())
        self._check_number_of_cells(upper - origin)
        with TemporaryDirectory() as folder:
            out = Path(folder) / "mesh.npz"
            run_gmsh(self._task(origin, scale), out, time_limit)
            with np.load(out) as found:
                points, cells_of, parts = found["points"], found["cells"], found["parts"]
        dimension = cells_of.shape[1] - 1
        used, index = np.unique(cells_of, return_inverse=True)
        points = points[used, :dimension] * scale
        points[:, :2] += origin
        mesh = Mesh(points, index.reshape(cells_of.shape), {2: "triangle", 3: "tetra"}[dimension], parts)
        mirrored = mesh.measures() < 0
        mesh.cells[mirrored, :2] = mesh.cells[mirrored, 1::-1]
        return mesh

    def _task(self, origin: np.ndarray, scale: float) -> dict[str, Any]:
        """The body as gmsh's process reads it, in units of `scale` from the `origin`."""
        return {
            "outer": self.outer.scaled(origin, scale),
            "holes": [hole.scaled(origin, scale) for hole in self.holes],
            "splits": [split.scaled(origin, scale) for split in self.splits],
            "size": self.size / scale,
            "refinements": [
                [*((np.array([x, y]) - origin) / scale), radius / scale, smaller / scale]
                for x, y, radius, smaller in self.refinements
            ],
            "periodic": None if self.periodic is None else list(np.divide(self.periodic, scale)),
            "thickness": None if self.thickness is None else self.thickness / scale,
            "cells_around": self.cells_around,
            "gradation": _GRADATION,
        }

    def _check_number_of_cells(self, extent: np.ndarray) -> None:
        cells = 2 * float(np.prod(np.maximum(extent / self.size, 1.0)))
        cells += sum(2 * np.pi * radius / (_GRADATION * smaller) for *_, radius, smaller in self.refinements)
        if self.thickness is not None:
            finest = min(self.size, *(smaller for *_, smaller in self.refinements), self.thickness)
            cells *= 3 * self.thickness / finest
        if not cells < _MOST_CELLS:
            raise MeshingError(
                f"size={self.size}: expected at most {_MOST_CELLS:.0e} cells, got about {cells:.0e}: take larger cells"
            )


def with_parts(mesh: Mesh, phase: Callable[[np.ndarray], np.ndarray]) -> Mesh:
    """Give each part (the present tags) the phase of most of its area or volume.

    Args:
        mesh: Mesh whose tags number the parts.
        phase: Phase (points,), whole numbers from 0, at the centres of cells (points, dimension).
    """
    votes = np.asarray(phase(mesh.points[mesh.cells].mean(axis=1))).astype(np.int64)
    table = np.zeros((mesh.tags.max() + 1, votes.max() + 1))
    np.add.at(table, (mesh.tags, votes), mesh.measures())
    return replace(mesh, tags=table.argmax(axis=1)[mesh.tags])


def run_gmsh(task: Mapping[str, Any], out: Path, time_limit: float) -> None:
    """Run gmsh in a process of its own.

    Args:
        task: What to do, see ``gmsh_process.py``.
        out: File that gmsh has to write.
        time_limit: Most seconds that it may take.

    Raises:
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long.
        ValueError: The time limit is not positive.
    """
    if not 0 < time_limit < np.inf:
        raise ValueError(f"time_limit: expected a positive, finite number of seconds, got {time_limit}")
    require("gmsh", "gmsh")
    with TemporaryDirectory() as folder:
        source = Path(folder) / "task.json"
        source.write_text(json.dumps(task))
        try:
            run_program(_PROCESS, str(source), out=out, time_limit=time_limit)
        except TimeoutError:
            raise MeshingError(
                f"gmsh: expected a result within {time_limit:g} s, got none: "
                "check that the outlines do not cross themselves, take larger cells or a longer time_limit"
            ) from None
        except ChildProcessError as error:
            raise MeshingError(f"gmsh: expected a mesh or file, got none: {error}") from error
