"""The examples of the README and of the pages in docs run as printed."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"
DOCS = README.parent / "docs"


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


PAGES = [page for page in sorted(DOCS.rglob("*.md")) if blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_the_pages_run_block_after_block(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks(page)), str(page), "exec"), {})  # noqa: S102
    assert "nan" not in capsys.readouterr().out


def test_the_example_recovers_the_wanted_sources(tmp_path, monkeypatch, capsys):
    (code,) = blocks(README)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(README), "exec"), {})  # noqa: S102
    found = [
        [float(x) for x in re.findall(r"[\d.]+(?:e[+-]\d+)?", line)] for line in capsys.readouterr().out.splitlines()
    ]
    np.testing.assert_allclose(found[0], [12.0, 5.0], rtol=1e-3)
    np.testing.assert_allclose(found[1], [12.0, 5.0], rtol=0.1)


def test_every_table_of_the_figures_is_one_of_the_committed_results(monkeypatch):
    monkeypatch.syspath_prepend(README.parent / "tests" / "benchmarks")
    import figures_page

    page = figures_page.PAGE.read_text()
    tables = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    assert len(tables) == len(figures_page.TABLE.findall(page)) > 40
    assert figures_page.filled(page) == page
    emptied = page.replace(tables[0], "").replace(tables[1], tables[0])
    assert emptied != page
    assert figures_page.filled(emptied) == page
    with pytest.raises(ValueError, match="which no row is like"):
        figures_page.filled(page.replace("whole command [s]\n", "whole commands [s]\n"))
    with pytest.raises(ValueError, match=r"expected one of .*'Figures'"):
        figures_page.filled(page.replace("table: demo, Figures", "table: demo, Figure"))


def test_the_headlines_are_those_of_the_committed_results(monkeypatch):
    monkeypatch.syspath_prepend(README.parent / "tests" / "benchmarks")
    import headlines

    assert headlines.table() in README.read_text()


def test_every_local_link_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text())
    assert len(links) >= 8
    assert [link for link in links if not (README.parent / link).exists()] == []
