"""The pages of the documentation are all listed, their commands can be parsed, their sources agree with the code."""

import ast
import importlib.util
import re
import shlex
import textwrap
from pathlib import Path

import pytest
from PIL import Image

from genmech_fem.cli.main import COMMANDS, make_parser

pytest.importorskip("mkdocs", reason="needs the dependency group docs")
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
DOI = re.compile(r'doi:\s*(10\.\d{4,}/[^\s,;"]*[^\s,;.)"])')
CITING = ("anomaly", "design", "generative", "metrics", "microstructure", "nn", "problems", "surrogates")
GENERATED = ("changelog.md", "commands.md")
PICTURE, LARGE_PICTURE = 100_000, 200_000  # bytes, of pages with many pictures and of others


def test_every_page_is_in_the_navigation():
    def files(entry):
        if isinstance(entry, dict | list):
            return [file for part in (entry.values() if isinstance(entry, dict) else entry) for file in files(part)]
        return [entry]

    listed = files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(set(listed) - {"Gallery", *GENERATED}) == [page.relative_to(DOCS).as_posix() for page in PAGES]
    assert len(listed) == len(set(listed))


def test_pictures_are_small_and_used():
    text = "".join(page.read_text() for page in (*PAGES, ROOT / "README.md"))
    for picture in DOCS.rglob("*.png"):
        assert picture.stat().st_size < (LARGE_PICTURE if picture.parent == DOCS else PICTURE), picture
        assert picture.parent.name not in ("concepts", "theory") or picture.name in text, picture


def test_theory_and_code_cite_the_same_sources():
    theory = {doi for page in (DOCS / "theory").glob("*.md") for doi in DOI.findall(page.read_text())}
    code = {path: set(DOI.findall(" ".join(path.read_text().split()))) for path in (ROOT / "genmech_fem").rglob("*.py")}
    assert theory - set().union(*code.values()) == set()
    for path, cited in code.items():
        if path.relative_to(ROOT / "genmech_fem").parts[0] in CITING:
            assert cited - theory == set(), path


FENCED = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^    .*\n|^ *\n)+", re.MULTILINE)


def codes(page):
    """Code of a page as (language, code); that of indented blocks is shell or Python."""
    text = page.read_text()
    indented = map(textwrap.dedent, INDENTED.findall(FENCED.sub("", text)))
    shell = re.compile(r"(?:genmech|pip|uv) ")
    found = [("sh" if shell.match(code.strip()) else "python", code) for code in indented if code.strip()]
    return [*FENCED.findall(text), *found]


def commands(page):
    """Lines of shell code that call genmech, as words."""
    lines = "\n".join(code for language, code in codes(page) if language == "sh").replace("\\\n", " ").splitlines()
    calls = [re.match(r"(?:.*&& )?(?:uv run )?genmech (.+)", line) for line in lines]
    return [shlex.split(call[1], comments=True) for call in calls if call]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_every_command_can_be_parsed(page):
    parser = make_parser(list(COMMANDS))
    for words in commands(page):
        assert callable(parser.parse_args(words).run)
    known = {path[:n] for path in COMMANDS for n in range(1, len(path) + 1)}
    for call in re.findall(r"`genmech ([a-z][^`]*)`", page.read_text()):
        assert (re.split(r"\s", call)[0],) in known, call


def test_there_are_commands_to_parse():
    assert sum(len(commands(page)) for page in PAGES) > 10


def test_all_code_is_of_a_language_that_some_test_knows_and_python_is_python():
    for page in (ROOT / "README.md", *(page for page in PAGES if page.parent.name != "api")):
        for language, code in codes(page):
            assert language in ("python", "py", "sh", "toml", "yaml", "text"), page
            if language in ("python", "py"):
                ast.parse(code)


@pytest.mark.slow
def test_the_pictures_can_be_drawn_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    pictures.make(tmp_path)
    for name in pictures.PICTURES:
        with Image.open(tmp_path / name) as drawn, Image.open(DOCS / name) as kept:
            assert drawn.size == kept.size
