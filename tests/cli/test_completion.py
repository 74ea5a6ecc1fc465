"""Completion in a real shell."""

import subprocess
import sys
from shutil import which

import pytest

from genmech_fem.cli import main

COMPLETE = """
source "{script}"
COMP_WORDS=({words})
COMP_CWORD={last}
COMPREPLY=()
_shtab_genmech genmech "{word}" "{before}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    file = tmp_path_factory.mktemp("completion") / "genmech.bash"
    done = subprocess.run(
        [sys.executable, "-m", "genmech_fem.cli", "completion", "bash"], capture_output=True, text=True, check=True
    )
    file.write_text(done.stdout)
    return file


def replies(script, *words):
    """What bash offers for the last of these words."""
    given = ["genmech", *words]
    quoted = " ".join(f'"{word}"' for word in given)
    text = COMPLETE.format(script=script, words=quoted, last=len(words), word=given[-1], before=given[-2])
    done = subprocess.run(["bash", "--norc", "-c", text], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_function_is_registered(script):
    said = subprocess.run(
        ["bash", "--norc", "-c", f'source "{script}"; complete -p genmech'], capture_output=True, text=True, check=True
    )
    assert "-F _shtab_genmech genmech" in said.stdout


def test_commands_and_options_are_completed(script):
    assert replies(script, "des") == {"design"}
    assert replies(script, "d") == {"data", "demo", "design", "doctor"}
    assert replies(script, "design", "") >= {"structure", "cell"}
    assert replies(script, "design", "structure", "--sha") == {"--shape", "--sharpness"}
    assert replies(script, "design", "structure", "--load", "m") == {"mbb"}
    assert replies(script, "doctor", "comp") == {"compiler"}


def test_files_are_completed(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "micrograph.png").touch()
    assert replies(script, "mesh", "micro") == {"micrograph.png"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_for_all_commands(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "finetune" in text
    assert "refine-by-adjoint" in text
    if which(shell):
        file = tmp_path / "script"
        file.write_text(text)
        subprocess.run([shell, "-n", file], check=True)
