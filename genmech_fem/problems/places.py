"""The facets and cells of a mesh that a condition acts on."""

import numpy as np
from dolfinx import fem, mesh

from genmech_fem.problems.tags import Tags, Where


class Places:
    """Entities of a mesh, found by `where`; every method is to be called on all processes.

    Args:
        domain: The mesh, with facets of one shape.
        tags: Tags that `where` refers to.
    """

    def __init__(self, domain: mesh.Mesh, tags: Tags) -> None:
        self._domain, self._tags, self._dimension = domain, tags, domain.topology.dim
        if len(domain.topology.entity_types[self._dimension - 1]) > 1:
            raise ValueError(f"domain: expected cells with facets of one shape, got {domain.basix_cell().name}s")
        domain.topology.create_connectivity(self._dimension - 1, self._dimension)

    def facets(self, where: Where) -> np.ndarray:
        """Facets."""
        if callable(where):
            found = mesh.locate_entities_boundary(self._domain, self._dimension - 1, where)
        elif where is None:
            found = mesh.exterior_facet_indices(self._domain.topology)
        else:
            found = self._tags.find("facets", where)
        return self._checked("facets", where, found)

    def boundary(self, where: Where) -> np.ndarray:
        """Facets of the boundary, for integrals: owned cells and the facets' numbers in them."""
        found = self.facets(where)
        outside = np.intersect1d(found, mesh.exterior_facet_indices(self._domain.topology))
        inside = self._count("facets", found) - self._count("facets", outside)
        if inside:
            raise ValueError(f"where={where!r}: expected facets of the boundary for a load, {inside} lie inside")
        return fem.compute_integration_domains(fem.IntegralType.exterior_facet, self._domain.topology, outside)

    def cells(self, where: Where) -> np.ndarray:
        """Owned cells."""
        owned = self._domain.topology.index_map(self._dimension).size_local
        if callable(where):
            found = mesh.locate_entities(self._domain, self._dimension, where)
        elif where is None:
            found = np.arange(owned, dtype=np.int32)
        else:
            found = self._tags.find("cells", where)
        return self._checked("cells", where, found[found < owned])

    def _checked(self, kind: str, where: Where, found: np.ndarray) -> np.ndarray:
        if self._count(kind, found) == 0:
            raise ValueError(
                f"where={where!r}: expected at least one of the mesh's {kind} there, found none; all vertices "
                "of an entity have to lie on the part, so allow for rounding, as np.isclose does"
            )
        return found

    def _count(self, kind: str, found: np.ndarray) -> int:
        owned = self._domain.topology.index_map(self._dimension - (kind == "facets")).size_local
        return int(self._domain.comm.allreduce(int((found < owned).sum())))
