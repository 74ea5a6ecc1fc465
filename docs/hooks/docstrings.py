"""Docstrings as Markdown: their formulas, and names in backticks as links to where the names are described."""

import re
from typing import Any

import griffe

DISPLAY = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +\S.*| *$))*)", re.MULTILINE)
INLINE = re.compile(r":math:`([^`]*)`")
NAME = re.compile(r"(?<![`\w\[])`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)`(?![`\]])")


class Docstrings(griffe.Extension):
    """Griffe extension that rewrites every docstring of the package."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite the docstrings once all names are known."""
        rooms = {name: module for name, module in pkg.modules.items() if not name.startswith("_")}
        public = {(room, name) for room, module in rooms.items() for name in names(module)}
        for room, module in rooms.items():
            rewrite(module, pkg.name, room, public)
        for module in rooms.values():
            prefer_exports(module)


def prefer_exports(module: griffe.Module) -> None:
    """Let names of a room mean what it exports, also those of its submodules, as `fit` of ``fit.py``."""
    exports = {str(name): module.members[str(name)] for name in module.exports or ()}
    for one in exports.values():
        if one.is_alias:
            one.resolve_target()  # while its module is still there by that name
    for name, one in exports.items():
        if one.is_module:
            module.members[name] = griffe.Alias(name, one.members[name], parent=module)


def names(module: griffe.Module) -> list[str]:
    """Public names of a room: those that it exports, or of a single module all without an underscore."""
    if module.exports is not None:
        return [str(name) for name in module.exports]
    return [name for name, one in module.members.items() if not name.startswith("_") and not one.is_alias]


def rewrite(thing: griffe.Object, package: str, room: str, public: set[tuple[str, str]]) -> None:
    """Rewrite the docstrings of an object and of all that it holds."""
    if thing.docstring:
        text = DISPLAY.sub(lambda found: f"{found[1]}$$ {' '.join(found[2].split())} $$\n", thing.docstring.value)
        text = INLINE.sub(lambda found: f"${' '.join(found[1].split())}$", text)
        thing.docstring.value = NAME.sub(lambda found: linked(found[1], package, room, public), text)
    for one in thing.members.values():
        if not one.is_alias:
            rewrite(one, package, room, public)


def linked(name: str, package: str, room: str, public: set[tuple[str, str]]) -> str:
    """A link to a public name of this room, of the room that is named, or of the only room that has it."""
    first, _, rest = name.partition(".")
    owners = [room] if (room, name) in public else [owner for owner, one in sorted(public) if one == name]
    if (first, rest) in public:
        return f"[`{name}`][{package}.{name}]"
    return f"[`{name}`][{package}.{owners[0]}.{name}]" if len(owners) == 1 else f"`{name}`"
