"""The errors that the library raises beside `ValueError`, `TypeError` and `OSError`."""

from importlib.util import find_spec


class GenmechError(Exception):
    """Base of every error of this library: one clear line saying what to do."""


class ContractError(GenmechError, ValueError):
    """Arrays or files do not match the specs that describe them."""


class NotFiniteError(ContractError):
    """An array holds NaN or infinity."""


class ConvergenceError(GenmechError, RuntimeError):
    """A solver did not converge, or its solution is not finite."""


class MeshingError(GenmechError, RuntimeError):
    """No valid mesh could be made from the given geometry."""


class DatasetError(GenmechError, RuntimeError):
    """A data store is damaged or belongs to another campaign, or a campaign cannot go on."""


class MissingExtraError(GenmechError, ImportError):
    """An optional package is needed that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package '{package}': install it with  pip install 'genmech_fem[{extra}]'")


def require(package: str, extra: str) -> None:
    """Demand an optional package, without importing it.

    Args:
        package: Name under which it is imported.
        extra: The extra of genmech_fem that brings it.

    Raises:
        MissingExtraError: It is not installed.
    """
    if find_spec(package) is None:
        raise MissingExtraError(package, extra)


def one_line(error: object, most: int | None = None) -> str:
    """The text of an error in one line of at most `most` characters; its type where it has no text."""
    return " ".join(str(error).split())[:most] or type(error).__name__
