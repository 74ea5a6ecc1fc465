"""The page on plugins, followed word by word: its files are written, its commands run, and what they print compared."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from genmech_fem import plugins

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "write_a_plugin.md").read_text()
BLOCK = re.compile(r"(?:\*\*`(?P<file>[^`]+)`\*\*\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
SCRIPT = "#!{python}\nimport sys\nfrom {module} import main\n\nif __name__ == '__main__':\n    sys.exit(main())\n"


@pytest.fixture
def environment(tmp_path):
    """Variables of a fresh environment that sees what is installed here, so that nothing here changes."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    for name, module in {"genmech": "genmech_fem.cli", "pytest": "pytest"}.items():
        script = folder / "bin" / name
        script.write_text(SCRIPT.format(python=folder / "bin" / "python", module=module))
        script.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONPATH"))}
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    libraries = os.pathsep.join([f"{sys.prefix}/lib", *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])  # of MPI
    return inherited | {"VIRTUAL_ENV": str(folder), "PATH": path, "LD_LIBRARY_PATH": libraries, "OMP_NUM_THREADS": "1"}


def words(line):
    return " ".join(line.split())


@pytest.mark.skipif(shutil.which("uv") is None, reason="the page installs with uv")
def test_the_page_leads_to_a_plugin_that_works(tmp_path, environment):
    work, printed = tmp_path / "work", ""
    work.mkdir()
    shutil.copy(ROOT / ".python-version", work)  # where uv is one of several, this chooses it
    for block in BLOCK.finditer(PAGE):
        file, kind, text = block["file"], block["kind"], block["text"]
        if file:
            (work / file).write_text(text)
        elif kind == "sh":
            command = ["bash", "-euo", "pipefail", "-c", text]
            done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            printed = words(done.stdout)
        else:
            assert kind == "text"
            assert [line for line in map(words, text.splitlines()) if line not in printed] == [], printed


def test_the_page_has_files_commands_and_their_output():
    kinds = [block["kind"] for block in BLOCK.finditer(PAGE)]
    assert len(kinds) == PAGE.count("\n```") / 2
    assert [kinds.count(kind) for kind in ("toml", "py", "sh", "text")] == [1, 3, 7, 5]


def test_the_table_names_every_group():
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)) == sorted(plugins.GROUPS)
