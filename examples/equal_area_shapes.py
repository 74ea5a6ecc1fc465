"""Discs against squares, triangles and crosses of their area: an autoencoder, a discriminator and one moment.

The discriminator of a GAN was trained to tell discs from what its generator made; what it says of squares depends on
how that went, so the diversity of the generator is printed beside it. The second moment of area, one line of code,
finds every square: print such a line before you trust a network. Run it with
python examples/equal_area_shapes.py  (three minutes).
"""

from pathlib import Path

from genmech_fem.anomaly import DescriptorDistance, Detector, DiscriminatorScore, Reconstruction
from genmech_fem.generative import GAN, Architecture, Autoencoder
from genmech_fem.metrics import auroc, gaussian_kernel, median_distance, vendi_score
from genmech_fem.microstructure import BasicShapes
from genmech_fem.plotting import to_png
from genmech_fem.training import Recipe, fit

import numpy as np
import torch
from matplotlib.figure import Figure

POINTS, OTHERS = 32, ("square", "triangle", "cross")


def images(kind: str, n: int, seed: int) -> torch.Tensor:
    """Images (n, 1, 32, 32) of one shape of any place and rotation, whose area does not tell its kind."""
    draw = BasicShapes(POINTS, (kind,), count=(1, 1), size=(0.12, 0.2), periodic=False)
    phase = np.concatenate([draw(np.random.default_rng([seed, i]))["phase"] for i in range(n)])
    return torch.as_tensor(phase, dtype=torch.float32)[:, None]


def diversity(gan: GAN, real: torch.Tensor) -> float:
    """Effective number of different samples over that of as many real ones (n, channels, *grid): small if collapsed."""
    made = gan.sample(len(real), generator=torch.Generator().manual_seed(0))
    points = [x.flatten(1).double().numpy() for x in (made, real)]
    width = median_distance(points[1])
    of_made, of_real = (vendi_score(gaussian_kernel(some, some, width)) for some in points)
    return of_made / of_real


def picture(found: dict[str, dict[str, float]]) -> Figure:
    """One shape of each kind, and below how well the detectors tell the odd ones from discs."""
    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.3))
    for ax, kind in zip(above.subplots(1, 1 + len(OTHERS)), ("disc", *OTHERS), strict=True):
        shape = images(kind.replace("disc", "circle"), 1, 2)[0, 0]
        ax.imshow(shape.numpy().T, origin="lower", cmap="gray_r")
        ax.set(xticks=[], yticks=[], title=f"{kind}, {shape.sum():.0f} pixels")
    ax, names = below.subplots(), [name for name, row in found.items() if set(row) == set(OTHERS)]
    for k, kind in enumerate(OTHERS):
        ax.bar(np.arange(len(names)) + 0.25 * (k - 1), [found[name][kind] for name in names], 0.23, label=kind)
    ax.axhline(0.5, color="k", ls=":", label="chance")
    ax.set(ylim=(0.0, 1.05), ylabel="AUROC against discs [1]", xticks=range(len(names)), xticklabels=names)
    below.legend(loc="outside right upper")
    return figure


def main(
    folder: Path | None = None, *, samples: int = 600, tested: int = 100, steps: int = 1500
) -> dict[str, dict[str, float]]:
    """Return the AUROC of each detector for each kind of shape, and the diversity of the GAN; draw them in a folder."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, calibration, normal = (images("circle", n, seed) for seed, n in enumerate((samples, 100, tested)))
    sizes = Architecture((32, 64), patch=2, padding_mode="zeros")
    autoencoder, gan = Autoencoder(x.shape[1:], 8, network=sizes), GAN(x.shape[1:], 8, network=sizes, bounds=(0, 1))
    for model in (autoencoder, gan):
        for progress in fit(model, {"x": x}, Recipe(steps, batch_size=16, average=0.99)):
            if progress.step % 100 == 0:
                print(f"{type(model).__name__}: step {progress.step}, {progress.seconds_left:.0f} s left")
    detectors: dict[str, Detector] = {
        "area": DescriptorDistance(x.shape[1:], "area"),
        "moments": DescriptorDistance(x.shape[1:], "moments"),
        "autoencoder": Reconstruction(autoencoder, "perimeter"),
        "discriminator": DiscriminatorScore(gan),
    }
    found: dict[str, dict[str, float]] = {}
    for name, detector in detectors.items():
        detector.fit_normal(x, calibration)
        scores = detector.score(normal).numpy()
        found[name] = {kind: auroc(scores, detector.score(images(kind, tested, 3)).numpy()) for kind in OTHERS}
    found["diversity of the GAN"] = {"over that of discs": diversity(gan, normal)}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "detectors.png").write_bytes(to_png(picture(found)))
    return found


if __name__ == "__main__":
    for name, row in main(Path("runs/equal_area_shapes")).items():
        print(name, ", ".join(f"{kind} {value:.3f}" for kind, value in row.items()))
