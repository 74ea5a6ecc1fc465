"""Whether any cell of two phases can have a wanted stiffness: the volume fractions that the bounds leave to it."""

from collections.abc import Iterable, Mapping

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.metrics.bounds import Range, check_phases, fraction_ranges


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
    least, most = _common(fraction_ranges(target, *check_phases(soft, stiff), tolerance).values())
    return (least, most) if least <= most else None


def check_feasible(target: np.ndarray, soft: np.ndarray, stiff: np.ndarray, *, tolerance: float = 1e-6) -> Range:
    """Demand a stiffness that the bounds of `feasible_fractions` allow, before anything is solved; return that range.

    Arguments and other errors as for `feasible_fractions`.

    Raises:
        ContractError: No volume fraction allows it: which bounds it violates, by how much, and what to do.
    """
    soft, stiff = check_phases(soft, stiff)
    ranges = fraction_ranges(target, soft, stiff, tolerance)
    least, most = _common(ranges.values())
    if least > most:
        excess = 100 * _excess(target, soft, stiff, tolerance)
        raise ContractError(
            f"target stiffness: no volume fraction of the stiff phase allows it: {_conflict(ranges)}. It exceeds the "
            f"bounds by {excess:.3g} % of its entries: change it by that much, or take phases further apart"
        )
    return least, most


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
        least, most = _common(fraction_ranges(target, soft, stiff, share).values())
        return least <= most

    low = max(tolerance, 1e-12)
    high = 2 * low
    while not fits(high):
        low, high = high, 2 * high
    while high > 1.01 * low:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
