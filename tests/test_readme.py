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


def test_every_row_of_the_figures_is_one_of_the_committed_results():
    page = (DOCS / "figures.md").read_text()
    rows = [" ".join(line.split()) for line in page.splitlines() if re.match(r"\| *\w", line)]
    results = README.parent / "tests" / "benchmarks" / "results"
    known = {" ".join(line.split()) for file in results.glob("*.md") for line in file.read_text().splitlines()}
    assert len(rows) > 100
    assert [row for row in rows if row not in known] == []


def test_the_headlines_are_those_of_the_committed_results(monkeypatch):
    monkeypatch.syspath_prepend(README.parent / "tests" / "benchmarks")
    import headlines

    assert headlines.table() in README.read_text()


def test_every_local_link_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text())
    assert len(links) >= 8
    assert [link for link in links if not (README.parent / link).exists()] == []
