"""Where ``genmech design cell`` gets its networks, solvers and training cells from, and what keeps its solves."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from genmech_fem.adapters import ConformingHomogenization, Material
from genmech_fem.cli.demo_settings import NETWORKS, Settings
from genmech_fem.datasets import Recorder, Store, split
from genmech_fem.errors import DatasetError
from genmech_fem.fields import Arrays, check, take
from genmech_fem.forward import ForwardModel
from genmech_fem.metrics import check_feasible, isotropic_stiffness
from genmech_fem.runtime import FlowSampler, OnnxModel

MESH_ERROR = 0.005  # by which share a target that was once computed may exceed the bounds


class Source:
    """The folder of a demo run, which is only read.

    Raises:
        DatasetError: It is none, or lacks a file.
        ContractError: A network's file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        needed = ["run.json", "data", *(f"onnx/{name}.onnx" for name in NETWORKS)]
        missing = [name for name in needed if not (folder / name).exists()]
        if missing:
            raise DatasetError(
                f"{folder}: expected the folder of a genmech demo run, found no {', '.join(missing)}: "
                f"let  genmech demo --out {folder}  finish"
            )
        self.flow, self.surrogate = FlowSampler.open(self.file("generator")), OnnxModel(self.file("surrogate"))
        try:
            self.settings = Settings(**json.loads((folder / "run.json").read_text())["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{folder / 'run.json'}: expected the record of a genmech demo run, got another"
            ) from error

    def file(self, name: str) -> Path:
        """The ONNX file of a network."""
        return self.folder / "onnx" / f"{name}.onnx"

    def solver(self, refine: int) -> ConformingHomogenization:
        """The solver of the run on meshes of `refine` cells a pixel."""
        s = self.settings
        return ConformingHomogenization(s.resolution, Material(*s.matrix), Material(*s.inclusion), refine)

    def training(self) -> dict[str, np.ndarray]:
        """Phases and stiffnesses that the networks were trained on."""
        arrays = Store.open(self.folder / "data").read(names=["phase", "stiffness"])[1]
        return take(arrays, split(len(arrays["phase"]), (self.settings.held_out,), seed=self.settings.seed)[0])

    def check(self, target: Sequence[float]) -> tuple[float, float]:
        """The volume fractions of the stiff phase at which no bound forbids the target.

        Raises:
            ContractError: There are none.
        """
        s = self.settings
        phases = sorted((isotropic_stiffness(*phase) for phase in (s.matrix, s.inclusion)), key=np.trace)
        return check_feasible(np.array(target), phases[0], phases[1], tolerance=MESH_ERROR)


class Kept:
    """A solver of single cells whose answers are kept, so that none is solved twice.

    Args:
        solver: From ``phase`` to ``stiffness``, and more that is left out.
        recorder: Keeps both, as a data set.
        bar: Moves on with each answer.

    Attributes:
        done: The phases (nx, ny) that have been answered, in order.
    """

    def __init__(self, solver: ForwardModel, recorder: Recorder, bar: "tqdm[Any]") -> None:
        self._solver, self._recorder, self._bar = solver, recorder, bar
        self.inputs, self.outputs = recorder.inputs, recorder.specs[1:]
        self.done: list[np.ndarray] = []
        known = recorder.store.read()[1] if len(recorder) else {"phase": (), "stiffness": ()}
        pairs = zip(known["phase"], known["stiffness"], strict=True)
        self._known = {phase.tobytes(): stiffness for phase, stiffness in pairs}

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """The answer for a batch of one."""
        phase = check(inputs, self.inputs)["phase"].astype(float)
        key = phase.tobytes()
        if not self.done:
            self._bar.unpause()
        new = key not in self._known
        if new:
            self._known[key] = self._solver({"phase": phase})["stiffness"][0]
        self.done.append(phase[0])
        if new:
            self._recorder.record({"phase": phase}, {"stiffness": self._known[key][None]})
        self._bar.update(self._bar.n < (self._bar.total or 0))  # a cell may be asked for twice
        return {"stiffness": self._known[key][None]}
