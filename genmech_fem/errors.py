"""The errors that the library raises beside `ValueError`, `TypeError` and `OSError`."""


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
