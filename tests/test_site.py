"""The documentation site is built without a warning, is complete and consistent, and needs no network."""

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from html import unescape
from pathlib import Path

import pytest

from genmech_fem.cli.main import COMMANDS

pytest.importorskip("mkdocs", reason="needs the dependency group docs")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ROOMS = sorted(path.parent for path in (ROOT / "genmech_fem").glob("*/__init__.py"))
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\s](?:[^$]*[^$\s])?\$", re.DOTALL)


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


def test_every_example_has_a_page_with_its_figure_and_its_source(site):
    for example in (ROOT / "examples").glob("*.py"):
        page = site[f"gallery/{example.stem}.html"]
        assert unescape(re.sub(r"<[^>]*>", "", page)).count(example.read_text().splitlines()[-1].strip())
        assert f'src="{example.stem}.png"' in page


def test_every_command_is_described(site):
    for path in COMMANDS:
        assert f"usage: genmech {' '.join(path)} " in site["commands.html"]


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
