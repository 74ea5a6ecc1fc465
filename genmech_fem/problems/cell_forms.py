"""The forms of a periodic cell on its mesh, with its moduli and correctors."""

import numpy as np
from dolfinx import fem, mesh

from genmech_fem.problems.cell_symbols import CellKind, cell_symbols, compiled_cell_form
from genmech_fem.problems.periodic import periodic_space
from genmech_fem.problems.problem import Control


class CellForms:
    """The forms on one mesh, each made at first use.

    Args:
        kind: The kind of cells.
        domain: Mesh of a box with matching opposite sides, on one process.

    Attributes:
        spaces: Function spaces by name of `CellSymbols.elements`.
        moduli: The controls by name.
        correctors: The correctors.
        adjoint: The weight of each load's residual.
        weights: The weight of each entry of the effective tensor.

    Raises:
        MeshingError: Opposite sides do not match.
        ValueError: The mesh is spread over several processes.
    """

    def __init__(self, kind: CellKind, domain: mesh.Mesh) -> None:
        self.kind, self.domain, self.symbols = kind, domain, cell_symbols(kind)
        physics, elements = kind.physics, self.symbols.elements
        shape, loads = physics.value_shape(kind.dimension), len(physics.basis(kind.dimension))
        self.spaces = {
            "field": periodic_space(domain, shape, kind.degree),
            "correctors": periodic_space(domain, (loads, *shape), kind.degree),
            **{name: fem.functionspace(domain, elements[name]) for name in ("tensor", "moduli", "by cell")},
        }
        self.moduli: dict[str, Control] = {
            modulus.name: fem.Function(self.spaces["moduli"], name=modulus.name) for modulus in physics.moduli
        }
        self.correctors = fem.Function(self.spaces["correctors"], name="corrector")
        self.adjoint, self.weights = fem.Function(self.spaces["correctors"]), fem.Function(self.spaces["tensor"])
        self._made: dict[str, fem.Form] = {}

    @property
    def size(self) -> np.ndarray:
        """Size of the box (dimension,) [length]."""
        return np.ptp(self.domain.geometry.x[:, : self.kind.dimension], axis=0)

    def __getitem__(self, name: str) -> fem.Form:
        """A form by name."""
        if name not in self._made:
            data = {
                **{symbol: self.moduli[modulus] for modulus, symbol in self.symbols.moduli.items()},
                self.symbols.correctors: self.correctors,
                self.symbols.adjoint: self.adjoint,
                self.symbols.weights: self.weights,
            }
            spaces = [self.spaces[space] for space in self.symbols.arguments[name]]
            form = compiled_cell_form(name, self.kind)
            self._made[name] = fem.create_form(form, spaces, self.domain, {}, data, {})
        return self._made[name]

    def vector(self, name: str) -> np.ndarray:
        """A form with one test function, assembled (dofs of its space,)."""
        return fem.assemble_vector(self[name]).array.copy()
