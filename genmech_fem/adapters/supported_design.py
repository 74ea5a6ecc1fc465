"""The part of a design that stands: islands and parts without support carry nothing."""

from dataclasses import replace

import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry import Design
from genmech_fem.geometry.facets import with_box_tags
from genmech_fem.geometry.pieces import connected_pieces, submesh
from genmech_fem.geometry.structures import Structure


def supported(design: Design, structure: Structure) -> Design:
    """The design without the parts that touch no support.

    Raises:
        MeshingError: Nothing is left, or a load acts on such parts only.
    """
    mesh, pieces = design.mesh, connected_pieces(design.mesh)
    points = np.pad(mesh.points.T, ((0, 3 - mesh.dimension), (0, 0)))
    touching = np.any([structure.place(support.where)(points) for support in structure.supports], axis=0)
    kept = np.isin(pieces, pieces[touching[mesh.cells].any(axis=1)])
    if kept.all():
        return design
    if not kept.any():
        raise MeshingError("supports: expected solid in the place of one of them, found none")
    standing = np.isin(np.arange(len(mesh.points)), mesh.cells[kept])
    for k, load in enumerate(structure.loads):
        loaded = structure.place(load.where)(points)
        if loaded.any() and not (loaded & standing).any():
            raise MeshingError(
                f"loads[{k}]: expected solid that connects it to a support, got a part of the design that touches none"
            )
    removed = float(mesh.measures()[~kept].sum())
    return replace(design, mesh=with_box_tags(submesh(mesh, kept), structure.grid), removed=removed)
