r"""Bounds of the effective stiffness of two phases, and the volume fractions at which each allows a wanted one.

For a stiffness C of any anisotropy, with f the fraction of the stiff phase: the means of Voigt (1889),
doi:10.1002/andp.18892741206, and Reuss (1929), doi:10.1002/zamm.19290090104; and for isotropic phases
:math:`C_1 < C_2` the bounds of Hashin and Shtrikman (1963), doi:10.1016/0022-5096(63)90060-7, as traces with the
hydrostatic and the deviatoric projection P: Milton and Kohn (1988), doi:10.1016/0022-5096(88)90001-4,

.. math::
    f \, \mathrm{tr} P (C - C_1)^{-1} \le \mathrm{tr} P (C_2 - C_1)^{-1} + (1 - f) \, \mathrm{tr} P \Gamma_1, \quad
    (1 - f) \, \mathrm{tr} P (C_2 - C)^{-1} \le \mathrm{tr} P (C_2 - C_1)^{-1} - f \, \mathrm{tr} P \Gamma_2

with Green's operator :math:`\Gamma_i` of phase i in any one direction. A laminate attains all four; of an isotropic
C they bound the bulk and the shear modulus. All matrices are in Mandel notation, in 2D of plane strain.
"""

import numpy as np
import scipy.linalg

from genmech_fem.errors import ContractError
from genmech_fem.metrics.isotropy import DIMENSIONS, eigenvalues, isotropic_matrix, ranks, traces
from genmech_fem.metrics.tensors import symmetric_matrix

_PARTS = ("hydrostatic", "deviatoric")
_EMPTY = (np.inf, -np.inf)

type Range = tuple[float, float]
"""Least and largest volume fraction."""


def hashin_shtrikman(soft: np.ndarray, stiff: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest stiffness that an isotropic composite may have, matrices like those of the phases.

    Args:
        soft: Stiffness C_1 (n, n) of the soft phase, isotropic.
        stiff: C_2 (n, n) of the stiff phase, isotropic.
        fraction: Volume fraction f of the stiff phase.

    Raises:
        ValueError: The fraction is not from 0 to 1.
        ContractError: The phases are not isotropic, or the stiff one is not the stiffer one in bulk and shear.
    """
    soft, stiff = check_phases(soft, stiff)
    if not _well_ordered(soft, stiff):
        raise ContractError("hashin_shtrikman: expected isotropic phases, one stiffer than the other in bulk and shear")
    if not 0 <= fraction <= 1:
        raise ValueError(f"hashin_shtrikman.fraction: expected a volume fraction from 0 to 1, got {fraction}")
    first, second, n = eigenvalues(soft), eigenvalues(stiff), len(soft)
    gap, rest = 1 / (second - first), 1 - fraction
    lower = first + fraction / (gap + rest * _green(soft) / ranks(soft))
    upper = second - rest / (gap - fraction * _green(stiff) / ranks(stiff))
    return isotropic_matrix(lower, n), isotropic_matrix(upper, n)


def check_phases(soft: np.ndarray, stiff: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Demand the stiffnesses (n, n) of two phases, the first not being the stiffer one, and return them.

    Raises:
        ContractError: They are not of one size, not symmetric and positive definite, or the other way round.
    """
    phases = np.asarray(soft, dtype=float), np.asarray(stiff, dtype=float)
    for name, C in zip(("soft", "stiff"), phases, strict=True):
        if C.shape not in ((3, 3), (6, 6)) or C.shape != phases[0].shape:
            raise ContractError(f"{name}: expected two Mandel matrices (3, 3) or (6, 6), got shape {C.shape}")
        if not np.isfinite(C).all() or not np.allclose(C, C.T) or np.linalg.eigvalsh(C)[0] <= 0:
            raise ContractError(f"{name}: expected a symmetric positive definite matrix, got {C.tolist()}")
    if np.linalg.eigvalsh(phases[0] - phases[1])[0] > 0:
        raise ContractError("soft: expected the softer phase, got the stiffer one: swap soft and stiff")
    return phases


def fraction_ranges(target: np.ndarray, soft: np.ndarray, stiff: np.ndarray, tolerance: float) -> dict[str, Range]:
    """The fractions from 0 to 1 that each bound allows, by its name.

    Args:
        target: Wanted stiffness, the upper triangle (n (n + 1) / 2,).
        soft: Stiffness C_1 (n, n), as of `check_phases`.
        stiff: C_2 (n, n).
        tolerance: By which share of it the wanted stiffness may exceed the bounds [1].

    Raises:
        ValueError: The tolerance is negative.
        ContractError: The target is of another size, or not positive definite.
    """
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"tolerance: expected a share that is not negative, got {tolerance}")
    C, inverse = _checked_target(target, soft), np.linalg.inv
    low, high = C / (1 + tolerance), C * (1 + tolerance)
    means = {
        "Voigt": _definite(soft - low, stiff - soft),
        "Reuss": _definite(inverse(soft) - inverse(high), inverse(stiff) - inverse(soft)),
    }
    beyond = min(np.linalg.eigvalsh(high - soft)[0], np.linalg.eigvalsh(stiff - low)[0]) <= 0
    if beyond or not _well_ordered(soft, stiff):  # what lies beyond the phases is refused by the means already
        return means
    gap, first, second = ranks(soft) / (eigenvalues(stiff) - eigenvalues(soft)), _green(soft), _green(stiff)
    most = (gap + first) / (traces(inverse(high - soft)) + first)
    least = 1 - (gap - second) / (traces(inverse(stiff - low)) - second)
    return means | {
        **{f"lower {part} Hashin-Shtrikman": (0.0, float(f)) for part, f in zip(_PARTS, most, strict=True)},
        **{f"upper {part} Hashin-Shtrikman": (float(f), 1.0) for part, f in zip(_PARTS, least, strict=True)},
    }


def _checked_target(target: np.ndarray, soft: np.ndarray) -> np.ndarray:
    C = symmetric_matrix(np.asarray(target, dtype=float))
    if C.shape != soft.shape:
        raise ContractError(f"target: expected the upper triangle of a matrix {soft.shape}, got one of {C.shape}")
    if not np.isfinite(C).all() or np.linalg.eigvalsh(C)[0] <= 0:
        raise ContractError(f"target: expected a positive definite stiffness, got {C.tolist()}")
    return C


def _definite(A: np.ndarray, B: np.ndarray) -> Range:
    """The interval of f from 0 to 1 on which A + f B is positive semi-definite; its ends are roots of det(A + f B)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = scipy.linalg.eigvals(A, -B).real
    ends = np.unique([0.0, *roots[(roots > 0) & (roots < 1)], 1.0])
    middles = (ends[1:] + ends[:-1]) / 2
    inside = np.linalg.eigvalsh(A + middles[:, None, None] * B)[:, 0] >= 0
    return (float(ends[:-1][inside][0]), float(ends[1:][inside][-1])) if inside.any() else _EMPTY


def _well_ordered(soft: np.ndarray, stiff: np.ndarray) -> bool:
    """Whether both phases are isotropic and the second is the stiffer one in bulk and in shear."""
    return all(map(_is_isotropic, (soft, stiff))) and bool((eigenvalues(stiff) > eigenvalues(soft)).all())


def _is_isotropic(C: np.ndarray) -> bool:
    return np.allclose(C, isotropic_matrix(eigenvalues(C), len(C)), atol=1e-9 * C.max())


def _green(stiffness: np.ndarray) -> np.ndarray:
    r"""Traces (2,) with :math:`\Gamma = \mathrm{sym}(\xi \otimes K^{-1} \otimes \xi)`, K the acoustic tensor."""
    d = DIMENSIONS[len(stiffness)]
    bulk, shear = eigenvalues(stiffness)
    axial = (bulk + (d - 1) * shear) / d
    return np.array([1 / (d * axial), (d - 1) * (1 / (d * axial) + 1 / shear)])
