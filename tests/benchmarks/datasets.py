"""Campaigns and stores: rates, overheads, kills, memory and storage, beside plain loops and other formats.

Run it with  uv run python tests/benchmarks/datasets.py [--quick]

Times are wall seconds where workers run side by side, CPU seconds of all processes otherwise. The start of the
processes is left out of rates and overheads and has rows of its own.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import reporting
import torch
from distributed import Client, LocalCluster
from formats import FORMATS
from peers.environment import PeerError
from peers.environment import run as run_peer

from genmech_fem.adapters import ConformingHomogenization, pixel_stiffness, tension
from genmech_fem.datasets import Campaign, Processes, Progress, Store, generate
from genmech_fem.datasets.dask import Dask
from genmech_fem.datasets.torch import StoredSamples, loader
from genmech_fem.fields import Arrays, FieldSpec, Grid, Spec
from genmech_fem.forward import LazyModel
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.surrogates import FieldSurrogate
from genmech_fem.training import Recipe, fit

type Row = dict[str, Any]

SIZE = 64
SOLVERS = {
    "elasticity": LazyModel(partial(tension, SIZE)),
    "homogenization": LazyModel(partial(pixel_stiffness, SIZE)),
}
IMAGES = (2000, 3, 128, 128)
BATCH = 32
MESHED = "a mesh for each sample"
WARM = 0.25  # share of the samples before rates are taken


def solves(what: str, size: int, seed: int) -> Campaign:
    """A campaign of 64^2 solves."""
    return Campaign(SOLVERS[what], PeriodicFibres(resolution=SIZE), size, seed)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a store."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "store"


def tree_cpu() -> float:
    """CPU seconds so far of this process and all its descendants that are alive."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(t.user + t.system for t in times)


class Clock:
    """Wall and CPU seconds a sample, once `WARM` of the samples are finished, and seconds until the first one."""

    def __init__(self, size: int) -> None:
        self.size, self.began, self.marks = size, time.perf_counter(), {}

    def __call__(self, progress: Progress) -> None:
        if progress.finished in (1, int(WARM * self.size), self.size):
            self.marks[progress.finished] = (time.perf_counter(), tree_cpu())

    @property
    def start(self) -> float:
        return self.marks[1][0] - self.began

    @property
    def each(self) -> tuple[float, float]:
        warm = int(WARM * self.size)
        (t0, c0), (t1, c1) = self.marks[warm], self.marks[self.size]
        return (t1 - t0) / (self.size - warm), (c1 - c0) / (self.size - warm)


def plain_loop(what: str, size: int, seed: int) -> Clock:
    """Draw and solve, store nothing."""
    campaign, clock = solves(what, size, seed), Clock(size)
    for i in range(size):
        campaign.sample(i)
        clock(Progress(i + 1, size, 0, i + 1))
    return clock


def by_engine(what: str, size: int, seed: int, engine: Any) -> Clock:
    """The campaign on an engine."""
    with scratch() as path:
        clock = Clock(size)
        generate(solves(what, size, seed), path, engine=engine, progress=clock)
        return clock


def rate_of_loop(what: str, size: int, seed: int) -> float:
    """Samples a second of a plain loop."""
    return 1 / plain_loop(what, size, seed).each[0]


def loops(number: int, what: str, size: int, seed: int) -> float:
    """Samples a second of plain loops in fresh processes; two share caches and memory."""
    seeds = [seed + 1000 * k for k in range(number)]
    with ProcessPoolExecutor(number, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(partial(rate_of_loop, what, size // number), seeds))


def speedups(size: int, rounds: list[int]) -> Iterator[Row]:
    """Two processes against a plain loop, by turns: what else runs on a machine slows each down now and then."""
    for what in SOLVERS:
        for seed in rounds:
            two = by_engine(what, size, seed, Processes(2))
            rates = {
                "plain loop": loops(1, what, size, seed),
                "2 processes": 1 / two.each[0],
                "two plain loops": loops(2, what, size, seed),
            }
            for name, rate in rates.items():
                yield {"what": f"64^2 {what}, {name} [samples/s]", "seed": seed, "value": rate}
            gain = rates["2 processes"] / rates["plain loop"]
            yield {"what": f"64^2 {what}, speed-up", "seed": seed, "value": gain}
            yield {"what": f"64^2 {what}, seconds to the first of 2 processes", "seed": seed, "value": two.start}


@dataclass(frozen=True)
class Free:
    """Arrays of a 64^2 elasticity sample that cost nothing."""

    inputs: tuple[FieldSpec, ...]
    outputs: tuple[Spec, ...]

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        mean = inputs["phase"].mean()
        return {spec.name: np.full((1, *spec.shape), mean) for spec in self.outputs}


def random_phase(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """A phase field that costs next to nothing."""
    return {"phase": generator.random((1, SIZE, SIZE))}


def overheads(size: int, seeds: list[int]) -> Iterator[Row]:
    """CPU time of engine and store a sample, with samples that have the arrays of a solve and cost nothing."""
    solver = SOLVERS["elasticity"]
    solve = median(1 / loops(1, "elasticity", 100, seed) for seed in seeds)
    yield {"what": "64^2 elasticity, one solve [ms]", "value": 1e3 * solve}

    def cost(seed: int, engine: Any) -> float:
        with scratch() as path:
            clock = Clock(size)
            generate(
                Campaign(Free(solver.inputs, solver.outputs), random_phase, size, seed),
                path,
                engine=engine,
                progress=clock,
            )
            return clock.each[1]

    def executor(seed: int) -> float:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return cost(seed, pool)

    def dask(seed: int, *, shared: bool) -> float:
        with (
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            return cost(seed, Dask(client, batch=40, shared=shared))  # a second of solves, as it would choose

    engines: dict[str, Callable[[int], float]] = {
        "serial": lambda seed: cost(seed, None),
        "processes": lambda seed: cost(seed, Processes(1)),
        "dask": partial(dask, shared=True),
        "dask, arrays through the network": partial(dask, shared=False),
        "concurrent.futures (no guard)": executor,
    }
    for seed in seeds:
        costs = {name: run(seed) for name, run in engines.items()}
        for name, each in costs.items():
            yield {"what": f"{name}: CPU of engine and store [ms a sample]", "seed": seed, "value": 1e3 * each}
            yield {"what": f"{name}: engine and store, share of a solve", "seed": seed, "value": each / solve}
            if name != "serial":
                alone = (each - costs["serial"]) / solve
                yield {"what": f"{name}: engine alone, share of a solve", "seed": seed, "value": alone}


def kills(count: int) -> Iterator[Row]:
    """kill -9 at random moments; what had been reported as finished and is missing."""
    code = """
import sys
from datasets import solves
from genmech_fem.datasets import generate
generate(solves("elasticity", 10**6, 0), sys.argv[1], engine=2, progress=lambda p: print(p.finished, flush=True))
"""
    generator = np.random.default_rng(0)
    with scratch() as path:
        for number in range(count):
            command = [sys.executable, "-c", code, path]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as child:
                assert child.stdout is not None
                first = int(child.stdout.readline())
                timer = time.perf_counter() + generator.uniform(3, 8)
                reported = first
                for line in child.stdout:
                    reported = int(line)
                    if time.perf_counter() > timer:
                        child.send_signal(signal.SIGKILL)
            found = len(Store.open(path).numbers())
            yield {"what": "finished before kill -9", "run": number, "value": reported}
            yield {"what": "missing after kill -9", "run": number, "value": max(0, reported - found)}


def resident(name: str, size: int) -> tuple[float, float]:
    """Resident memory [MB] of a serial campaign in its second and in its last tenth, in a fresh process."""
    sampler = PeriodicFibres(resolution=16)
    model = ConformingHomogenization(16, refine=1) if name == MESHED else pixel_stiffness(16)
    used: list[float] = []
    with scratch() as path:
        campaign = Campaign(model, sampler, size)
        generate(campaign, path, progress=lambda _: used.append(psutil.Process().memory_info().rss / 1e6))
    tenth = size // 10
    return median(used[tenth : 2 * tenth]), median(used[-tenth:])


def memory(size: int) -> Iterator[Row]:
    """Whether the memory of a campaign grows."""
    for name in (MESHED, "one mesh"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            early, late = pool.submit(resident, name, size).result()
        yield {"what": f"{name}: memory after {size // 10} to {size // 5} samples [MB]", "value": early}
        yield {"what": f"{name}: growth until {size} samples [MB]", "value": late - early}


def storage(shape: tuple[int, ...]) -> Iterator[Row]:
    """CPU seconds to write a set and to read it once in shuffled batches, format by format."""
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    order = np.random.default_rng(1).permutation(len(values))
    for name, (write, read) in FORMATS.items():
        with scratch() as path:
            began = time.process_time()
            write(path, values)
            yield {"what": f"{name}: write [CPU s]", "value": time.process_time() - began}
            began = time.process_time()
            get = read(path)
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                if not np.array_equal(get(rows)[0], values[rows[0]]):
                    raise RuntimeError(f"{name}: the data differ")
            yield {"what": f"{name}: shuffled read [CPU s]", "value": time.process_time() - began}
    try:
        task = {"shape": np.array(shape), "batch": np.array(BATCH), "order": order}
        found = run_peer("zarr", "zarr_store.py", task, limit=300)
        yield {"what": "zarr, shards: write [CPU s]", "value": found["write"]}
        yield {"what": "zarr, shards: shuffled read [CPU s]", "value": found["read"]}
    except PeerError as error:
        yield {"what": "zarr, shards", "value": f"not measured: {error}"}


def loading(samples: int) -> Iterator[Row]:
    """Samples a second that the loader delivers, and that training a small U-Net takes."""
    torch.set_num_threads(1)
    with scratch() as path:
        store = Store.create(path, (FieldSpec("x", Grid((SIZE, SIZE), (0, 0), (1, 1)), (4,)),), {})
        for start in range(0, samples, 256):
            values = np.random.default_rng(start).standard_normal((256, 4, SIZE, SIZE))
            store.write(range(start, start + 256), {"x": values})
        dataset = StoredSamples(store)
        began = time.perf_counter()
        seen = sum(len(batch["x"]) for batch in loader(dataset, BATCH))
        yield {"what": "loader, 4 x 64^2 [samples/s]", "value": seen / (time.perf_counter() - began)}
        batch = dataset[range(BATCH)]["x"]
        data = {"x": batch[:, :1], "vector": batch[:, 0, 0, :6], "field": batch[:, 1:]}
        network = FieldSurrogate(1, 6, 3, widths=(16, 32), hidden=32)
        steps = 12
        marks = [p.seconds for p in fit(network, data, Recipe(steps=steps, batch_size=BATCH))]
        rate = BATCH * (steps - 2) / (marks[-1] - marks[1])
        yield {"what": "training a small U-Net on it [samples/s]", "value": rate}


def value(rows: list[Row], what: str, statistic: Callable[[list[float]], float] = median) -> float:
    """Statistic of the rows named `what`."""
    return statistic([row["value"] for row in rows if row["what"] == what])


def main() -> None:
    """Measure everything and write the results."""
    args = reporting.arguments(__doc__ or "")
    seeds = [0] if args.quick else [0, 1, 2]
    size, many = (40, 200) if args.quick else (160, 5000)
    images = (200, *IMAGES[1:]) if args.quick else IMAGES
    rows: list[Row] = []
    parts = (
        speedups(size, [0] if args.quick else 2 * list(range(7))),
        overheads(200 if args.quick else 600, seeds),
        kills(2 if args.quick else 5),
        memory(many),
        storage(images),
        loading(512 if args.quick else 2048),
    )
    for part in parts:
        for row in part:
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    speed = {what: value(rows, f"64^2 {what}, speed-up") for what in SOLVERS}
    best = {
        what: value(rows, f"64^2 {what}, 2 processes [samples/s]", max)
        / value(rows, f"64^2 {what}, plain loop [samples/s]", max)
        for what in SOLVERS
    }
    growth = [row["value"] for row in rows if "growth until" in row["what"]]
    figures = {
        "speedup_2_processes": min(speed.values()),
        **{f"speedup_2_processes_{what}": ratio for what, ratio in speed.items()},
        **{f"ratio_of_best_rates_{what}": ratio for what, ratio in best.items()},
        "process_overhead": value(rows, "processes: engine alone, share of a solve"),
        "dask_overhead": value(rows, "dask: engine alone, share of a solve"),
        "store_overhead": value(rows, "serial: engine and store, share of a solve"),
        "lost_after_kill": value(rows, "missing after kill -9", sum),
        "finished_before_kill": value(rows, "finished before kill -9", max),
        "memory_growth_mb": max(growth),
        "loader_over_training": value(rows, "loader, 4 x 64^2 [samples/s]")
        / value(rows, "training a small U-Net on it [samples/s]"),
    }
    reporting.write("datasets", figures, rows, seeds, quick=args.quick)


if __name__ == "__main__":
    main()
