"""Ready-made solvers of periodic cells of pixels: the effective stiffness and the effective conductivity."""

from collections.abc import Mapping

import numpy as np
from skfem.models.elasticity import lame_parameters, linear_elasticity
from skfem.models.poisson import laplace

from genmech_fem.fields import Arrays, ScalarSpec
from genmech_fem.forward import ForwardModel, FunctionModel, compose
from genmech_fem.metrics import isotropic_stiffness
from genmech_fem.microstructure import phase_spec
from genmech_skfem.periodic_cell import GRADIENT, STRAIN, PeriodicCell
from genmech_skfem.pixel_model import PixelModel


def pixel_homogenization(resolution: int, poisson_ratio: float = 0.3) -> PixelModel:
    """Differentiable map from a modulus on pixels to the effective stiffness in plane strain.

    Input ``youngs_modulus`` (batch, nx, ny) [GPa], output ``stiffness`` (batch, 6) [GPa], the upper triangle of the
    Mandel matrix C*.

    Args:
        resolution: Pixels along each side of the unit cell.
        poisson_ratio: Poisson's ratio of every pixel [1].

    Raises:
        ValueError: The ratio is not in (-1, 0.5), or there are fewer than 2 pixels a side.
    """
    if not -1 < poisson_ratio < 0.5:
        raise ValueError(f"poisson_ratio: expected a number in (-1, 0.5), got {poisson_ratio}")
    forms = {"youngs_modulus": linear_elasticity(*lame_parameters(1.0, poisson_ratio))}
    return PixelModel(PeriodicCell(resolution, forms, STRAIN, ScalarSpec("stiffness", 6, "GPa")))


def pixel_stiffness(
    resolution: int = 64, matrix: tuple[float, float] = (3.5, 0.35), inclusion: tuple[float, float] = (70.0, 0.22)
) -> ForwardModel:
    """The effective stiffness of a periodic cell of two phases in plane strain.

    Input ``phase`` (batch, nx, ny), output ``stiffness`` (batch, 6) [GPa], the upper triangle of the Mandel matrix C*.

    Args:
        resolution: Pixels along each side.
        matrix: Young's modulus [GPa] and Poisson's ratio of phase 0.
        inclusion: Those of phase 1.

    Raises:
        ValueError: A modulus is not positive, a ratio is not in (-1, 0.5), or there are fewer than 2 pixels a side.
    """
    # the plane bulk modulus and the shear modulus: both are above zero where a material is stable
    forms = {"bulk_modulus": linear_elasticity(1.0, 0.0), "shear_modulus": linear_elasticity(-1.0, 1.0)}
    stiffness = np.array([isotropic_stiffness(*phase) for phase in (matrix, inclusion)])
    shear = stiffness[:, 2, 2] / 2
    values = {"bulk_modulus": stiffness[:, 0, 1] + shear, "shear_modulus": shear}
    return _two_phase(PeriodicCell(resolution, forms, STRAIN, ScalarSpec("stiffness", 6, "GPa")), values)


def pixel_conductivity(resolution: int = 64, matrix: float = 1.0, inclusion: float = 10.0) -> ForwardModel:
    """The effective conductivity of a periodic cell of two phases.

    Input ``phase`` (batch, nx, ny), output ``conductivity`` (batch, 3) [W/(m K)], the upper triangle of the matrix.

    Args:
        resolution: Pixels along each side.
        matrix: Conductivity of phase 0 [W/(m K)].
        inclusion: Conductivity of phase 1 [W/(m K)].

    Raises:
        ValueError: A conductivity is not positive and finite, or there are fewer than 2 pixels a side.
    """
    values = np.array([matrix, inclusion], dtype=float)
    if not ((values > 0) & np.isfinite(values)).all():
        raise ValueError(f"pixel_conductivity: expected positive, finite conductivities, got {matrix} and {inclusion}")
    effective = ScalarSpec("conductivity", 3, "W/(m K)")
    return _two_phase(
        PeriodicCell(resolution, {"conductivity": laplace}, GRADIENT, effective), {"conductivity": values}
    )


def _two_phase(cell: PeriodicCell, values: Mapping[str, np.ndarray]) -> ForwardModel:
    """From the phase to the values of both phases by name of coefficient, and to the cell."""
    phase = phase_spec(cell.inputs[0].shape[0])

    def assign(arrays: Arrays) -> Arrays:
        return {name: np.where(arrays["phase"] > 0.5, pair[1], pair[0]) for name, pair in values.items()}

    return compose(FunctionModel(assign, (phase,), cell.inputs), PixelModel(cell))
