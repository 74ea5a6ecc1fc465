"""From snapshots of solves to ONNX files that the PETSc types read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from genmech_fem.export import ExportReport, to_onnx
from genmech_fem.fields import FieldSpec, Points, ScalarSpec
from genmech_fem.surrogates import TorchModel
from genmech_fem.training import Recipe, fit
from genmech_petsc.network import LAYOUT, OUTPUT
from genmech_petsc.networks import DirectionNetwork, tensors_of
from genmech_petsc.snapshots import Snapshots

_TOLERANCE = 1e-3
"""Between torch and ONNX Runtime, in float32; the solver makes up for it."""


def train(network: DirectionNetwork, snapshots: Snapshots, path: Path | str, recipe: Recipe) -> ExportReport:
    """Train a network, and write it as a file for `OnnxPC`, `OnnxGuess` or `OnnxSNES`.

    Raises:
        ContractError: The exported file is not the network.
        ValueError: There are fewer snapshots than a batch.
    """
    for _ in fit(network, tensors_of(snapshots), recipe):
        pass
    return write(network, network.inputs, snapshots, path)


def principal_modes(directions: np.ndarray, count: int) -> np.ndarray:
    """The first principal modes (count, n) of directions (samples, k, n), about zero."""
    return np.linalg.svd(directions.reshape(-1, directions.shape[-1]), full_matrices=False)[2][:count]


def write(network: nn.Module, inputs: Sequence[str], snapshots: Snapshots, path: Path | str) -> ExportReport:
    """Write a module that maps vectors (batch, n) of the inputs to directions (batch, k, n), compared on snapshots."""
    samples = {name: getattr(snapshots, name) for name in inputs}
    n = snapshots.residual.shape[1]
    with torch.no_grad():
        k = network(*(torch.as_tensor(samples[name][:1], dtype=torch.float32) for name in inputs)).shape[1]
    specs = tuple(ScalarSpec(name, n) for name in inputs), (FieldSpec(OUTPUT, Points(1, n), (k,)),)
    return to_onnx(
        TorchModel(network, *specs), path, samples, metadata={LAYOUT: snapshots.layout}, tolerance=_TOLERANCE
    )
