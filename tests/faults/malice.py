"""Files that somebody has made to do harm."""

import os
import pickle
from functools import partial
from pathlib import Path

import jobs
import numpy as np
import onnx
from faults import Outcome, all_of, fault, refused
from onnx import TensorProto

from genmech_fem.cli import main
from genmech_fem.geometry import read
from genmech_fem.training import load_model, load_weights


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def exported(folder: Path) -> onnx.ModelProto:
    """A good file."""
    jobs.exported(folder)
    return onnx.load(folder / "model.onnx")


def opened(folder: Path, model: onnx.ModelProto) -> Outcome:
    """Whether a changed file is refused."""
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return refused(partial(jobs.result, "export", folder), "model.onnx", "refused")


@fault("ONNX file that reads another file")
def external(folder: Path) -> Outcome:
    """External data, by name and by a path that leads upwards."""
    found = {}
    for place in ("/etc/passwd", "../secret", "secret"):
        model = exported(folder)
        (folder / "secret").write_bytes(bytes(4096))
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)
        found[place] = opened(folder, model)
    return all_of(found)


@fault("ONNX file with huge dimensions")
def huge(folder: Path) -> Outcome:
    """A tensor of an exabyte."""
    model = exported(folder)
    model.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**30, 2**30]))
    return opened(folder, model)


@fault("ONNX file that runs for ever")
def endless(folder: Path) -> Outcome:
    """A loop without an end."""
    model = exported(folder)
    body = onnx.helper.make_graph([], "body", [], [])
    model.graph.node.append(onnx.helper.make_node("Loop", [], [], body=body))
    return opened(folder, model)


@fault("pickles in place of every kind of file")
def pickles(folder: Path) -> Outcome:
    """No reader unpickles: not weights, models, checkpoints, data sets, meshes, images or ONNX files."""
    mark, bomb = folder / "mark", folder / "bomb"
    bomb.write_bytes(pickle.dumps(Bomb(mark)))
    np.save(folder / "bomb.npy", np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    jobs.generate(jobs.replace_size(2), folder / "store")
    shard = next((folder / "store" / "shards").glob("*.safetensors"))
    shard.write_bytes(bomb.read_bytes())
    for name in ("checkpoint.safetensors", "model.onnx", "bomb.msh", "bomb.vtu"):
        (folder / name).write_bytes(bomb.read_bytes())
    calls = {
        "weights": lambda: load_weights(bomb),
        "model": lambda: load_model(bomb),
        "checkpoint": lambda: jobs.training(folder),
        "shard": lambda: jobs.result("campaign", folder / "store"),
        "mesh": lambda: read(folder / "bomb.msh"),
        "mesh of VTK": lambda: read(folder / "bomb.vtu"),
        "ONNX": lambda: jobs.result("export", folder),
    }
    found = {name: refused(call, "") for name, call in calls.items()}
    code = main(["mesh", str(folder / "bomb.npy"), str(folder / "out.msh")])
    found["image"] = Outcome(code == 2, note=f"exit code {code}")
    found["nothing ran"] = Outcome(not mark.exists())
    return all_of(found)
