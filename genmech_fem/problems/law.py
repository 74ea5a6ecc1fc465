"""Laws whose inverse is known, which bounds of errors need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ufl


@dataclass(frozen=True)
class Law:
    """A linear law between the gradient of the state and its flux, such as strain and stress.

    Args:
        flux: UFL expression of the state and the controls, which does positive work on the gradient.
        inverse: From a flux to the gradient, by the controls.
        dx: The measure of the residual's integral of flux and gradient.
    """

    flux: Any
    inverse: Callable[[Any], Any]
    dx: ufl.Measure
