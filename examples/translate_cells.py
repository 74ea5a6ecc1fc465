"""Pixel cells made smooth, and back, by a CycleGAN that never sees a pair.

Domain a holds cells of fibres as a rasteriser leaves them, 0 or 1 at each pixel; domain b other cells after a Gaussian
filter. As every cell can be filtered, the true translation is known to the test, though not to the network.
Run it with  python examples/translate_cells.py FOLDER
"""

import sys
from pathlib import Path

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.cycle_gan import CycleGAN
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.plotting import images, to_png
from genmech_fem.training import Recipe, TorusSymmetries, fit, save_model

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

POINTS, BLUR = 32, 2.0


def cells(numbers: range) -> tuple[torch.Tensor, torch.Tensor]:
    """Periodic cells with these seeds, as pixels and smooth, each (n, 1, 32, 32)."""
    draw = PeriodicFibres(POINTS, radius=(0.15, 0.25), volume_fraction=(0.15, 0.4))
    phase = np.concatenate([draw(np.random.default_rng(i))["phase"] for i in numbers])
    smooth = gaussian_filter(phase, (0, BLUR, BLUR), mode="wrap")
    pixels, smooth = (torch.tensor(x, dtype=torch.float32)[:, None] for x in (phase > 0.5, smooth))
    return pixels, smooth


def error(x: torch.Tensor, truth: torch.Tensor) -> float:
    """Root of the mean square."""
    return float((x - truth).square().mean().sqrt())


def main(folder: str | Path, *, samples: int = 256, steps: int = 400, seed: int = 0) -> dict[str, float]:
    """Return root mean square errors of unseen cells: of both ways, of baselines, and of going there and back."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    data = {"a": cells(range(samples))[0], "b": cells(range(samples, 2 * samples))[1]}
    model = CycleGAN((1, POINTS, POINTS), network=Architecture((16, 32, 48), patch=2), bounds=(0.0, 1.0))
    augment = TorusSymmetries({"a": "scalar", "b": "scalar"})
    for progress in fit(
        model, data, Recipe(steps=steps, batch_size=16, learning_rate=4e-3, seed=seed), augment=augment
    ):
        if progress.step % 50 == 0:
            print(f"step {progress.step} of {steps}, {progress.seconds_left:.0f} s left")
    save_model(model, Path(folder) / "cycle_gan.safetensors")
    pixels, smooth = cells(range(100_000, 100_064))
    made = {"smooth": model.translate(pixels), "pixels": model.translate(smooth, "a")}
    rows = {
        "pixels": pixels,
        "made smooth": made["smooth"],
        "true smooth": smooth,
        "made pixels": made["pixels"],
    }
    shown, titles = [list(row[:6, 0].numpy()) for row in rows.values()], [[name, *[""] * 5] for name in rows]
    (Path(folder) / "cells.png").write_bytes(to_png(images(shown, titles, colours="gray_r", limits=(0, 1))))
    return {
        "nothing done": error(pixels, smooth),
        "best threshold": min(error((smooth > level).float(), pixels) for level in np.linspace(0.2, 0.8, 61)),
        "pixels to smooth": error(made["smooth"], smooth),
        "smooth to pixels": error(made["pixels"], pixels),
        "cycle": float(model.cycle_error(pixels).mean()),
    }


if __name__ == "__main__":
    for name, value in main(sys.argv[1]).items():
        print(f"{name}: {value:.3f}")
