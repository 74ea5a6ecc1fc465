"""``genmech anomaly``: train a detector on normal fields, and judge others by it."""

import argparse
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate

from genmech_fem.cli.evaluate import read_images
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.datasets import write_atomic
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.forward import ForwardModel
from genmech_fem.metrics import detection_scores

if TYPE_CHECKING:
    from genmech_fem.anomaly import Detector
    from genmech_fem.training import Trainable

SHARES = {"training": 0.6, "calibration": 0.2}  # of the normal fields; the rest is judged like the suspects
BASELINES = ("area", "statistics", "S2")
DETECTORS = ("patches", "autoencoder", "denoising", "vae", "flow")
LISTED = 20
FIELD = "field"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    where = "folder of a data set (FOLDER:PART for a part of its split), array 'phase'; .npy; or .npz"
    parser.add_argument("normal", help=f"normal fields: {where}")
    parser.add_argument("suspects", help="fields to judge: the same")
    parser.add_argument(
        "--detector",
        default=DETECTORS[0],
        help=f"one of {', '.join(DETECTORS)} (default: {DETECTORS[0]}), or the file detector.onnx of an earlier call",
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="budget of the training [s of wall time] (default: 60)"
    )
    parser.add_argument(
        "--quantile", type=float, default=0.95, help="share of normal fields without an alarm (default: 0.95)"
    )
    parser.add_argument("--anomalous", action="store_true", help="all suspects are known anomalies: print statistics")
    parser.add_argument("--channels", action="store_true", help="axis 1 of the arrays counts components, not points")
    parser.add_argument("--periodic", action="store_true", help="the fields are periodic")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the training (default: 0)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write report and detector")


def run(args: argparse.Namespace) -> int:
    """Train, judge, print the report and write the files."""
    importlib.import_module("genmech_fem.plotting")  # a missing extra is said before the training
    normal, suspects = (_fields(source, channels=args.channels) for source in (args.normal, args.suspects))
    if normal.shape[1:] != suspects.shape[1:]:
        raise ValueError(
            f"{args.suspects}: expected fields of the shape {normal.shape[1:]} of {args.normal}, got "
            f"{suspects.shape[1:]} (channels, *grid)"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    if args.detector.endswith(".onnx"):
        judges, held = _opened(Path(args.detector)), normal
    else:
        judges, held = _trained(args, normal)
    scores = {
        name: {"normal": judge(held)["score"][:, 0], "suspects": judge(suspects)["score"][:, 0]}
        for name, judge in judges.items()
    }
    name, judge = next(iter(judges.items()))
    text, record = _report(args, name, scores, judge.threshold)
    print(text)
    _write(args.out, text, record, _picture(judge, suspects, scores[name], judge.threshold))
    return 0


@dataclass(frozen=True)
class _Judge:
    """A detector as a model, called with fields (n, channels, *grid), a few at a time."""

    model: ForwardModel
    threshold: float

    def __call__(self, x: np.ndarray) -> dict[str, np.ndarray]:
        (spec,) = self.model.inputs
        parts = [self.model({spec.name: part.reshape(-1, *spec.shape)}) for part in _batches(x)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _batches(x: np.ndarray, size: int = 32) -> list[np.ndarray]:
    return [x[start : start + size] for start in range(0, len(x), size)]


def _fields(source: str, *, channels: bool) -> np.ndarray:
    """Fields (n, channels, *grid)."""
    found = np.asarray(read_images(source), dtype=float)
    found = found if channels else found[:, None]
    if found.ndim not in (4, 5) or not len(found):
        axes = "(n, channels, *grid)" if channels else "(n, *grid)"
        raise ValueError(f"{source}: expected fields {axes} in two or three dimensions, got an array {found.shape}")
    wrong = np.flatnonzero(~np.isfinite(found).reshape(len(found), -1).all(axis=1)).tolist()
    if wrong:
        raise ValueError(f"{source}: expected finite fields, got NaN or infinity in {wrong[:10]}")
    return found


def _opened(path: Path) -> dict[str, _Judge]:
    """The detector of a file, by its kind."""
    from genmech_fem.runtime import OnnxModel

    model = OnnxModel(path)
    about = model.metadata.get("detector")
    if about is None:
        raise ValueError(f"{path}: expected a detector written by genmech anomaly or detector_to_onnx")
    return {str(about["kind"]): _Judge(model, float(about["threshold"]))}


def _trained(args: argparse.Namespace, normal: np.ndarray) -> tuple[dict[str, _Judge], np.ndarray]:
    """The chosen detector as a file, the baselines, and the normal fields that none of them has seen."""
    import torch

    from genmech_fem.anomaly import DescriptorDistance
    from genmech_fem.export import detector_model, detector_to_onnx
    from genmech_fem.training import Recipe, fit

    if args.detector not in DETECTORS:
        raise ValueError(f"--detector: expected one of {', '.join(DETECTORS)} or a file .onnx, got '{args.detector}'")
    parts = _split(len(normal), args.seed, args.quantile)
    x, calibration = (torch.tensor(normal[parts[name]], dtype=torch.float32) for name in SHARES)
    shape = tuple(x.shape[1:])
    torch.manual_seed(args.seed)
    model, detector = _build(args.detector, shape, periodic=args.periodic)
    recipe = Recipe(seconds=args.seconds, batch_size=min(32, len(x)), seed=args.seed)
    steps = fit(model, {"x": x}, recipe, checkpoint=args.out / "training", log=args.out / "training.jsonl")
    with progress_bar(100, "train") as bar:
        for progress in steps:
            advance(bar, int(100 * progress.fraction))
    field = FieldSpec(
        FIELD, Grid(shape[1:], (0.0,) * len(shape[1:]), (1.0,) * len(shape[1:])), shape[:1] if shape[0] > 1 else ()
    )
    samples = {FIELD: normal[parts["held"]].reshape(-1, *field.shape)}
    detector.fit_normal(x, calibration)
    path = args.out / "detector.onnx"
    detector_to_onnx(detector, path, field=field, samples=samples, quantile=args.quantile)
    ((_, judge),) = _opened(path).items()
    judges = {args.detector: judge}
    for name in BASELINES:
        plain = DescriptorDistance(shape, name)
        plain.fit_normal(x, calibration)
        judges[name] = _Judge(detector_model(plain, field, args.quantile), plain.threshold(args.quantile))
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


def _report(
    args: argparse.Namespace, name: str, scores: dict[str, dict[str, np.ndarray]], threshold: float
) -> tuple[str, dict[str, Any]]:
    """The report as Markdown and as JSON data."""
    normal, suspects = scores[name]["normal"], scores[name]["suspects"]
    order = np.argsort(-suspects)
    alarms = {"normal": float(np.mean(normal > threshold)), "suspects": float(np.mean(suspects > threshold))}
    lines = [
        f"# Anomalies by {name}",
        f"Threshold {threshold:.3g} standard deviations above the mean of normal fields, for at most "
        f"{100 * (1 - args.quantile):.3g} % of false alarms.",
        f"- normal fields that it had not seen: {len(normal)}, of which {100 * alarms['normal']:.1f} % raise an alarm",
        f"- suspects: {len(suspects)}, of which {100 * alarms['suspects']:.1f} % raise an alarm",
        tabulate(
            [(int(i), f"{suspects[i]:.3g}", "yes" if suspects[i] > threshold else "no") for i in order[:LISTED]],
            headers=["suspect", "score", "alarm"],
            tablefmt="github",
            disable_numparse=True,
        ),
    ]
    record: dict[str, Any] = {
        "detector": name,
        "threshold": threshold,
        "quantile": args.quantile,
        "alarms": alarms,
        "scores": {key: values.tolist() for key, values in scores[name].items()},
    }
    if args.anomalous:
        found = {
            each: detection_scores(both["normal"], both["suspects"], generator=np.random.default_rng(args.seed))
            for each, both in scores.items()
        }
        rows = [
            [each, *(f"{v.value:.3f} ({v.low:.3f} to {v.high:.3f})" for v in found[each].values())] for each in found
        ]
        lines.append(
            tabulate(rows, headers=["detector", *found[name]], tablefmt="github", disable_numparse=True)
            + "\n\nIn brackets: 95 % bootstrap intervals."
        )
        record["statistics"] = {each: {key: list(v) for key, v in of.items()} for each, of in found.items()}
    return "\n\n".join(lines), record


def _picture(
    judge: Callable[[np.ndarray], dict[str, np.ndarray]],
    suspects: np.ndarray,
    scores: dict[str, np.ndarray],
    threshold: float,
) -> bytes:
    from genmech_fem.plotting import detection_figure, to_png

    order = np.argsort(-scores["suspects"])[:8]
    maps = judge(suspects[order]).get("map")
    titles = [f"{i}: {scores['suspects'][i]:.2g}" for i in order]
    return to_png(detection_figure(scores, threshold, suspects[order, 0], maps, titles))


def _write(folder: Path, text: str, record: dict[str, Any], picture: bytes) -> None:
    write_atomic(folder / "report.png", picture)
    write_atomic(folder / "report.json", json.dumps(record, indent=1).encode())
    write_atomic(folder / "report.md", f"{text}\n\n![Scores, and the most suspicious fields](report.png)\n".encode())
