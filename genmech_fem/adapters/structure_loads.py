"""Supports, loads and springs of a structure on a mesh of its box, or of a part of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, mesh

from genmech_fem.geometry.structure_parts import Carrier, Load, Place, Spring, Support, Torque
from genmech_fem.geometry.structures import Structure
from genmech_fem.problems.forms import compiled

_INTEGRALS = {"facets": ("ds", "exterior_facet"), "cells": ("dx", "cell"), "vertices": ("dP", "vertex")}

type Work = Callable[[Any], ufl.Form]
"""The work of a load in a displacement."""


def held(space: fem.FunctionSpace, structure: Structure, support: Support) -> list[fem.DirichletBC]:
    """Components of the displacement that are zero at the nodes of the mesh in the place; none without such nodes."""
    where, found = structure.place(support.where), []
    for axis in range(structure.grid.dimension) if support.axes is None else support.axes:
        part = space.sub(axis)
        dofs = fem.locate_dofs_geometrical((part, part.collapse()[0]), where)[0]
        found += [fem.dirichletbc(0.0, dofs, part)] if len(dofs) else []
    return found


class Parts:
    """Integrals over places of a structure.

    Args:
        structure: The structure.
        domain: The mesh.
        degree: Polynomial degree of the displacement.
    """

    def __init__(self, structure: Structure, domain: mesh.Mesh, degree: int) -> None:
        self._structure, self._domain = structure, domain
        self._found: dict[str, list[tuple[int, np.ndarray]]] = {kind: [] for kind, _ in _INTEGRALS.values()}
        metadata = {"quadrature_degree": degree + 1}  # a torque grows with the distance
        self._measures = {
            kind: ufl.Measure(kind, domain=domain, subdomain_data=found, metadata=metadata)
            for kind, found in self._found.items()
        }

    def load(self, load: Load | Torque, name: str) -> tuple[fem.Constant, Work]:
        """The factor of a load, and its work.

        Raises:
            ValueError: The mesh has nothing in its place that can carry it; the text calls it `name`.
        """
        measure = self._over(load.where, load.on, name)
        if isinstance(load, Load):
            force = fem.Constant(self._domain, np.array(load.force) / _total(1.0, measure))
            return force, lambda w: ufl.inner(force, w) * measure
        arm = ufl.SpatialCoordinate(self._domain) - fem.Constant(self._domain, np.array(load.centre))
        factor = fem.Constant(self._domain, load.moment / _total(ufl.inner(arm, arm), measure))
        return factor, lambda w: factor * ufl.inner(ufl.perp(arm), w) * measure

    def spring(self, spring: Spring, name: str) -> Callable[[Any, Any], ufl.Form]:
        """The virtual work of the forces of a displacement in another one.

        Raises:
            ValueError: The mesh has no node in its place.
        """
        measure = self._over(spring.where, "vertices", name)
        stiffness = fem.Constant(self._domain, np.array(spring.stiffness) / _total(1.0, measure))
        return lambda u, v: sum(stiffness[i] * u[i] * v[i] for i in range(len(u))) * measure

    def _over(self, where: Place, on: Carrier, name: str) -> ufl.Measure:
        kind, integral = _INTEGRALS[on]
        topology = self._domain.topology
        dimension = {"facets": topology.dim - 1, "cells": topology.dim, "vertices": 0}[on]
        topology.create_connectivity(dimension, topology.dim)
        if on == "facets":
            entities = mesh.exterior_facet_indices(topology)
        else:
            entities = np.arange(topology.index_map(dimension).size_local, dtype=np.int32)
        middles = mesh.compute_midpoints(self._domain, dimension, entities)
        entities = entities[self._structure.place(where)(middles.T)]
        if not len(entities):
            raise ValueError(
                f"{name}: expected {on} of the solid with their middle in its place, found none: "
                "make the patch larger, the cells smaller, or the cells there solid"
            )
        found = self._found[kind]
        found.append((len(found), fem.compute_integration_domains(fem.IntegralType[integral], topology, entities)))
        return self._measures[kind](len(found) - 1)


def _total(integrand: Any, measure: ufl.Measure) -> float:
    return float(fem.assemble_scalar(compiled(fem.Constant(measure.ufl_domain(), 1.0) * integrand * measure)))
