"""File readers on thousands of damaged files: every one is read, or refused in one line."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import jobs
import numpy as np
from faults import Outcome, fault
from PIL import Image

from genmech_fem.errors import GenmechError
from genmech_fem.fields import from_json
from genmech_fem.geometry import conforming_mesh, read, read_image, write
from genmech_fem.training import load_weights

INPUTS = 600
SUFFIXES = (".msh", ".vtu", ".xdmf", ".vtk")


def seeds(folder: Path) -> dict[Path, Callable[[Path], object]]:
    """A whole file for each reader."""
    jobs.exported(folder)
    for _ in jobs.fit(
        jobs.network(), jobs.PARABOLA, jobs.Recipe(steps=1), checkpoint=folder / "checkpoint.safetensors"
    ):
        pass
    jobs.generate(jobs.replace_size(2), folder / "store")
    Image.fromarray((np.random.default_rng(0).random((9, 9)) * 255).astype(np.uint8)).save(folder / "image.png")
    np.save(folder / "image.npy", np.eye(9))
    (folder / "spec.json").write_text((folder / "store" / "manifest.json").read_text())
    for suffix in SUFFIXES:
        write(conforming_mesh(np.pad(np.ones((6, 6)), 3)), folder / f"mesh{suffix}")
    return {
        folder / "model.onnx": jobs.OnnxModel,
        folder / "checkpoint.safetensors": load_weights,
        next((folder / "store" / "shards").glob("*.safetensors")): lambda file: jobs.Store.open(
            folder / "store"
        ).read(),
        folder / "store" / "manifest.json": lambda file: jobs.Store.open(folder / "store").read(),
        folder / "spec.json": lambda file: [from_json(spec) for spec in json.loads(file.read_bytes())["specs"]],
        folder / "image.png": read_image,
        folder / "image.npy": read_image,
        **{folder / f"mesh{suffix}": read for suffix in SUFFIXES},
    }


def mutants(whole: bytes, generator: np.random.Generator) -> Iterator[bytes]:
    """Copies of a file: cut, with changed bytes, with a piece left out or put in twice, with digits changed."""
    while True:
        data, a, b = bytearray(whole), *sorted(generator.integers(0, len(whole) + 1, 2))
        kind = generator.integers(5)
        if kind == 0:
            data = data[:a]
        elif kind == 1:
            for place in generator.integers(0, len(data), 1 + generator.integers(8)):
                data[place] = generator.integers(256)
        elif kind == 2:
            data = data[:a] + data[b:]
        elif kind == 3:
            data = data[:b] + data[a:]
        else:
            digits = [i for i in generator.integers(0, len(data), 64) if chr(data[i]).isdigit()]
            for place in digits:
                data[place] = generator.integers(48, 58)
        yield bytes(data)


@fault("damaged files for every reader (fuzzing)")
def fuzz(folder: Path, inputs: int = 0) -> Outcome:
    """INPUTS mutants, shared among the readers."""
    readers, generator, said = seeds(folder), np.random.default_rng(0), Counter[str]()
    for file, reader in readers.items():
        whole = file.read_bytes()
        for _, data in zip(range((inputs or INPUTS) // len(readers)), mutants(whole, generator), strict=False):
            file.write_bytes(data)
            said[verdict(file, reader)] += 1
        file.write_bytes(whole)
    bad = {name: count for name, count in said.items() if name not in {"read", "refused"}}
    return Outcome(not bad, note=str(bad or dict(said)))


def verdict(file: Path, reader: Callable[[Path], object]) -> str:
    """How reading ends."""
    try:
        reader(file)
    except (GenmechError, ValueError, OSError) as error:
        return "refused" if str(error).strip() else f"{file.name}: without a word"
    except BaseException as error:
        return f"{file.name}: {type(error).__name__}: {error}"[:160]
    return "read"
