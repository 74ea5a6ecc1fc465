"""Look-up of plugins by entry point.

A plugin is any installed distribution with an entry point in one of `GROUPS`. Nothing
is imported until it is loaded; a broken plugin is listed with its error and never
breaks another one. Where two have one name, the built-in one counts, else the one whose
distribution comes first in the alphabet.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUPS = ("problems", "models", "microstructures", "generative", "surrogates", "objectives", "hosts")
"""Rooms that can be extended, and hosts: what carries genmech_fem into another program."""

BUILT_IN = "genmech_fem"


@dataclass(frozen=True)
class Plugin:
    """One entry of a group: where it comes from, and why it cannot be used, if so."""

    group: str
    name: str
    target: str
    distribution: str
    version: str
    location: str
    error: str | None = None


def _all(group: str) -> list[EntryPoint]:
    """Entries of a group by name, of one name first the one that counts."""
    if group not in GROUPS:
        raise ValueError(f"unknown plugin group {group!r}: choose one of {', '.join(GROUPS)}")
    found = entry_points(group=f"genmech_fem.{group}")
    return sorted(found, key=lambda entry: (entry.name, _distribution(entry) != BUILT_IN, _distribution(entry)))


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "?"


def _entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in reversed(_all(group))}


def names(group: str) -> tuple[str, ...]:
    """Names of all plugins of a group, broken ones included."""
    return tuple(sorted(_entries(group)))


def targets(group: str) -> tuple[tuple[str, str], ...]:
    """Name and ``module:object`` of each plugin of a group; nothing is imported."""
    return tuple((name, entry.value) for name, entry in sorted(_entries(group).items()))


def load(group: str, name: str) -> Any:
    """Import and return one plugin.

    Raises:
        ValueError: No such group or name (the message lists what exists), or the
            plugin cannot be imported.
    """
    entries = _entries(group)
    if name not in entries:
        raise ValueError(f"unknown name {name!r} in {group}: choose one of {', '.join(names(group)) or '(none)'}")
    try:
        return entries[name].load()
    except (Exception, SystemExit) as error:  # a plugin may fail in any way; the caller gets one kind of error
        raise ValueError(f"the plugin {name!r} ({entries[name].value}) cannot be imported: {error!r}") from error


def listing(groups: Sequence[str] = GROUPS) -> list[Plugin]:
    """All plugins of groups; each that cannot be used gives a warning and carries its error."""
    plugins = []
    for group in groups:
        chosen = _entries(group)
        for entry in _all(group):
            error = _error(entry, chosen[entry.name])
            if error:
                warnings.warn(f"the plugin {entry.name!r} of {group} ({entry.value}) is broken: {error}", stacklevel=2)
            version, location = (entry.dist.version, str(entry.dist.locate_file(""))) if entry.dist else ("?", "?")
            origin = (_distribution(entry), version, location)
            plugins.append(Plugin(group, entry.name, entry.value, *origin, error))
    return plugins


def _error(entry: EntryPoint, chosen: EntryPoint) -> str | None:
    """Why an entry cannot be used."""
    if entry != chosen or _distribution(entry) != _distribution(chosen):
        return f"its name is taken by {_distribution(chosen)} ({chosen.value}): rename it"
    try:
        entry.load()
    except (Exception, SystemExit) as error:  # see load
        return repr(error)
    return None
