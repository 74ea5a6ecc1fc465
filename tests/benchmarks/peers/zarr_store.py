"""Zarr in sharded chunks: writes samples one by one, reads them in shuffled batches; CPU seconds of both."""

import json
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import zarr


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(task: str, result: str) -> None:
    """Do what the file `task` says and write the figures to `result`."""
    given = np.load(task)
    shape, batch, order = tuple(given["shape"].tolist()), int(given["batch"]), given["order"]
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        chunks, shards = (1, *shape[1:]), (64, *shape[1:])
        began = cpu()
        array = zarr.create_array(f"{folder}/a.zarr", shape=shape, chunks=chunks, shards=shards, dtype="float32")
        for start in range(0, shape[0], 64):
            array[start : start + 64] = values[start : start + 64]
        written = cpu() - began
        array, began = zarr.open_array(f"{folder}/a.zarr", mode="r"), cpu()
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            np.testing.assert_array_equal(array.oindex[rows][0], values[rows[0]])
        Path(result).write_text(json.dumps({"write": written, "read": cpu() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
