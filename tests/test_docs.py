"""The site is built without a warning, is complete and consistent, and needs no network; its commands can be parsed."""

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections import defaultdict
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from genmech_fem.cli.main import COMMANDS, make_parser

pytest.importorskip("mkdocs", reason="needs the dependency group docs")
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ROOMS = sorted(path.parent for path in (ROOT / "genmech_fem").glob("*/__init__.py"))
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\s](?:[^$]*[^$\s])?\$", re.DOTALL)
DOI = re.compile(r'doi:\s*(10\.\d{4,}/[^\s,;"]*[^\s,;.)"])')
CITING = ("anomaly", "design", "generative", "metrics", "microstructure", "nn", "problems", "surrogates")
GENERATED = ("changelog.md", "commands.md")
PICTURE, LARGE_PICTURE = 100_000, 200_000  # bytes, of pages with many pictures and of others


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.findall(r"WARNING|ERROR", done.stdout + done.stderr) == []
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.html")} | {"": folder}


def pages_of(site):
    return {name: page for name, page in site.items() if name}


def test_every_internal_link_leads_somewhere(site):
    ids = {name: set(re.findall(r'\bid="?([^"\s>]+)', page)) for name, page in pages_of(site).items()}
    broken, seen = defaultdict(list), 0
    for name, page in pages_of(site).items():
        if name == "404.html":  # shown at any address
            continue
        for link in map(unescape, re.findall(r'\b(?:href|src)="?([^"\s>]+)', page)):
            if re.match(r"\w+:|/", link):
                continue
            target, _, anchor = link.partition("#")
            path = os.path.normpath(Path(name).parent / target) if target else name
            exists = (site[""] / path).exists() and (not anchor or not path.endswith(".html") or anchor in ids[path])
            seen += 1
            if not exists:
                broken[name].append(link)
    assert seen > 5000
    assert dict(broken) == {}


def test_nothing_is_fetched_from_elsewhere(site):
    for page in pages_of(site).values():
        tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page)
        assert [tag for tag in tags if re.search(r'(?:src|href)="?(?:https?:)?//', tag)] == []


def test_every_public_name_is_described(site):
    for room in ROOMS:
        page = site[f"api/{room.name}.html"]
        assigned = [n for n in ast.parse((room / "__init__.py").read_text()).body if isinstance(n, ast.Assign)]
        (names,) = (ast.literal_eval(one.value) for one in assigned if one.targets[0].id == "__all__")
        assert [name for name in names if f'id="genmech_fem.{room.name}.{name}"' not in page] == []
    for name in ("errors.ContractError", "fields.Grid", "forward.ForwardModel", "plugins.load"):
        assert f'id="genmech_fem.{name}"' in site[f"api/{name.partition('.')[0]}.html"]


def test_modules_that_the_how_tos_import_from_are_described(site):
    for page in DOCS.glob("*.md"):
        for room, module, names in re.findall(r"from genmech_fem\.(\w+)\.(\w+) import ([\w, ]+)", page.read_text()):
            for name in names.split(", "):
                assert f'id="genmech_fem.{room}.{module}.{name}"' in site[f"api/{room}.html"], (page, module, name)


def test_every_page_is_in_the_navigation():
    def files(entry):
        if isinstance(entry, dict | list):
            return [file for part in (entry.values() if isinstance(entry, dict) else entry) for file in files(part)]
        return [entry]

    listed = files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(set(listed) - {"Gallery", *GENERATED}) == [page.relative_to(DOCS).as_posix() for page in PAGES]
    assert len(listed) == len(set(listed))


def test_every_example_has_a_page_with_its_source(site):
    for example in (ROOT / "examples").glob("*.py"):
        page = site[f"gallery/{example.stem}.html"]
        assert unescape(re.sub(r"<[^>]*>", "", page)).count(example.read_text().splitlines()[-1].strip())
        assert (f'src="{example.stem}.png"' in page) == (DOCS / "gallery" / f"{example.stem}.png").exists()


def test_every_command_is_described(site):
    for path in COMMANDS:
        assert f"usage: genmech {' '.join(path)} " in site["commands.html"]


def test_pictures_are_small_and_used():
    text = "".join(page.read_text() for page in (*PAGES, ROOT / "README.md"))
    for picture in DOCS.rglob("*.png"):
        assert picture.stat().st_size < (LARGE_PICTURE if picture.parent == DOCS else PICTURE), picture
        assert picture.parent.name not in ("concepts", "theory") or picture.name in text, picture


def test_every_formula_became_mathml(site):
    total = 0
    for page in PAGES:
        formulas = FORMULA.findall(CODE.sub("", page.read_text()))
        html = site[page.relative_to(DOCS).with_suffix(".html").as_posix()]
        if page.parent.name != "api":
            assert html.count("<math ") == len(formulas), page
        total += html.count("<math ")
        assert not re.search(r"arithmatex|:math:|\.\. math", html), page
    assert total > 300
    assert "<math " in site["api/problems.html"]  # of docstrings


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
