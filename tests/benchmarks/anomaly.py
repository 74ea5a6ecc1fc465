"""Anomalies: every detector on four tasks, beside plain descriptors.

Run it with  uv run python tests/benchmarks/anomaly.py [--quick]

Each task and seed is one process with one thread that trains an autoencoder, a denoising autoencoder, a VAE, a GAN and
a diffusion model on normal samples, each for the same time, and lets all detectors judge unseen ones.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from statistics import median
from typing import Any

import numpy as np
import reporting
import torch

from genmech_fem.anomaly import (
    DenoisingError,
    DescriptorDistance,
    Detector,
    DiscriminatorScore,
    Inversion,
    LatentDistance,
    MapDetector,
    NegativeELBO,
    PartialNoising,
    PatchMemory,
    Reconstruction,
)
from genmech_fem.generative import GAN, VAE, Architecture, Autoencoder, Diffusion
from genmech_fem.metrics import aupr, auroc, false_alarm_rate, pixel_auroc
from genmech_fem.training import Recipe, Trainable, fit

type Row = dict[str, Any]
type Samples = dict[str, torch.Tensor]
"""Samples (n, channels, *grid) by name: ``"normal"``, and kinds of anomalies."""

QUANTILE = 0.95
BASELINES = ("area", "statistics", "moments", "S2")
CONTAMINATION = 0.05
ANY = "debonded or void"
TIMES = (0.6, 0.7, 0.8)  # of the denoising: what is seen through so much noise is known, not copied


@dataclass(frozen=True)
class Sizes:
    """How long to train and how many samples to judge."""

    seconds: float = 35.0  # wall time of each training
    training: int = 400
    calibration: int = 100
    tested: int = 80
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(seconds=2.0, training=60, calibration=30, tested=16, seeds=(0,))


@dataclass(frozen=True)
class Task:
    """Normal samples, what to find among others, and how large the networks are.

    Args:
        name: Name in the tables.
        x: Normal samples of the training.
        calibration: Normal samples of the calibration.
        tested: Samples to judge.
        network: Sizes of all networks.
        latent: Length of latent vectors.
        window: Side of the window of local errors [points].
        likelihood: Of the VAE.
        masks: Where the anomalies of one kind are, if known.
    """

    name: str
    x: torch.Tensor
    calibration: torch.Tensor
    tested: Samples
    network: Architecture
    latent: int = 16
    window: int = 8
    likelihood: str = "bernoulli"
    masks: tuple[str, np.ndarray] | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Range of the samples, if they are phases."""
        return None if self.likelihood == "gaussian" else (0.0, 1.0)


def squares_among_discs(seed: int, sizes: Sizes) -> Task:
    """E.27: five discs, of which k are replaced by squares, as wide as in the book or of equal area."""
    drawing = reporting.example("anomalous_shapes")

    def draw(n: int, squares: int, stream: int, size: str = "of equal area") -> torch.Tensor:
        return drawing.tensor(drawing.discs_and_squares(n, squares, 10 * seed + stream, size)[0])

    kinds = {f"{k} of 5 squares {size}": (k, size) for size in drawing.EDGE for k in range(1, 6)}
    masks = drawing.discs_and_squares(sizes.tested, 1, 10 * seed + 3)[1]
    return Task(
        "E.27",
        draw(sizes.training, 0, 0),
        draw(sizes.calibration, 0, 1),
        {"normal": draw(sizes.tested, 0, 2)}
        | {name: draw(sizes.tested, k, 3, size) for name, (k, size) in kinds.items()},
        Architecture((16, 32, 48), patch=4, padding_mode="zeros"),
        latent=32,
        window=24,
        masks=("1 of 5 squares of equal area", masks),
    )


def one_shape(seed: int, sizes: Sizes) -> Task:
    """E.29: discs against squares, triangles and crosses of equal area."""
    drawing = reporting.example("equal_area_shapes")

    def sample(kind: str, n: int, stream: int) -> torch.Tensor:
        return drawing.images(kind, n, 10 * seed + stream)

    return Task(
        "E.29",
        sample("circle", 2 * sizes.training, 0),
        sample("circle", sizes.calibration, 1),
        {"normal": sample("circle", sizes.tested, 2)}
        | {f"{kind}, not circle": sample(kind, sizes.tested, 3) for kind in drawing.OTHERS},
        Architecture((32, 64), patch=2, padding_mode="zeros"),
        latent=8,
    )


def strains(seed: int, sizes: Sizes) -> Task:
    """Debonded fibres and voids in noisy strains of DOLFINx solves."""
    plates = reporting.example("debonded_fibres")
    model = plates.tension()

    def draw(n: int, defect: str | None, stream: int) -> torch.Tensor:
        number = 10 * seed + stream
        return plates.measured(plates.strains(model, n, defect, number), plates.NOISE, number)

    defects = {name: draw(sizes.tested, name, 3 + i) for i, name in enumerate(plates.DEFECTS)}
    return Task(
        "strains",
        draw(sizes.training, None, 0),
        draw(sizes.calibration, None, 1),
        {"normal": draw(sizes.tested, None, 2), **defects, ANY: torch.cat(list(defects.values()))},
        Architecture((24, 48), patch=2, padding_mode="zeros"),
        latent=32,
        likelihood="gaussian",
    )


def families(seed: int, sizes: Sizes) -> Task:
    """Cells of fibres against those of other families."""
    guard = reporting.example("out_of_family")

    def draw(family: str, n: int, stream: int) -> torch.Tensor:
        return guard.tensor(guard.cells(family, n, 10 * seed + stream))

    others = [family for family in guard.FAMILIES if family != "fibres"]
    return Task(
        "families",
        draw("fibres", sizes.training, 0),
        draw("fibres", sizes.calibration, 1),
        {"normal": draw("fibres", sizes.tested, 2)} | {family: draw(family, sizes.tested, 3) for family in others},
        Architecture((32, 64), patch=2),
    )


TASKS: dict[str, Callable[[int, Sizes], Task]] = {
    "E.27": squares_among_discs,
    "E.29": one_shape,
    "strains": strains,
    "families": families,
}


def train(model: Trainable, x: torch.Tensor, seconds: float, seed: int) -> float:
    """Train; CPU seconds."""
    began = time.process_time()
    recipe = Recipe(seconds=seconds, batch_size=8, learning_rate=3e-3, average=0.99, seed=seed)
    for _ in fit(model, {"x": x}, recipe):
        pass
    return time.process_time() - began


type Found = Iterator[tuple[str, Detector, float]]
"""Detectors by name, and the CPU seconds of the training of the model behind each."""


def of_descriptors(task: Task, sizes: Sizes, seed: int) -> Found:
    """What needs no training."""
    for name in BASELINES:
        yield f"descriptor {name}", DescriptorDistance(task.x.shape[1:], name), 0.0


def of_autoencoder(task: Task, sizes: Sizes, seed: int, noise: float = 0.0) -> Found:
    """Reconstruction, and without noise what the latents and features say too."""
    torch.manual_seed(seed)
    model = Autoencoder(task.x.shape[1:], task.latent, network=task.network, noise=noise)
    cpu, name = train(model, task.x, sizes.seconds, seed), "denoising autoencoder" if noise else "autoencoder"
    yield f"{name}, mean", Reconstruction(model), cpu
    yield f"{name}, over the perimeter", Reconstruction(model, "perimeter"), cpu
    yield f"{name}, worst window", Reconstruction(model, task.window), cpu
    if not noise:
        yield "latent, Mahalanobis", LatentDistance(model), cpu
        yield "latent, 5th neighbour", LatentDistance(model, 5), cpu
        yield "patch memory", PatchMemory(model, memory=2000), cpu
        yield "patch memory, finest level", PatchMemory(model, (0,), memory=2000), cpu


def of_vae(task: Task, sizes: Sizes, seed: int) -> Found:
    """The evidence lower bound."""
    torch.manual_seed(seed)
    model = VAE(task.x.shape[1:], task.latent, likelihood=task.likelihood, network=task.network)
    yield "VAE, -ELBO", NegativeELBO(model), train(model, task.x, sizes.seconds, seed)


def of_gan(task: Task, sizes: Sizes, seed: int) -> Found:
    """The discriminator, and the search over latents where they are few: it decodes some hundred samples for each."""
    torch.manual_seed(seed)
    model = GAN(task.x.shape[1:], task.latent, network=task.network, bounds=task.bounds)
    cpu = train(model, task.x, sizes.seconds, seed)
    yield "GAN, discriminator", DiscriminatorScore(model), cpu
    if task.latent <= 8:
        yield "GAN, inversion", Inversion(model), cpu


def of_diffusion(task: Task, sizes: Sizes, seed: int) -> Found:
    """Partial noising, and the error of the denoising itself."""
    torch.manual_seed(seed)
    model = Diffusion(task.x.shape[1:], network=task.network, sampler=("ddim", 10), bounds=task.bounds)
    cpu = train(model, task.x, sizes.seconds, seed)
    yield "diffusion, partial noising", PartialNoising(model, 0.6, task.window), cpu
    yield "diffusion, denoising error", DenoisingError(model, TIMES, task.window, draws=8), cpu


MODELS = (of_descriptors, of_autoencoder, partial(of_autoencoder, noise=0.5), of_vae, of_gan, of_diffusion)


def judged(which: str, seed: int, sizes: Sizes) -> Iterator[Row]:
    """All detectors on one task."""
    task = TASKS[which](seed, sizes)
    for name, detector, cpu in chain.from_iterable(of(task, sizes, seed) for of in MODELS):
        began = time.process_time()
        detector.fit_normal(task.x, task.calibration)
        scores = {kind: detector.score(x).numpy() for kind, x in task.tested.items()}
        samples = sum(len(x) for x in task.tested.values()) + len(task.calibration)
        common = {
            "seed": seed,
            "training [CPU s]": cpu,
            "score [CPU ms]": 1e3 * (time.process_time() - began) / samples,
        }
        alarms = float(np.mean(scores["normal"] > detector.threshold(QUANTILE)))
        yield {"what": f"{task.name}, false alarms of 5 % allowed: {name}", "value": alarms, **common}
        for kind in (kind for kind in scores if kind != "normal"):
            pair = scores["normal"], scores[kind]
            yield {
                "what": f"{task.name}, {kind}: {name}",
                "value": auroc(*pair),
                "AUPR": aupr(*pair),
                "false alarms at 95 %": false_alarm_rate(*pair),
                **common,
            }
        if task.masks and isinstance(detector, (MapDetector, PatchMemory)):
            kind, masks = task.masks
            maps = detector.score_map(task.tested[kind]).numpy()
            yield {"what": f"{task.name}, {kind}, by point: {name}", "value": pixel_auroc(maps, masks), **common}
        if isinstance(detector, DiscriminatorScore) and isinstance(detector.model, GAN):
            yield {
                "what": f"{task.name}: diversity of the GAN over that of its data",
                "seed": seed,
                "value": reporting.example("equal_area_shapes").diversity(detector.model, task.tested["normal"]),
            }


def contaminated(seed: int, sizes: Sizes) -> Iterator[Row]:
    """E.27 with one square of five in some of the training and calibration images."""
    task, kind = squares_among_discs(seed, sizes), "1 of 5 squares of equal area"
    drawing = reporting.example("anomalous_shapes")
    count = {part: max(1, round(CONTAMINATION * len(x))) for part, x in (("x", task.x), ("c", task.calibration))}
    odd = drawing.tensor(drawing.discs_and_squares(sum(count.values()), 1, 10 * seed + 8)[0])
    x = torch.cat([task.x[count["x"] :], odd[: count["x"]]])
    calibration = torch.cat([task.calibration[count["c"] :], odd[count["x"] :]])
    dirty = Task(task.name, x, calibration, task.tested, task.network, task.latent, task.window)
    chosen = (of_descriptors, of_autoencoder, of_diffusion)
    for name, detector, cpu in chain.from_iterable(of(dirty, sizes, seed) for of in chosen):
        detector.fit_normal(x, calibration)
        value = auroc(detector.score(task.tested["normal"]).numpy(), detector.score(task.tested[kind]).numpy())
        what = f"E.27, {kind}, 5 % of them in the training: {name}"
        yield {"what": what, "seed": seed, "value": value, "training [CPU s]": cpu}


def guarded(seed: int, sizes: Sizes) -> Iterator[Row]:
    """The surrogate of the example, and what a guard in front of it would send to the solver."""
    found = reporting.example("out_of_family").main(
        samples=2 * sizes.training, tested=sizes.tested, seconds=sizes.seconds, seed=seed
    )
    for family, row in found.items():
        for what in ("error [%]", "checked [%]"):
            yield {"what": f"surrogate of fibre cells, {family}: {what}", "seed": seed, "value": row[what]}


def best(rows: list[Row], start: str, *, baselines: bool) -> float:
    """Median over the seeds of the best detector of a task, or of the best descriptor."""
    by_name: dict[str, list[float]] = {}
    for row in rows:
        if row["what"].startswith(start):
            name = row["what"].removeprefix(start)
            if name.startswith("descriptor") == baselines:
                by_name.setdefault(name, []).append(row["value"])
    return max((median(values) for values in by_name.values()), default=math.nan)


def main() -> None:
    """Run all jobs, two at a time, and write the results."""
    args = reporting.arguments(__doc__ or "")
    sizes = QUICK if args.quick else Sizes()
    jobs: list[tuple[Any, ...]] = [
        *((judged, which, seed, sizes) for which in TASKS for seed in sizes.seeds),
        *((function, seed, sizes) for function in (contaminated, guarded) for seed in sizes.seeds),
    ]
    rows, earlier = reporting.run("anomaly", jobs, quick=args.quick)
    matched, strain = "E.27, 1 of 5 squares of equal area: ", f"strains, {ANY}: "
    figures = {
        "e27_matched_k1_auroc": best(rows, matched, baselines=False),
        "e27_matched_k1_baseline_auroc": best(rows, matched, baselines=True),
        "equal_area_square_auroc": best(rows, "E.29, square, not circle: autoencoder", baselines=False),
        "equal_area_square_baseline_auroc": best(rows, "E.29, square, not circle: ", baselines=True),
        "strain_best_auroc": best(rows, strain, baselines=False),
        "strain_baseline_auroc": best(rows, strain, baselines=True),
        "gan_diversity_e29": best(rows, "E.29: diversity", baselines=False),
    }
    reporting.write("anomaly", figures, rows, list(sizes.seeds), quick=args.quick, earlier=earlier)


if __name__ == "__main__":
    main()
