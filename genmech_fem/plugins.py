"""Look-up of plugins by entry point.

A plugin is any installed distribution with an entry point in one of `GROUPS`. Nothing
is imported until it is loaded; a broken plugin is listed with its error and never
breaks another one.
"""

import warnings
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUPS = ("problems", "models", "microstructures", "generative", "surrogates", "objectives")


@dataclass(frozen=True)
class Plugin:
    """One entry of a group: where it comes from, and why it cannot be used, if so."""

    group: str
    name: str
    target: str
    distribution: str
    error: str | None = None


def _entries(group: str) -> dict[str, EntryPoint]:
    if group not in GROUPS:
        raise ValueError(f"unknown plugin group {group!r}: choose one of {', '.join(GROUPS)}")
    return {entry.name: entry for entry in sorted(entry_points(group=f"genmech_fem.{group}"))}


def names(group: str) -> tuple[str, ...]:
    """Names of all plugins of a group, broken ones included."""
    return tuple(_entries(group))


def targets(group: str) -> tuple[tuple[str, str], ...]:
    """Name and ``module:object`` of each plugin of a group; nothing is imported."""
    return tuple((name, entry.value) for name, entry in _entries(group).items())


def load(group: str, name: str) -> Any:
    """Import and return one plugin.

    Raises:
        ValueError: No such group or name (the message lists what exists), or the
            plugin cannot be imported.
    """
    entries = _entries(group)
    if name not in entries:
        raise ValueError(f"unknown name {name!r} in {group}: choose one of {', '.join(entries) or '(none installed)'}")
    try:
        return entries[name].load()
    except Exception as error:  # a plugin may fail in any way; the caller gets one kind of error
        raise ValueError(f"the plugin {name!r} ({entries[name].value}) cannot be imported: {error!r}") from error


def listing() -> list[Plugin]:
    """All plugins of all groups; each broken one gives a warning and carries its error."""
    plugins = []
    for group in GROUPS:
        for name, entry in _entries(group).items():
            error = None
            try:
                entry.load()
            except Exception as caught:  # see load
                error = repr(caught)
                warnings.warn(f"the plugin {name!r} of {group} ({entry.value}) is broken: {error}", stacklevel=2)
            distribution = entry.dist.name if entry.dist else "?"
            plugins.append(Plugin(group, name, entry.value, distribution, error))
    return plugins
