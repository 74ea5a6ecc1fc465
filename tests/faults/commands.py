"""Whole commands as a user types them: killed, interrupted, or out of their quota, then typed again.

What they leave is compared with the same command that was left alone.
"""

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jobs
import numpy as np
from faults import Outcome, fault
from safetensors.numpy import load_file

from genmech_fem.cli import main
from genmech_fem.runtime import OnnxModel
from genmech_fem.training import load_weights, read_log

POINTS = 1
"""At how many points of its progress a command is killed."""
ALONE = False
"""Whether the commands to which nothing happens are processes of their own, too."""
SIZE, SECONDS = 150, 2
RESUMES = "genmech: interrupted; the same command resumes where it was"

type Result = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command in a folder of its own.

    Attributes:
        line: What is typed after ``genmech``.
        points: Patterns of files, and how many of them there are when it is killed, one point after the other.
        kept: How much is finished.
        result: What is compared at the end.
        quota: Size of a file [byte] that it reaches in the middle of its work.
        inputs: Makes what it reads.
    """

    line: str
    points: tuple[tuple[str, int], ...]
    kept: Callable[[Path], int]
    result: Callable[[Path], Result]
    quota: int
    inputs: Callable[[Path], object] = lambda _: None


def samples(folder: Path) -> Result:
    """The data set of a folder."""
    return dict(jobs.result("campaign", folder / "data"))


def data_set(folder: Path) -> None:
    """What is trained on."""
    jobs.generate(jobs.replace_size(40), folder / "data")


def surrogate(folder: Path) -> Result:
    """Whether a training is whole: its steps follow each other, and end with the weights; seconds repeat no numbers."""
    out = folder / "trained"
    about, state = load_weights(out / "training")
    weights = load_file(out / "model.safetensors")
    average = {name.removeprefix("average."): state[name] for name in state if name.startswith("average.")}
    steps = [line["step"] for line in read_log(out / "training.jsonl")]
    error = json.loads((out / "card.json").read_text())["errors"]["surrogate"]["median"]
    return {
        "weights": all(np.array_equal(weights[name], average[name]) for name in average),
        "steps": steps == list(range(1, about["step"] + 1)),
        "seconds": about["seconds"] >= SECONDS,
        "learned": error < 0.2,
        "file": np.isfinite(answers(out / "model.onnx")["effective_conductivity"]).all(),
    }


def steps_kept(folder: Path) -> int:
    """The step that a training would go on from."""
    file = folder / "trained" / "training"
    return int(load_weights(file)[0]["step"]) if file.exists() else 0


def model_file(folder: Path) -> None:
    """What is exported."""
    data_set(folder)
    typed(TRAIN.replace(str(SECONDS), "0.2", 1), folder)


def answers(file: Path) -> Result:
    """What an ONNX file says of fixed inputs."""
    model = OnnxModel(file)
    return dict(model({"phase": np.random.default_rng(0).random((3, *model.inputs[0].shape))}))


def design(folder: Path) -> Result:
    """Densities, compliances and histories of a design."""
    record = json.loads((folder / "beam" / "design.json").read_text())
    names = ("predicted", "volume", "verified", "verified_volume", "histories", "evaluations", "figures")
    return {name: record[name] for name in names} | {"density": np.load(folder / "beam" / "density.npy")}


TRAIN = f"train data --input phase --output effective_conductivity --periodic --seconds {SECONDS} --out trained"
GENERATE = f"generate data --problem conduction --resolution 16 --size {SIZE} --json"
COMMANDS = {
    f"generate, {engine}": Command(
        f"{GENERATE} --engine {engine}",
        (("data/pending/*/*.safetensors", 5), ("data/pending/*/*.safetensors", 60), ("data/samples.png", 1)),
        lambda folder: len(jobs.Store.open(folder / "data").numbers()),
        samples,
        60_000,
    )
    for engine in ("serial", "processes")
} | {
    "train": Command(
        TRAIN,
        (("trained/training", 1), ("trained/model.safetensors", 1), ("trained/model.onnx", 1)),
        steps_kept,
        surrogate,
        100_000,
        data_set,
    ),
    "export": Command(
        "export trained/model.safetensors --out file.onnx",
        ((".file.onnx.*", 1), (".file.onnx.*/*", 1)),
        lambda folder: int((folder / "file.onnx").exists() and bool(answers(folder / "file.onnx"))),
        lambda folder: answers(folder / "file.onnx"),
        100_000,
        model_file,
    ),
    "design structure": Command(
        "design structure --out beam --shape 24x8 --iterations 15 --sharpness 2 --refine 1",
        (("beam/journal/0/*.safetensors", 4), ("beam/journal/1/*.safetensors", 4), ("beam/density.npy", 1)),
        lambda folder: len(list((folder / "beam" / "journal").rglob("*.safetensors"))),
        design,
        20_000,
    ),
}


def process(line: str, folder: Path) -> "subprocess.Popen[str]":
    """The command as a program of its own, the first of its process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "genmech_fem.cli", *line.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def limited(quota: int) -> Iterator[None]:
    """Files of this process end at so many bytes, as for a user whose quota is used up.

    A process that begins with it could not start MPI, which shares memory through files of megabytes.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (quota, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def typed(line: str, folder: Path) -> tuple[int, str, str]:
    """Exit code of a command, and what it prints and complains of."""
    if ALONE:
        with process(line, folder) as alone:
            out, error = alone.communicate()
        return alone.returncode, out, error
    return here(line, folder)


def here(line: str, folder: Path) -> tuple[int, str, str]:
    """The same in this process."""
    told, said = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(told), redirect_stderr(said):
        code = main(line.split())
    return code, told.getvalue(), said.getvalue()


def struck(line: str, folder: Path, point: tuple[str, int], number: signal.Signals) -> tuple[int, str]:
    """Send a signal to the whole process group of a command as soon as a point is reached; how it ends."""
    pattern, count = point
    with process(line, folder) as running:
        while running.poll() is None and sum(1 for _ in folder.glob(pattern)) < count:
            time.sleep(0.001)
        if running.poll() is None:
            os.killpg(running.pid, number)
        error = running.communicate()[1]
    return running.returncode, error


def visible(folder: Path) -> set[str]:
    """Files that a user sees; shards may be cut otherwise."""
    paths = {path.relative_to(folder) for path in folder.rglob("*")}
    return {str(path) for path in paths if "shards" not in path.parts and not any(p[0] == "." for p in path.parts)}


def prepared(command: Command, folder: Path) -> tuple[Path, Path]:
    """Two folders with the inputs of a command, in the first of which it has run."""
    whole, broken = folder / "whole", folder / "broken"
    whole.mkdir()
    command.inputs(whole)
    shutil.copytree(whole, broken)
    code, _, error = typed(command.line, whole)
    if code:
        raise RuntimeError(error)
    return whole, broken


def again(command: Command, whole: Path, broken: Path) -> tuple[list[str], int]:
    """Type a command once more; what differs from the whole run, and how much was lost of what had been kept."""
    kept = command.kept(broken)
    code, out, error = typed(command.line, broken)
    if code:
        return [error], 0
    found, expected = command.result(broken), command.result(whole)
    wrong = [name for name in expected if not np.array_equal(found[name], expected[name]) or found[name] is False]
    stray = sorted(visible(broken) ^ visible(whole))
    computed = json.loads(out)["computed"] if "--json" in command.line else 0
    return [*wrong, *stray], max(0, computed + kept - SIZE) if computed else 0


def kill_and_resume(name: str, folder: Path) -> Outcome:
    """Kill a command at some points of its progress, and let it end."""
    command, early, lost, kept = COMMANDS[name], 0, 0, []
    whole, broken = prepared(command, folder)
    for point in command.points[:POINTS]:
        code, _ = struck(command.line, broken, point, signal.SIGKILL)
        early += code == -signal.SIGKILL
        kept.append(command.kept(broken))
        lost += max(0, max(kept) - kept[-1])
    wrong, redone = again(command, whole, broken)
    good = not wrong and early == len(kept)
    return Outcome(good, lost + redone, f"{early} of {len(kept)} kills, kept {kept}; differs: {wrong or 'nothing'}")


def interrupt_and_resume(name: str, folder: Path) -> Outcome:
    """Press Ctrl-C once: it is said that the command resumes, and all of it that was seen is kept."""
    command = COMMANDS[name]
    whole, broken = prepared(command, folder)
    point = ("trained/training.jsonl", 1) if name == "train" else command.points[0]
    code, error = struck(command.line, broken, point, signal.SIGINT)
    kept, last = command.kept(broken), error.strip().splitlines()[-1]
    log = broken / "trained" / "training.jsonl"
    lost = len(read_log(log)) - kept if name == "train" else 0
    wrong, redone = again(command, whole, broken)
    said = code == 130 and last == RESUMES and "Traceback" not in error
    note = f"kept {kept}; differs: {wrong or 'nothing'}" if said else f"exit code {code}: {error[-400:]}"
    return Outcome(said and not wrong, lost + redone, note)


def out_of_quota(name: str, folder: Path) -> Outcome:
    """Files may not grow any further: that is said in one line; with more space the same command ends."""
    command = COMMANDS[name]
    whole, broken = prepared(command, folder)
    with limited(command.quota):
        code, _, error = here(command.line, broken)
    lines = [line for line in error.strip().splitlines() if line.startswith("genmech: ")]
    said = code == 2 and len(lines) == 1 and ("too large" in lines[0] or "free space" in lines[0])
    said = said and "Traceback" not in error
    kept = command.kept(broken)
    wrong, redone = again(command, whole, broken)
    note = f"kept {kept}; {lines[0]}; differs: {wrong or 'nothing'}" if said else f"exit code {code}: {error[-400:]}"
    return Outcome(said and not wrong, redone, note)


for name in COMMANDS:
    fault(f"kill -9 of genmech {name}")(partial(kill_and_resume, name))
    fault(f"Ctrl-C in genmech {name}")(partial(interrupt_and_resume, name))
    if "processes" not in name:
        fault(f"file size limit for genmech {name}")(partial(out_of_quota, name))
