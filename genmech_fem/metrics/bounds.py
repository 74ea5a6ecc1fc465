r"""Bounds of the effective stiffness of two phases, and the volume fractions that they leave to a wanted one.

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

from collections.abc import Iterable, Mapping

import numpy as np
import scipy.linalg

from genmech_fem.errors import ContractError
from genmech_fem.metrics.tensors import symmetric_matrix

_DIMENSIONS = {3: 2, 6: 3}  # by the rows of the Mandel matrix
_PARTS = ("hydrostatic", "deviatoric")
_EMPTY = (np.inf, -np.inf)

type Range = tuple[float, float]


def isotropic_stiffness(youngs_modulus: float, poisson_ratio: float, dimension: int = 2) -> np.ndarray:
    """Stiffness matrix (3, 3) of plane strain or (6, 6) of a solid [unit of the modulus].

    Args:
        youngs_modulus: Young's modulus [stress].
        poisson_ratio: Poisson's ratio [1].
        dimension: 2 or 3.

    Raises:
        ValueError: The modulus is not positive, the ratio not in (-1, 0.5), or the dimension neither 2 nor 3.
    """
    if not (0 < youngs_modulus < np.inf and -1 < poisson_ratio < 0.5) or dimension not in (2, 3):
        raise ValueError(
            "isotropic_stiffness: expected a positive modulus, a Poisson's ratio in (-1, 0.5) and 2 or 3 dimensions, "
            f"got {youngs_modulus}, {poisson_ratio} and {dimension}"
        )
    shear = youngs_modulus / (1 + poisson_ratio)
    return _isotropic(np.array([shear * (1 + dimension * poisson_ratio / (1 - 2 * poisson_ratio)), shear]), dimension)


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
    soft, stiff = _phases(soft, stiff)
    if not _well_ordered(soft, stiff):
        raise ContractError("hashin_shtrikman: expected isotropic phases, one stiffer than the other in bulk and shear")
    if not 0 <= fraction <= 1:
        raise ValueError(f"hashin_shtrikman.fraction: expected a volume fraction from 0 to 1, got {fraction}")
    first, second, ranks = _eigenvalues(soft), _eigenvalues(stiff), _ranks(soft)
    gap, rest = 1 / (second - first), 1 - fraction
    lower = first + fraction / (gap + rest * _green(soft) / ranks)
    upper = second - rest / (gap - fraction * _green(stiff) / ranks)
    return _isotropic(lower, _DIMENSIONS[len(soft)]), _isotropic(upper, _DIMENSIONS[len(soft)])


def feasible_fractions(
    target: np.ndarray, soft: np.ndarray, stiff: np.ndarray, *, tolerance: float = 1e-6
) -> Range | None:
    """Least and largest volume fraction of the stiff phase at which no bound forbids the stiffness; None if all do.

    The bounds are necessary, not sufficient. A stiffness of finite elements is too large by the error of the mesh:
    on coarse pixels give that as tolerance. Of phases that are not isotropic, or of which none is the stiffer one in
    bulk and in shear, only the means of Voigt and Reuss are used.

    Args:
        target: Wanted stiffness, the upper triangle (6,) in 2D or (21,) in 3D of its Mandel matrix.
        soft: Stiffness C_1 (n, n) of one phase.
        stiff: C_2 (n, n) of the other.
        tolerance: By which share of it the wanted stiffness may exceed the bounds [1].

    Raises:
        ValueError: The tolerance is negative.
        ContractError: A matrix is of another size, or a phase is not symmetric and positive definite.
    """
    least, most = _common(_ranges(target, *_phases(soft, stiff), tolerance).values())
    return (least, most) if least <= most else None


def check_feasible(target: np.ndarray, soft: np.ndarray, stiff: np.ndarray, *, tolerance: float = 1e-6) -> Range:
    """Demand a stiffness that the bounds of `feasible_fractions` allow, before anything is solved; return that range.

    Raises:
        ContractError: No volume fraction allows it: which bounds it violates, by how much, and what to do.
    """
    soft, stiff = _phases(soft, stiff)
    ranges = _ranges(target, soft, stiff, tolerance)
    least, most = _common(ranges.values())
    if least > most:
        excess = 100 * _excess(target, soft, stiff, tolerance)
        raise ContractError(
            f"target stiffness: no volume fraction of the stiff phase allows it: {_conflict(ranges)}. It exceeds the "
            f"bounds by {excess:.3g} % of its entries: change it by that much, or take phases further apart"
        )
    return least, most


def _phases(soft: np.ndarray, stiff: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    phases = np.asarray(soft, dtype=float), np.asarray(stiff, dtype=float)
    for name, C in zip(("soft", "stiff"), phases, strict=True):
        if C.shape not in ((3, 3), (6, 6)) or C.shape != phases[0].shape:
            raise ContractError(f"{name}: expected two Mandel matrices (3, 3) or (6, 6), got shape {C.shape}")
        if not np.isfinite(C).all() or not np.allclose(C, C.T) or np.linalg.eigvalsh(C)[0] <= 0:
            raise ContractError(f"{name}: expected a symmetric positive definite matrix, got {C.tolist()}")
    if np.linalg.eigvalsh(phases[0] - phases[1])[0] > 0:
        raise ContractError("soft: expected the softer phase, got the stiffer one: swap soft and stiff")
    return phases


def _ranges(target: np.ndarray, soft: np.ndarray, stiff: np.ndarray, tolerance: float) -> dict[str, Range]:
    """The fractions from 0 to 1 that each bound allows, by its name."""
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"tolerance: expected a share that is not negative, got {tolerance}")
    C = symmetric_matrix(np.asarray(target, dtype=float))
    if C.shape != soft.shape:
        raise ContractError(f"target: expected the upper triangle of a matrix {soft.shape}, got one of {C.shape}")
    if not np.isfinite(C).all() or np.linalg.eigvalsh(C)[0] <= 0:
        raise ContractError(f"target: expected a positive definite stiffness, got {C.tolist()}")
    low, high = C / (1 + tolerance), C * (1 + tolerance)
    inverse = np.linalg.inv
    ranges = {
        "Voigt": _definite(soft - low, stiff - soft),
        "Reuss": _definite(inverse(soft) - inverse(high), inverse(stiff) - inverse(soft)),
    }
    beyond = min(np.linalg.eigvalsh(high - soft)[0], np.linalg.eigvalsh(stiff - low)[0]) <= 0
    if beyond or not _well_ordered(soft, stiff):  # what lies beyond the phases is refused by the means already
        return ranges
    gap, first, second = _ranks(soft) / (_eigenvalues(stiff) - _eigenvalues(soft)), _green(soft), _green(stiff)
    most = (gap + first) / (_traces(inverse(high - soft)) + first)
    least = 1 - (gap - second) / (_traces(inverse(stiff - low)) - second)
    return ranges | {
        **{f"lower {part} Hashin-Shtrikman": (0.0, float(f)) for part, f in zip(_PARTS, most, strict=True)},
        **{f"upper {part} Hashin-Shtrikman": (float(f), 1.0) for part, f in zip(_PARTS, least, strict=True)},
    }


def _definite(A: np.ndarray, B: np.ndarray) -> Range:
    """The interval of f from 0 to 1 on which A + f B is positive semi-definite; its ends are roots of det(A + f B)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = scipy.linalg.eigvals(A, -B).real
    ends = np.unique([0.0, *roots[(roots > 0) & (roots < 1)], 1.0])
    middles = (ends[1:] + ends[:-1]) / 2
    inside = np.linalg.eigvalsh(A + middles[:, None, None] * B)[:, 0] >= 0
    return (float(ends[:-1][inside][0]), float(ends[1:][inside][-1])) if inside.any() else _EMPTY


def _common(ranges: Iterable[Range]) -> Range:
    least, most = zip(*ranges, strict=True)
    return max(least), min(most)


def _conflict(ranges: Mapping[str, Range]) -> str:
    """Which bounds leave nothing, in words."""
    empty = [name for name, (least, most) in ranges.items() if least > most]
    if empty:
        return f"the {' and the '.join(empty)} bound cannot be met at any"
    above, below = max(ranges, key=lambda name: ranges[name][0]), min(ranges, key=lambda name: ranges[name][1])
    least, most = ranges[above][0], ranges[below][1]
    return f"the {above} bound asks for at least {least:.4f}, the {below} bound for at most {most:.4f}"


def _excess(target: np.ndarray, soft: np.ndarray, stiff: np.ndarray, tolerance: float) -> float:
    """The least tolerance that leaves a volume fraction, to 1 %."""

    def fits(share: float) -> bool:
        least, most = _common(_ranges(target, soft, stiff, share).values())
        return least <= most

    low = max(tolerance, 1e-12)
    high = 2 * low
    while not fits(high):
        low, high = high, 2 * high
    while high > 1.01 * low:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _projections(n: int) -> np.ndarray:
    """Hydrostatic and deviatoric projection (2, n, n)."""
    unit = np.zeros(n)
    unit[: _DIMENSIONS[n]] = _DIMENSIONS[n] ** -0.5
    hydrostatic = np.outer(unit, unit)
    return np.stack([hydrostatic, np.eye(n) - hydrostatic])


def _traces(matrix: np.ndarray) -> np.ndarray:
    """Traces (2,) with the projections."""
    return np.einsum("pij,ij->p", _projections(len(matrix)), matrix)


def _ranks(matrix: np.ndarray) -> np.ndarray:
    return np.array([1, len(matrix) - 1])


def _eigenvalues(stiffness: np.ndarray) -> np.ndarray:
    """Of an isotropic stiffness (2,): the bulk modulus times the dimension, and twice the shear modulus."""
    return _traces(stiffness) / _ranks(stiffness)


def _isotropic(eigenvalues: np.ndarray, dimension: int) -> np.ndarray:
    return np.tensordot(eigenvalues, _projections(dimension * (dimension + 1) // 2), 1)


def _green(stiffness: np.ndarray) -> np.ndarray:
    r"""Traces (2,) with :math:`\Gamma = \mathrm{sym}(\xi \otimes K^{-1} \otimes \xi)`, K the acoustic tensor."""
    d = _DIMENSIONS[len(stiffness)]
    bulk, shear = _eigenvalues(stiffness)
    axial = (bulk + (d - 1) * shear) / d
    return np.array([1 / (d * axial), (d - 1) * (1 / (d * axial) + 1 / shear)])


def _well_ordered(soft: np.ndarray, stiff: np.ndarray) -> bool:
    """Whether both phases are isotropic and the second is the stiffer one in bulk and in shear."""
    isotropic = all(
        np.allclose(C, _isotropic(_eigenvalues(C), _DIMENSIONS[len(C)]), atol=1e-9 * C.max()) for C in (soft, stiff)
    )
    return isotropic and bool((_eigenvalues(stiff) > _eigenvalues(soft)).all())
