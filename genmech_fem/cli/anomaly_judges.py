"""Detectors and plain baselines that judge fields: trained on normal ones, or from a file."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genmech_fem.cli.commands.anomaly import DETECTORS
from genmech_fem.cli.training_bar import fit_with_bar
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.forward import ForwardModel

if TYPE_CHECKING:
    from genmech_fem.anomaly import Detector
    from genmech_fem.training import Trainable

SHARES = {"training": 0.6, "calibration": 0.2}  # of the normal fields; the rest is judged like the suspects
BASELINES = ("area", "statistics", "S2")
FIELD = "field"


@dataclass(frozen=True)
class Judge:
    """A detector as a model, called with fields (n, channels, *grid), a few at a time."""

    model: ForwardModel
    threshold: float

    def __call__(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Scores (n, 1), and maps where the detector makes them."""
        (spec,) = self.model.inputs
        parts = [self.model({spec.name: part.reshape(-1, *spec.shape)}) for part in _batches(x)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _batches(x: np.ndarray, size: int = 32) -> list[np.ndarray]:
    return [x[start : start + size] for start in range(0, len(x), size)]


def opened(path: Path) -> dict[str, Judge]:
    """The detector of a file, by its kind."""
    from genmech_fem.runtime import OnnxModel

    model = OnnxModel(path)
    about = model.metadata.get("detector")
    if about is None:
        raise ValueError(f"{path}: expected a detector written by genmech anomaly or detector_to_onnx")
    return {str(about["kind"]): Judge(model, float(about["threshold"]))}


def trained(args: argparse.Namespace, normal: np.ndarray) -> tuple[dict[str, Judge], np.ndarray]:
    """The chosen detector as a file, the baselines, and the normal fields that none of them has seen."""
    import torch

    from genmech_fem.anomaly import DescriptorDistance
    from genmech_fem.export import detector_model, detector_to_onnx
    from genmech_fem.training import Recipe

    if args.detector not in DETECTORS:
        raise ValueError(f"--detector: expected one of {', '.join(DETECTORS)} or a file .onnx, got '{args.detector}'")
    parts = _split(len(normal), args.seed, args.quantile)
    x, calibration = (torch.tensor(normal[parts[name]], dtype=torch.float32) for name in SHARES)
    shape = tuple(x.shape[1:])
    torch.manual_seed(args.seed)
    model, detector = _build(args.detector, shape, periodic=args.periodic)
    recipe = Recipe(seconds=args.seconds, batch_size=min(32, len(x)), seed=args.seed)
    fit_with_bar(model, {"x": x}, recipe, args.out)
    field = FieldSpec(
        FIELD, Grid(shape[1:], (0.0,) * len(shape[1:]), (1.0,) * len(shape[1:])), shape[:1] if shape[0] > 1 else ()
    )
    samples = {FIELD: normal[parts["held"]].reshape(-1, *field.shape)}
    detector.fit_normal(x, calibration)
    path = args.out / "detector.onnx"
    detector_to_onnx(detector, path, field=field, samples=samples, quantile=args.quantile)
    ((_, judge),) = opened(path).items()
    judges = {args.detector: judge}
    for name in BASELINES:
        plain = DescriptorDistance(shape, name)
        plain.fit_normal(x, calibration)
        judges[name] = Judge(detector_model(plain, field, args.quantile), plain.threshold(args.quantile))
    return judges, normal[parts["held"]]


def _split(count: int, seed: int, quantile: float) -> dict[str, np.ndarray]:
    """Numbers of the normal fields of each part.

    Raises:
        ValueError: They are too few.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"--quantile: expected a share in (0, 1), got {quantile}")
    needed = max(15, int(np.ceil(round(quantile / (1 - quantile), 6) / SHARES["calibration"])))
    if count < needed:
        raise ValueError(f"expected at least {needed} normal fields for --quantile {quantile}, got {count}")
    order = np.random.default_rng(seed).permutation(count)
    bounds = (np.cumsum(list(SHARES.values())) * count).round(6).astype(int)
    return dict(zip((*SHARES, "held"), np.split(order, bounds), strict=True))


def _build(name: str, shape: tuple[int, ...], *, periodic: bool) -> "tuple[Trainable, Detector]":
    """An untrained model for fields of this shape, and the detector that uses it."""
    from genmech_fem.anomaly import NegativeELBO, PartialNoising, PatchMemory, Reconstruction
    from genmech_fem.generative import VAE, Architecture, Autoencoder, FlowMatching

    side = max(shape[1:])
    patch = 1 if side <= 32 else 2 if side <= 64 else 4
    sizes = Architecture(widths=(32, 64), patch=patch, padding_mode="circular" if periodic else "zeros")
    window = max(2, min(shape[1:]) // 8)
    if name == "flow":
        flow = FlowMatching(shape, network=sizes, sampler=("heun", 10))
        return flow, PartialNoising(flow, summary=window)
    if name == "vae":
        vae = VAE(shape, likelihood="gaussian", network=sizes)
        return vae, NegativeELBO(vae)
    model = Autoencoder(shape, network=sizes, noise=0.5 if name == "denoising" else 0.0)
    return model, PatchMemory(model) if name == "patches" else Reconstruction(model, window)
