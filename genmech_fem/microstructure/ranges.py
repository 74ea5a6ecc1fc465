"""Check of the ranges that samplers draw from."""


def check_range(name: str, values: tuple[float, float], above: float, upto: float) -> None:
    """Demand ``above < low <= high <= upto``.

    Raises:
        ValueError: The range is empty, reversed or leaves these limits.
    """
    if len(values) != 2 or not above < values[0] <= values[1] <= upto:
        raise ValueError(f"{name}: expected {above:g} < low <= high <= {upto:g}, got {values}")


def check_resolution(name: str, resolution: int, dimension: int = 2) -> None:
    """Demand at least 8 pixels along each side, in 2 or 3 dimensions.

    Raises:
        ValueError: The grid is too coarse, or has another dimension.
    """
    if dimension not in (2, 3):
        raise ValueError(f"{name}.dimension: expected 2 or 3, got {dimension}")
    if resolution < 8:
        raise ValueError(f"{name}.resolution: expected at least 8 pixels, got {resolution}")
