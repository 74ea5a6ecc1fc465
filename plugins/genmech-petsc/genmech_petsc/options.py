"""Settings from PETSc's database of options."""

from dataclasses import dataclass, fields
from typing import Any

from petsc4py import PETSc


@dataclass(frozen=True)
class Settings:
    """What every type takes.

    Args:
        file: Path of the ONNX file.
        threads: Threads of one evaluation.

    Raises:
        ValueError: There is nothing to do.
    """

    file: str = ""
    threads: int = 1

    def __post_init__(self) -> None:
        if not (self.file or getattr(self, "record", "")):
            raise ValueError(f"no network is named: set the option that ends in onnx_file, got {self}")


@dataclass(frozen=True)
class GuessSettings(Settings):
    """What initial guesses take, too.

    Args:
        record: Folder to which every solve is written, for training.
    """

    record: str = ""


class Options[S]:
    """A frozen dataclass of the options ``-PREFIX_FIELD``; those that are not set keep their default.

    What is wrong is told when the settings are asked for. An exception in a program's ``setFromOptions`` would leave
    DOLFINx's prefix on PETSc's stack, and all later problems without their options.

    Args:
        kind: The dataclass; its fields are texts and numbers.
        prefix: Of the object and of this kind of options, as in ``heat_pc_onnx_``.
    """

    def __init__(self, kind: type[S], prefix: str) -> None:
        self._found: S | ValueError
        try:
            self._found = _read(kind, prefix)
        except ValueError as error:
            self._found = error

    @property
    def settings(self) -> S:
        """The settings.

        Raises:
            ValueError: An option is unknown, its value is not of the field's type, or no network is named.
        """
        if isinstance(self._found, ValueError):
            raise self._found
        return self._found


def _read[S](kind: type[S], prefix: str) -> S:
    database, known = PETSc.Options(), {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    given = [key.removeprefix(prefix) for key in database.getAll() if key.startswith(prefix)]
    values = {name: database.getString(prefix + name) for name in given}  # which marks them as used
    unknown = sorted(set(given) - set(known))
    if unknown:
        expected = ", ".join(f"-{prefix}{name}" for name in known)
        raise ValueError(f"unknown option -{prefix}{unknown[0]}: expected one of {expected}")
    return kind(**{name: _value(text, known[name], prefix + name) for name, text in values.items()})


def _value(text: str, kind: Any, name: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"option -{name}: expected a value of type {kind.__name__}, got {text!r}") from None
