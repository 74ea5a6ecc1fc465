"""The page of the command line, made from the help of each command."""

import os
from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from genmech_fem.cli.main import ABOUT, COMMANDS, make_parser

PAGE = "commands.md"
WIDTH = "92"  # of a line of help


def helps() -> Iterator[tuple[str, str]]:
    """Name and help of every command."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    for path in COMMANDS:
        parser = make_parser([path])
        for word in path:
            parser = next(action for action in parser._actions if isinstance(action.choices, dict)).choices[word]
        yield " ".join(path), parser.format_help()
    os.environ.pop("COLUMNS")
    os.environ.update({} if before is None else {"COLUMNS": before})


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    parts = (f"## `genmech {name}`\n\n```text\n{text}```\n" for name, text in helps())
    files.append(File.generated(config, PAGE, content="\n".join(["# Command line\n", ABOUT, "", *parts])))
    return files
