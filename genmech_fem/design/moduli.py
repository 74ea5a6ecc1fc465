"""Densities made into moduli, for parametrisations that make densities by other means than `Densities`."""

from dataclasses import dataclass, field

import numpy as np

from genmech_fem.design.interpolation import SIMP, Interpolation
from genmech_fem.fields import Arrays, FieldSpec, Spec, check


@dataclass(frozen=True)
class Moduli:
    """A differentiable ForwardModel from ``density`` (batch, *grid) to the modulus of each point.

    Args:
        modulus: Spec of the output, such as that which a solver takes.
        interpolation: From densities to moduli.
    """

    modulus: FieldSpec
    interpolation: Interpolation = field(default_factory=SIMP)

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """``density``."""
        return (FieldSpec("density", self.modulus.place),)

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """The modulus."""
        return (self.modulus,)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Moduli of densities."""
        return {self.modulus.name: self.interpolation(check(inputs, self.inputs)["density"])}

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` by the density."""
        density = check(inputs, self.inputs)["density"]
        slope = cotangents.get(self.modulus.name, np.zeros(density.shape))
        return {"density": slope * self.interpolation.derivative(density)}
