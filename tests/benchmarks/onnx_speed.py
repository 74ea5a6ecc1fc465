"""ONNX Runtime beside torch: speed of every network, memory of an opened file, seconds of the import.

Run it alone with  uv run python tests/benchmarks/onnx_speed.py [--quick]

Weights are random: what is measured does not depend on them. Both sides have one thread and take turns. Torch gets
float32 tensors that are ready, `OnnxModel` is called as users call it: its checks and copies count.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import reporting
import torch
from torch import nn

from genmech_fem.export import to_onnx
from genmech_fem.export.activations import activations
from genmech_fem.fields import Arrays, FieldSpec, Grid, Points, ScalarSpec, Spec
from genmech_fem.generative import VAE, FlowMatching
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import GridSurrogate, Perceptron, PointSurrogate, PropertySurrogate, TorchModel

type Row = dict[str, Any]

BATCHES = (1, 16)
SHORTEST = 0.02  # seconds of one turn at least
HOME = str(Path(__file__).parents[2])


class _Of(nn.Module):
    """A function of a model and tensors."""

    def __init__(self, model: nn.Module, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.function(self.model, *tensors)


def field(name: str, channels: int, *grid: int) -> FieldSpec:
    """A field on nodes of the unit square or cube, so that surrogates find it on their own points."""
    place = Grid(grid, (0.0,) * len(grid), (1.0,) * len(grid), "nodes")
    return FieldSpec(name, place, (channels,) if channels > 1 else ())


def on_grid(channels: int, *grid: int, network: str, settings: dict[str, Any], **options: Any) -> TorchModel:
    """A `GridSurrogate` of a scalar field."""
    model = GridSurrogate(1, (channels, *grid), network=network, settings=settings, **options)
    return prepared(model, (field("x", 1, *grid),), field("y", channels, *grid))


def properties(size: int, *grid: int, **options: Any) -> TorchModel:
    """A `PropertySurrogate` of a scalar field."""
    return prepared(PropertySurrogate((1, *grid), size, **options), (field("x", 1, *grid),), ScalarSpec("y", size))


def prepared(model: Any, inputs: tuple[Spec, ...], output: Spec) -> TorchModel:
    """A model that has seen random numbers."""
    model.prepare({spec.name: torch.rand(8, *spec.channel_shape) for spec in (*inputs, output)})
    return TorchModel(model, inputs, (output,))


def graph(side: int = 20) -> TorchModel:
    """A graph network on the nodes of a triangulated square, whose edges are part of the network."""
    number = np.arange(side * side).reshape(side, side)
    pairs = [(number[1:], number[:-1]), (number[:, 1:], number[:, :-1]), (number[1:, 1:], number[:-1, :-1])]
    one = np.stack([np.concatenate([part[k].ravel() for part in pairs]) for k in (0, 1)])
    edges = torch.tensor(np.concatenate([one, one[::-1]], axis=1))
    model = PointSurrogate(1, 1, network="graph")
    places = Points(2, side * side)
    inputs = FieldSpec("x", places), FieldSpec("points", places, (2,))
    data = {"x": torch.rand(8, 1, side**2), "points": torch.rand(8, 2, side**2), "mask": torch.ones(8, side**2)}
    model.prepare(data | {"y": data["x"]})
    joined = _Of(model, lambda m, x, points: m(x, points, edges.expand(x.shape[0], -1, -1)))
    return TorchModel(joined, inputs, (FieldSpec("y", places),))


def decoder() -> TorchModel:
    """The decoder of a variational autoencoder of images of 32^2."""
    model = VAE((1, 32, 32), 16)
    model.prepare({"x": torch.rand(8, 1, 32, 32)})
    return TorchModel(_Of(model, lambda m, z: m.decode(z)), (ScalarSpec("z", 16),), (field("x", 1, 32, 32),))


def velocity() -> TorchModel:
    """One call of the velocity of a flow of images of 32^2."""
    model = FlowMatching((1, 32, 32))
    model.prepare({"x": torch.rand(8, 1, 32, 32)})
    joined = _Of(model, lambda m, x, t: m.velocity(x, t[:, 0]))
    return TorchModel(joined, (field("x", 1, 32, 32), ScalarSpec("t")), (field("velocity", 1, 32, 32),))


ZEROS = {"channels": (32, 64, 96, 128), "patch": 2, "padding_mode": "zeros"}
NETWORKS: dict[str, Callable[[], TorchModel]] = {
    "U-Net, periodic 64^2": lambda: on_grid(9, 64, 64, network="unet", settings={"patch": 2}),
    "U-Net, zeros 85^2": lambda: on_grid(1, 85, 85, network="unet", settings=ZEROS, coordinates=True),
    "U-Net, periodic 16^3": lambda: on_grid(1, 16, 16, 16, network="unet", settings={"channels": (16, 32)}),
    "Fourier layers 64^2": lambda: on_grid(1, 64, 64, network="fourier", settings={"modes": 12}),
    "vision transformer 64^2": lambda: on_grid(1, 64, 64, network="vision_transformer", settings={}),
    "slice attention 32^2": lambda: on_grid(1, 32, 32, network="point_transformer", settings={}),
    "low-rank attention 32^2": lambda: on_grid(
        1, 32, 32, network="point_transformer", settings={"attention": "low_rank"}
    ),
    "graph of 400 nodes": graph,
    "properties 32^2, plain": lambda: properties(6, 32, 32),
    "properties 32^2, positive": lambda: properties(6, 32, 32, head="positive"),
    "properties 16^3, positive": lambda: properties(21, 16, 16, 16, head="positive", patch=2),
    "perceptron": lambda: prepared(Perceptron(3, (1, 20, 20)), (ScalarSpec("x", 3),), field("y", 1, 20, 20)),
    "VAE decoder 32^2": decoder,
    "flow velocity 32^2": velocity,
}
LARGE = {"channels": (128, 256, 512), "patch": 4}
OPENED: dict[str, tuple[Callable[[], TorchModel], int]] = {
    "U-Net of 38 MB, batch 1": (lambda: on_grid(1, 32, 32, network="unet", settings=LARGE), 1),
    "U-Net 64^2 of 2 MB, batch 16": (lambda: on_grid(1, 64, 64, network="unet", settings={}), 16),
}
"""What is opened for the memory, and the batch that it is given."""


def written(make: Callable[[], TorchModel], seed: int, path: Path) -> tuple[TorchModel, dict[str, np.ndarray]]:
    """Export a network of random weights; it and random inputs for the largest batch."""
    torch.manual_seed(seed)
    model = make()
    model.function.eval()
    for parameter in model.function.parameters():  # blocks begin as the identity
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    draw = np.random.default_rng(seed)
    inputs = {spec.name: draw.random((max(BATCHES), *spec.shape)) for spec in model.inputs}
    to_onnx(model, path, inputs, tolerance=1e-4)
    return model, inputs


def speed(name: str, seed: int, turns: int = 9) -> Iterator[Row]:
    """CPU and wall time of torch over that of ONNX Runtime."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        model, inputs = written(NETWORKS[name], seed, path)
        session = OnnxModel(path)
    for batch in BATCHES:
        eager, runtime = _timed(model, session, {key: array[:batch] for key, array in inputs.items()}, turns)
        for label, k in (("ratio", 0), ("ratio of wall time", 1)):
            found = median(a[k] / b[k] for a, b in zip(eager, runtime, strict=True))
            yield {"what": f"ONNX against torch, {name}: {label} at batch {batch}", "seed": seed, "value": found}
        for label, side in (("torch", eager), ("ONNX Runtime", runtime)):
            found = 1e3 * median(turn[0] for turn in side)
            what = f"ONNX against torch, {name}: {label} at batch {batch} [CPU ms]"
            yield {"what": what, "seed": seed, "value": found}


def _timed(model: TorchModel, session: OnnxModel, arrays: Arrays, turns: int) -> list[list[tuple[float, float]]]:
    """CPU and wall seconds of torch and of ONNX Runtime in each turn."""
    tensors = [torch.tensor(arrays[s.name], dtype=torch.float32).reshape(-1, *s.channel_shape) for s in model.inputs]
    with torch.no_grad():
        return alternating([lambda: model.function(*tensors), lambda: session(arrays)], turns)


def alternating(calls: Sequence[Callable[[], Any]], turns: int) -> list[list[tuple[float, float]]]:
    """CPU and wall seconds of one call, for each of the calls and in each turn."""
    counts = []
    for call in calls:
        call()
        began = time.perf_counter()
        call()
        counts.append(max(1, round(SHORTEST / (time.perf_counter() - began))))
    times: list[list[tuple[float, float]]] = [[] for _ in calls]
    for _ in range(turns):
        for call, count, found in zip(calls, counts, times, strict=True):
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(count):
                call()
            found.append(((time.process_time() - cpu) / count, (time.perf_counter() - wall) / count))
    return times


OPEN = """
import json, sys
import numpy as np
from genmech_fem.runtime import OnnxModel
path, batch = sys.argv[1], int(sys.argv[2])
model = OnnxModel(path)
draw = np.random.default_rng(0)
inputs = {spec.name: draw.random((batch, *spec.shape)) for spec in model.inputs}
for _ in range(3):
    model(inputs)
lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([1024 * int(lines[key].split()[0]) for key in ("RssAnon", "VmHWM")]))
"""


def memory(name: str, seed: int) -> Iterator[Row]:
    """Memory that a file and one batch take, over the size of the file and its activations.

    Taken in fresh processes after three calls, less what the same takes for a perceptron of one number: "resident"
    without the code of libraries, and "peak" with it. Activations are the largest sum of tensors that live at one time
    when the nodes of the file run in their order, with the arrays that come and go (float64).
    """
    make, batch = OPENED[name]
    with TemporaryDirectory() as folder:
        path, tiny = Path(folder) / "network.onnx", Path(folder) / "tiny.onnx"
        written(make, seed, path)
        written(lambda: prepared(Perceptron(1, (1,), hidden=(1,)), (ScalarSpec("x"),), ScalarSpec("y")), seed, tiny)
        expected = path.stat().st_size + in_use(path, batch)
        for label, k in (("resident", 0), ("peak", 1)):
            found = median(_opened(path, batch)[k] - _opened(tiny, batch)[k] for _ in range(3))
            what = f"memory, {name}: {label} over file and activations"
            yield {"what": what, "seed": seed, "value": found / expected}
        yield {"what": f"memory, {name}: file and activations [MB]", "seed": seed, "value": expected / 1e6}


def _opened(path: Path, batch: int) -> list[int]:
    command = [sys.executable, "-c", OPEN, str(path), str(batch)]
    return json.loads(subprocess.run(command, cwd=HOME, check=True, capture_output=True, text=True).stdout)


def in_use(path: Path, batch: int) -> int:
    """Bytes of the tensors that live at the same time, at most, and of inputs and outputs as float64."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {value.name: np.full((batch, *value.shape[1:]), 0.5, np.float32) for value in session.get_inputs()}
    ends = [*feeds.values(), *session.run(None, feeds)]
    return activations(onnx.load(path), feeds) + sum(2 * array.nbytes for array in ends)


def imports(seed: int, turns: int = 7) -> Iterator[Row]:
    """Seconds that importing the runtime takes beyond ONNX Runtime and numpy, in fresh processes that take turns."""
    names = ("import onnxruntime", "import genmech_fem.runtime")
    calls = [lambda name=name: subprocess.run([sys.executable, "-c", name], cwd=HOME, check=True) for name in names]
    alone, ours = ([wall for _, wall in side] for side in alternating(calls, turns))
    for label, found in zip(names, (alone, ours), strict=True):
        yield {"what": f"seconds of {label}", "seed": seed, "value": median(found)}
    beyond = median(b - a for a, b in zip(alone, ours, strict=True))
    yield {"what": "seconds of the import over those of onnxruntime", "seed": seed, "value": beyond}


def jobs(seeds: Sequence[int], turns: int = 9) -> list[tuple[Any, ...]]:
    """All of this file, for `reporting.run`."""
    return [
        *((speed, name, seed, turns) for name in NETWORKS for seed in seeds),
        *((memory, name, seed) for name in OPENED for seed in seeds),
        (imports, seeds[0], turns),
    ]


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """What the goals are about, from the rows."""
    ratios = [row["value"] for row in rows if ": ratio at batch" in row["what"]]
    taken = [row["value"] for row in rows if "resident over file" in row["what"]]
    beyond = [row["value"] for row in rows if row["what"].startswith("seconds of the import over")]
    return {
        "ort_over_torch_median": median(ratios),
        "ort_over_torch_min": min(ratios),
        "memory_over_file_and_activations": max(taken),
        "runtime_import_seconds_over_ort": median(beyond),
    }


def main() -> None:
    """Run it alone and print the rows."""
    args = reporting.arguments(__doc__ or "")
    torch.set_num_threads(1)
    rows = []
    for function, *arguments in jobs((0,), 3 if args.quick else 9):
        for row in function(*arguments):
            rows.append(row)
            print(f"{row['what']:90s}{row['value']:10.3f}", flush=True)
    print(json.dumps(figures(rows), indent=1))


if __name__ == "__main__":
    main()
