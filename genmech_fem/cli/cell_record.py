"""What is told of verified cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genmech_fem.cli.cell_search import Task
from genmech_fem.cli.page import known
from genmech_fem.design import Candidates
from genmech_fem.design.diversity import Diversity
from genmech_fem.microstructure import volume_fraction


def told(task: Task, found: Mapping[str, Candidates]) -> tuple[dict[str, Any], np.ndarray]:
    """What is told of verified cells, and these (cells, nx, ny), the best first."""
    phases = np.concatenate([one.designs["phase"] for one in found.values()])
    novelty = task.novelty.measure({"phase": phases})
    rows = [row for by, one in found.items() for row in _rows(by, one)]
    small = novelty * np.nan if task.feature is None else task.feature.measure({"phase": phases})
    for row, new, share, phase in zip(rows, novelty, small, phases, strict=True):
        row |= {"volume_fraction": float(volume_fraction(phase[None])[0]), "novelty": float(new)}
        row |= {"too_small": known(share)}
    order = np.argsort([row["error"] for row in rows], kind="stable")
    record = {
        "cells": [rows[i] for i in order],
        "diversity": float(Diversity(name="phase").measure({"phase": phases})[0]),
        "failures": [reason for one in found.values() for reason in one.failures.values()],
        "nearest_training_error": float(task.objective.error(task.training).min()),
    }
    return record, phases[order]


def _rows(by: str, found: Candidates) -> list[dict[str, Any]]:
    """Tensors and relative errors of verified cells."""
    errors = {"error": found.values, "predicted_error": found.predicted_values, "finer_error": found.finer_values}
    return [
        {
            "by": by,
            **{name: known(values[i] ** 0.5) for name, values in errors.items()},
            "stiffness": found.verified["stiffness"][i].tolist(),
            "predicted_stiffness": found.predicted["stiffness"][i].tolist(),
        }
        for i in range(len(found.values))
    ]


def tensor_rows(record: Mapping[str, Any], target: Sequence[float]) -> list[list[Any]]:
    """Rows of the table of tensors: their name, entries and errors in percent."""
    best = record["cells"][0]
    rows: list[list[Any]] = [["target", *target, None]]
    for name, tensor, error in (
        ("predicted", best["predicted_stiffness"], best["predicted_error"]),
        ("verified", best["stiffness"], best["error"]),
        ("finer", record.get("finer"), best["finer_error"]),
    ):
        if tensor is not None:
            rows.append([name, *tensor, 100 * error])
    return rows
