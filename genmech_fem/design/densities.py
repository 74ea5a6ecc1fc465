"""Design variables on a grid made into densities and moduli: filter, projection, passive cells, interpolation."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from genmech_fem.design.filters import Filter
from genmech_fem.design.interpolation import SIMP, Interpolation
from genmech_fem.design.projection import Projection
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Grid, Spec, check


@dataclass(frozen=True, eq=False)
class Densities:
    """A parametrisation by variables from 0 to 1, one a grid cell, as a differentiable ForwardModel.

    Input ``variables`` (batch, *grid), outputs ``density`` (batch, *grid) and the modulus of each cell. With a
    `SensitivityFilter`, the gradient through the modulus is that heuristic.

    Args:
        filter: From variables to smooth densities.
        interpolation: From densities to moduli.
        projection: From smooth to nearly black-and-white densities; None leaves them smooth.
        solid: Cells (*grid) of density 1, whatever their variables; None for none.
        void: Cells (*grid) of density 0.
        modulus: Spec of the second output; by default ``youngs_modulus``.

    Raises:
        ContractError: A mask has another shape than the grid, or a cell is both solid and void.
    """

    filter: Filter
    interpolation: Interpolation = field(default_factory=SIMP)
    projection: Projection | None = None
    solid: np.ndarray | None = None
    void: np.ndarray | None = None
    modulus: FieldSpec | None = None

    def __post_init__(self) -> None:
        masks = [np.asarray(mask) for mask in (self.solid, self.void) if mask is not None]
        if any(mask.shape != self.grid.shape or mask.dtype != bool for mask in masks):
            raise ContractError(f"Densities: expected masks of bool and shape {self.grid.shape}")
        if len(masks) == 2 and (masks[0] & masks[1]).any():
            raise ContractError(f"Densities: {int((masks[0] & masks[1]).sum())} cells are both solid and void")

    @property
    def grid(self) -> Grid:
        """Where the variables are."""
        return self.filter.grid

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """``variables``."""
        return (FieldSpec("variables", self.grid),)

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """``density`` and the modulus."""
        return FieldSpec("density", self.grid), self.modulus or FieldSpec("youngs_modulus", self.grid)

    def density(self, variables: np.ndarray) -> np.ndarray:
        """Densities (batch, *grid) of variables (batch, *grid)."""
        return self._made(self.filter(variables))

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Densities and moduli of variables."""
        return self.linearize(inputs)[0]

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """What the optimiser takes for the gradient of ``sum(cotangents * outputs)``."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Densities and moduli (batch, *grid), and the function from cotangents of these to the gradient of `vjp`."""
        variables, modulus = check(inputs, self.inputs)["variables"], self.outputs[1].name
        smooth = self.filter(variables)
        density = self._made(smooth)

        def pull_back(cotangents: Arrays) -> dict[str, np.ndarray]:
            gradient = np.zeros(variables.shape)
            if "density" in cotangents:
                gradient += self.filter.pull_back(self._by_smooth(smooth, cotangents["density"]))
            if modulus in cotangents:
                slope = self._by_smooth(smooth, cotangents[modulus] * self.interpolation.derivative(density))
                gradient += self.filter.sensitivity(variables, slope)
            return {"variables": gradient}

        return {"density": density, modulus: self.interpolation(density)}, pull_back

    def _made(self, smooth: np.ndarray) -> np.ndarray:
        """Densities of smooth ones."""
        made = smooth if self.projection is None else self.projection(smooth)
        made = made if self.solid is None else np.where(self.solid, 1.0, made)
        return made if self.void is None else np.where(self.void, 0.0, made)

    def _by_smooth(self, smooth: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Derivative by the smooth densities from that by the densities."""
        for mask in (self.solid, self.void):
            gradient = gradient if mask is None else np.where(mask, 0.0, gradient)
        return gradient if self.projection is None else gradient * self.projection.derivative(smooth)
