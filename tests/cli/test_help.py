"""Help that teaches: examples that parse, the loop in its order, exit codes; and no heavy import on the way."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from genmech_fem.cli import main
from genmech_fem.cli.examples import EXAMPLES
from genmech_fem.cli.main import COMMANDS, make_parser

COMMON = ("argparse", "genmech_fem")
HEAVY = ("numpy", "scipy", "torch", "dolfinx", "onnxruntime", "matplotlib", "tqdm", "pebble")


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_its_parser_takes(path, capsys):
    lines = EXAMPLES[path]
    assert 2 <= len(lines) <= 4
    parser = make_parser([path])
    for line in lines:
        words = shlex.split(line.partition(" > ")[0])
        assert tuple(words[: 1 + len(path)]) == ("genmech", *path)
        args = parser.parse_args(words[1:])
        assert callable(args.run)
    text = help_of(capsys, *path)
    assert "examples:\n  " + "\n  ".join(lines) in text
    assert COMMANDS[path][1] in " ".join(text.split())


def test_every_option_is_explained():
    parser = make_parser(list(COMMANDS))
    parsers = [parser]
    while parsers:
        for action in parsers.pop()._actions:
            if isinstance(action.choices, dict):
                parsers += action.choices.values()
            else:
                assert action.help, action


def test_the_loop_is_shown_in_its_order(capsys):
    text = help_of(capsys)
    places = [text.index(f"\n    {name} ") for name in ("generate", "data", "train", "evaluate", "export", "design")]
    assert places == sorted(places)


def test_exit_codes_are_told_and_kept(capsys, tmp_path, monkeypatch):
    text = help_of(capsys)
    for code in (0, 1, 2, 130, 141):
        assert f"\n  {code} " in text
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    assert main(["doctor", "space"]) == 0
    assert main(["doctor", "threads"]) == 1
    assert main(["data", "info", str(tmp_path)]) == 2
    with pytest.raises(SystemExit) as ended:
        main(["data"])
    assert ended.value.code == 2


def test_ctrl_c_ends_with_130(monkeypatch, capsys):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("genmech_fem.plugins.listing", press)
    assert main(["plugins"]) == 130
    assert "interrupted; the same command resumes" in capsys.readouterr().err


GENERATE = (
    "generate",
    "{folder}",
    "--problem",
    "homogenization",
    "--resolution",
    "16",
    "--size",
    "1",
    "--engine",
    "serial",
)


@pytest.mark.parametrize(
    "words", [("completion", "bash"), GENERATE], ids=["without PETSc", "with PETSc in the process"]
)
def test_a_reader_that_goes_ends_the_command_without_uproar(words, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "genmech_fem.cli", *(word.format(folder=tmp_path / "store") for word in words)]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ended.returncode == 141
    assert not any(word in ended.stderr for word in ("PETSC", "Traceback", "Exception", "Broken"))


def test_a_missing_package_is_one_line_that_names_the_doctor(tmp_path):
    script = f"""
import sys
sys.modules["dolfinx"] = None
from genmech_fem.cli import main
sys.exit(main(["design", "structure", "--out", {str(tmp_path / "run")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'genmech_fem[fem]': 'genmech doctor' tells what works" in done.stderr


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_help_imports_nothing_heavy(words):
    script = f"""
import json, sys
from genmech_fem.cli import main
try:
    main({[*words, "--help"]!r})
except SystemExit:
    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
