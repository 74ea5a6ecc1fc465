"""Files of the project's own that were flipped, cut, emptied or replaced by others."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jobs
import numpy as np
from faults import Outcome, all_of, fault, refused

from genmech_fem.geometry import conforming_mesh, read, write

IMAGE = np.pad(np.ones((8, 8)), 4)


def flipped(data: bytes) -> bytes:
    """One bit, three quarters into the file."""
    changed = bytearray(data)
    changed[3 * len(data) // 4] ^= 1
    return bytes(changed)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "flipped": flipped,
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)),
}


def each(file: Path, call: Callable[[], object], kinds: tuple[str, ...] = tuple(DAMAGE)) -> Outcome:
    """Damage a file in each way; reading it must name it and say what to do."""
    whole, found = file.read_bytes(), {}
    for kind in kinds:
        file.write_bytes(DAMAGE[kind](whole))
        found[kind] = refused(call, file.name)
    file.write_bytes(whole)
    return all_of(found)


@fault("corrupted shard of a data set")
def shard(folder: Path) -> Outcome:
    """A damaged shard is named; the campaign makes its samples again, bit for bit."""
    campaign = jobs.replace_size(12)
    jobs.generate(campaign, folder)
    before = jobs.result("campaign", folder)
    file = next((folder / "shards").glob("*.safetensors"))
    named = each(file, lambda: jobs.result("campaign", folder))
    file.write_bytes(DAMAGE["flipped"](file.read_bytes()))
    jobs.generate(campaign, folder, redo=["damaged"])
    after = jobs.result("campaign", folder)
    same = all(np.array_equal(before[name], after[name]) for name in before)
    return all_of({"named": named, "made again": Outcome(same)})


@fault("corrupted manifest of a data set")
def manifest(folder: Path) -> Outcome:
    """It is named."""
    jobs.generate(jobs.replace_size(3), folder)
    return each(folder / "manifest.json", lambda: jobs.Store.open(folder).read(), ("cut", "empty", "noise"))


@fault("corrupted checkpoint")
def checkpoint(folder: Path) -> Outcome:
    """It is named, and not trained on; a flipped bit of a weight has no checksum that would tell."""
    jobs.training(folder)
    return each(folder / "checkpoint.safetensors", partial(jobs.training, folder), ("cut", "empty", "noise"))


@fault("checkpoint of another run")
def foreign_checkpoint(folder: Path) -> Outcome:
    """It is refused."""
    jobs.training(folder)
    recipe = jobs.Recipe(steps=jobs.STEPS + 1)
    trained = jobs.fit(jobs.network(), jobs.PARABOLA, recipe, checkpoint=folder / "checkpoint.safetensors")
    return refused(lambda: list(trained), "checkpoint.safetensors", "same run")


@fault("corrupted ONNX file")
def onnx_file(folder: Path) -> Outcome:
    """It is named, or a flipped weight is found by the passport's hash where one is asked for."""
    jobs.exported(folder)
    return each(folder / "model.onnx", lambda: jobs.result("export", folder), ("cut", "empty", "noise"))


@fault("corrupted mesh file")
def mesh(folder: Path) -> Outcome:
    """It is named in every format."""
    found = {}
    for suffix in (".msh", ".vtu", ".xdmf", ".vtk"):
        file = folder / f"mesh{suffix}"
        write(conforming_mesh(IMAGE), file)
        found[suffix] = each(file, partial(read, file), ("cut", "empty", "noise"))
    return all_of(found)


@fault("corrupted journal of a design loop")
def journal(folder: Path) -> Outcome:
    """The last answers are evaluated again; the design is the same."""
    whole, broken = folder / "whole", folder / "broken"
    jobs.design(whole)
    shutil.copytree(whole, broken)
    last = sorted(broken.iterdir())[-1]
    last.write_bytes(DAMAGE["cut"](last.read_bytes()))
    jobs.design(broken)
    before, after = jobs.result("design", whole), jobs.result("design", broken)
    return Outcome(before.keys() == after.keys() and all(np.array_equal(before[k], after[k]) for k in before))
