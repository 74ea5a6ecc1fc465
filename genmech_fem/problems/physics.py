"""What can be homogenised: controls, unit gradients, and constitutive laws in UFL."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl


@dataclass(frozen=True)
class Modulus:
    """A control that the law depends on.

    Args:
        name: Its name as a control.
        first: First value.
        lower: Values (eigenvalues of a tensor) have to be above.
        upper: And below.
    """

    name: str
    first: float = 1.0
    lower: float = 0.0
    upper: float = np.inf


@dataclass(frozen=True)
class Physics:
    """What is homogenised.

    Args:
        effective: Name of the effective tensor.
        fields: Names of the local gradient and of what the law makes of it.
        moduli: What may vary.
        coefficients: Functions of the moduli that the law is linear in; of UFL or of arrays.
        law: Stress or flux in UFL of the gradient and the coefficients; linear in each.
        vector: The unknown is a displacement, else a scalar.
        tensor: The one modulus is a symmetric tensor.
    """

    effective: str
    fields: tuple[str, str]
    moduli: tuple[Modulus, ...]
    coefficients: Callable[..., tuple[Any, ...]]
    law: Callable[..., Any]
    vector: bool
    tensor: bool = False

    def basis(self, dimension: int) -> np.ndarray:
        """Unit gradients (loads, dimension, dimension), or (loads, dimension) of a scalar."""
        return mandel_basis(dimension) if self.vector else np.eye(dimension)

    def value_shape(self, dimension: int) -> tuple[int, ...]:
        """Value shape of the unknown."""
        return (dimension,) if self.vector else ()

    def components(self, dimension: int) -> int:
        """Components of the unknown."""
        return dimension if self.vector else 1


def mandel_basis(dimension: int) -> np.ndarray:
    """Orthonormal symmetric matrices (loads, dimension, dimension): e11, e22, ..., sqrt(2) e12, ..."""
    pairs = [(i, i) for i in range(dimension)] + [(i, j) for i in range(dimension) for j in range(i + 1, dimension)]
    basis = np.zeros((len(pairs), dimension, dimension))
    for matrix, (i, j) in zip(basis, pairs, strict=True):
        matrix[i, j] = matrix[j, i] = 1.0 if i == j else np.sqrt(0.5)
    return basis


def symmetric_units(dimension: int) -> np.ndarray:
    """Symmetric matrices with one entry 1 of the lower triangle, row by row (entries, dimension, dimension)."""
    units = np.zeros((dimension * (dimension + 1) // 2, dimension, dimension))
    for unit, i, j in zip(units, *np.tril_indices(dimension), strict=True):
        unit[i, j] = unit[j, i] = 1.0
    return units


def lame(youngs_modulus: Any, poisson_ratio: Any) -> tuple[Any, Any]:
    """Lamé parameters mu and lambda [stress]."""
    mu = youngs_modulus / (2 * (1 + poisson_ratio))
    return mu, 2 * mu * poisson_ratio / (1 - 2 * poisson_ratio)


def lame_of_plane_stress(youngs_modulus: Any, poisson_ratio: Any) -> tuple[Any, Any]:
    """Parameters mu and lambda [stress] with which the law of plane strain is that of plane stress."""
    mu, _ = lame(youngs_modulus, poisson_ratio)
    return mu, youngs_modulus * poisson_ratio / (1 - poisson_ratio**2)


def isotropic_stress(strain: Any, mu: Any, lmbda: Any) -> Any:
    """Hooke's law: lambda tr(eps) I + 2 mu eps [stress]."""
    return lmbda * ufl.tr(strain) * ufl.Identity(strain.ufl_shape[0]) + 2 * mu * strain


def isotropic_strain(stress: Any, mu: Any, lmbda: Any) -> Any:
    """The strain [1] of a stress: the inverse of `isotropic_stress`."""
    dimension = stress.ufl_shape[0]
    volume = lmbda * ufl.tr(stress) / (2 * mu + dimension * lmbda) * ufl.Identity(dimension)
    return (stress - volume) / (2 * mu)


def _same(conductivity: Any) -> tuple[Any]:
    return (conductivity,)


def _fourier(gradient: Any, conductivity: Any) -> Any:
    return conductivity * gradient


_STRESS, _FLUX = ("strain", "stress"), ("gradient", "flux")
_YOUNG, _CONDUCTIVITY = Modulus("youngs_modulus"), Modulus("conductivity")
_SOLID, _PLATE = (_YOUNG, Modulus("poisson_ratio", 0.3, -1.0, 0.5)), (_YOUNG, Modulus("poisson_ratio", 0.3, -1.0, 1.0))
ELASTICITY = Physics("stiffness", _STRESS, _SOLID, lame, isotropic_stress, vector=True)
PLANE_STRESS = Physics("stiffness", _STRESS, _PLATE, lame_of_plane_stress, isotropic_stress, vector=True)
CONDUCTION = Physics("conductivity", _FLUX, (_CONDUCTIVITY,), _same, _fourier, vector=False)
ANISOTROPIC_CONDUCTION = Physics("conductivity", _FLUX, (_CONDUCTIVITY,), _same, _fourier, vector=False, tensor=True)
