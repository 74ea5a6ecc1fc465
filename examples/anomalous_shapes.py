"""Squares among discs: how much of a detector's success is counting pixels.

Images hold five discs, of which some are replaced by squares. Squares as wide as the discs are larger: the area alone
finds them all. Squares of the area of the discs are found by a diffusion model that has seen nothing but discs: through
noise it sees discs, and the corners are missing. Run it with  python examples/anomalous_shapes.py FOLDER  (two
minutes); the folder then holds the detector as ONNX and a picture.
"""

import sys
from pathlib import Path

from genmech_fem.anomaly import DenoisingError, DescriptorDistance, Detector
from genmech_fem.export import detector_to_onnx
from genmech_fem.generative import Architecture, Diffusion
from genmech_fem.metrics import auroc, pixel_auroc
from genmech_fem.microstructure import phase_spec
from genmech_fem.plotting import detection_figure, to_png
from genmech_fem.training import Recipe, fit

import numpy as np
import torch

POINTS, COUNT, RADII = 128, 5, (0.098, 0.102)  # equal radii would give squares away by the rounding of their pixels
EDGE = {"as wide": 2.0, "of equal area": np.sqrt(np.pi)}  # of a square over the radius of a disc


def discs_and_squares(
    n: int, squares: int, seed: int, size: str = "of equal area", points: int = POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, points, points) of five discs or squares that do not overlap, and masks of the squares."""
    generator = np.random.default_rng([seed, squares])
    x, y = np.meshgrid(*[(np.arange(points) + 0.5) / points] * 2, indexing="ij")
    images, masks = np.zeros((2, n, points, points))
    for image, mask in zip(images, masks, strict=True):
        for k in range(COUNT):
            while True:
                radius, (a, b) = generator.uniform(*RADII), generator.uniform(0.1, 0.9, size=2)
                square = np.maximum(abs(x - a), abs(y - b)) < EDGE[size] * radius / 2
                shape = square if k < squares else np.hypot(x - a, y - b) < radius
                if not image[shape].any():
                    break
            image[shape] = 1
            mask[shape] = k < squares
    return images, masks.astype(bool)


def tensor(images: np.ndarray) -> torch.Tensor:
    """Images as samples (n, 1, nx, ny) of a network."""
    return torch.as_tensor(images, dtype=torch.float32)[:, None]


def main(
    folder: str | Path, *, samples: int = 400, steps: int = 1000, points: int = POINTS, tested: int = 100
) -> dict[str, dict[str, float]]:
    """Return the AUROC of each detector for one square of five, as wide as a disc and of its area."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, calibration, normal = (
        tensor(discs_and_squares(n, 0, seed, points=points)[0]) for seed, n in enumerate((samples, 100, tested))
    )
    sizes = Architecture((16, 32, 48), patch=points // 32, padding_mode="zeros")
    model = Diffusion((1, points, points), network=sizes, bounds=(0, 1))
    recipe = Recipe(steps, batch_size=8, learning_rate=3e-3, average=0.99)
    for progress in fit(model, {"x": x}, recipe, log=Path(folder) / "log.jsonl"):
        if progress.step % 100 == 0:
            print(f"step {progress.step}, loss {progress.losses['model']:.3f}, {progress.seconds_left:.0f} s left")
    detectors: dict[str, Detector] = {
        "area": DescriptorDistance(model.shape, "area"),
        "S2": DescriptorDistance(model.shape, "S2"),
        "diffusion": DenoisingError(model, (0.6, 0.7, 0.8), round(0.19 * points), draws=8),
    }
    found: dict[str, dict[str, float]] = {}
    for name, detector in detectors.items():
        detector.fit_normal(x, calibration)
        scores = detector.score(normal).numpy()
        images = {size: tensor(discs_and_squares(tested, 1, 3, size, points)[0]) for size in EDGE}
        found[name] = {size: auroc(scores, detector.score(some).numpy()) for size, some in images.items()}
    diffusion, (images, masks) = detectors["diffusion"], discs_and_squares(tested, 1, 3, points=points)
    maps = diffusion.score_map(tensor(images)).numpy()
    found["diffusion"]["of equal area, point by point"] = pixel_auroc(maps, masks)
    file = Path(folder) / "detector.onnx"
    detector_to_onnx(diffusion, file, field=phase_spec(points), samples={"phase": images})
    scores = {"five discs": diffusion.score(normal).numpy(), "one square": diffusion.score(tensor(images)).numpy()}
    titles = [f"{score:.1f}" for score in scores["one square"][:8]]
    figure = detection_figure(scores, diffusion.threshold(), images[:8], maps[:8], titles)
    (Path(folder) / "scores.png").write_bytes(to_png(figure))
    return found


if __name__ == "__main__":
    for name, row in main(sys.argv[1]).items():
        print(name, ", ".join(f"squares {size}: AUROC {value:.3f}" for size, value in row.items()))
