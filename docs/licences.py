"""Write licences.md: the licence of every package that genmech_fem asks for directly, as its own metadata say it.

Run it with  uv run python docs/licences.py
"""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# Licences of dependencies

genmech_fem has the MIT licence. It ships none of these packages; they are installed from their own distributions.
Written by `uv run python docs/licences.py` from what is installed.

| package | licence | needed for |
|---|---|---|
"""


def wanted() -> dict[str, str]:
    """What each package that pyproject.toml names is needed for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"every use": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {}
    for group, requirements in groups.items():
        for requirement in requirements:
            name = re.split(r"[\[<>=; ]", requirement)[0]
            if name != "genmech_fem":
                found.setdefault(name, []).append(group if group == "every use" else f"`{group}`")
    return {name: ", ".join(uses) for name, uses in sorted(found.items())}


def licence(package: str) -> str:
    """Licence in a few words."""
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return "not installed here"
    classified = [text.split(" :: ")[-1] for text in about.get_all("Classifier", []) if text.startswith("License")]
    free = (about.get("License") or "").strip().splitlines()
    named = [
        text for text in (about.get("License-Expression"), *classified, *free[:1]) if text and text != "OSI Approved"
    ]
    return named[0] if named else "see the package"


def main() -> None:
    """Write the page."""
    rows = "".join(f"| {name} | {licence(name)} | {use} |\n" for name, use in wanted().items())
    (ROOT / "docs" / "licences.md").write_text(HEAD + rows)


if __name__ == "__main__":
    main()
