"""A diffusion model of fibres of one size and one volume fraction, sampled in 40 steps.

Run it with  python examples/fibres_in_40_steps.py FOLDER  (some three minutes); the folder then holds the weights, the
report card with the stiffness of the meshed samples, and its figure.
"""

import sys
from pathlib import Path

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.generative import Diffusion
from genmech_fem.metrics import report_card
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.plotting import report_card_figure, to_png
from genmech_fem.training import Recipe, TorusSymmetries, fit, save_model, training_record

import numpy as np
import torch


def cells(sampler: PeriodicFibres, n: int, stream: int) -> np.ndarray:
    """Cells (n, resolution, resolution)."""
    return np.concatenate([sampler(np.random.default_rng([stream, i]))["phase"] for i in range(n)])


def main(
    folder: Path,
    *,
    resolution: int = 32,
    radius: float = 0.1,
    steps: int = 1500,
    training: int = 1000,
    samples: int = 100,
) -> dict[str, float]:
    """Return the error of the mean volume fraction, the share of discs and the distance of the stiffness from real."""
    sampler = PeriodicFibres(resolution, (radius, radius), (0.219, 0.219))
    data = {"x": torch.tensor(cells(sampler, training, 1), dtype=torch.float32)[:, None]}
    torch.manual_seed(0)
    model = Diffusion((1, resolution, resolution), sampler=("ddim", 40), bounds=(0, 1))
    recipe = Recipe(steps, average=0.998)
    for progress in fit(model, data, recipe, augment=TorusSymmetries({"x": "scalar"}), log=Path(folder) / "log.jsonl"):
        if progress.step % 100 == 0:
            print(f"step {progress.step}, loss {progress.losses['model']:.3f}, {progress.seconds_left:.0f} s left")
    save_model(model, Path(folder) / "diffusion.safetensors", training_record(data, recipe))

    made = model.sample(samples, generator=torch.Generator().manual_seed(0))[:, 0].numpy()
    card = report_card(
        made,
        cells(sampler, 2 * samples, 2),
        training=data["x"][:, 0].numpy(),
        solver=ConformingHomogenization(resolution, refine=1),
    )
    (Path(folder) / "report_card.md").write_text(card.table())
    (Path(folder) / "report_card.png").write_bytes(to_png(report_card_figure(card)))
    print(card.table())
    fraction, energy = card["volume fraction, mean"], card["effective properties, energy distance"]
    return {
        "volume fraction error": abs(fraction.value - fraction.real_real),
        "discs": card["share of discs"].value,
        "stiffness, energy distance over real": energy.value / energy.real_real,
    }


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
