"""How many labels does pretraining save?

A network learns the effective stiffness of random two-phase cells, of which DOLFINx solves many. Then it has to learn
cells of stiff fibres in a softer matrix, of which few are solved: from nothing, or from what it knows, with all of its
weights, its head alone, or low-rank updates. Run it with  python examples/pretrain_and_adapt.py  (five minutes).
"""

import copy
from collections.abc import Callable
from pathlib import Path

from genmech_fem.adapters import Material, pixel_stiffness
from genmech_fem.metrics import quantiles, relative_l2
from genmech_fem.microstructure import GaussianRandomField, PeriodicFibres
from genmech_fem.plotting import to_png
from genmech_fem.surrogates import PropertySurrogate, labels_needed, learning_curve, low_rank, only
from genmech_fem.training import Batch, Recipe, TorusSymmetries, Trainable, fit

import numpy as np
import torch
from matplotlib.figure import Figure

POINTS = 32
FAMILIES = {
    "random fields": (
        GaussianRandomField(POINTS, volume_fraction=(0.1, 0.6)),
        Material(3.5, 0.35),
        Material(70.0, 0.22),
    ),
    "fibres": (PeriodicFibres(POINTS, volume_fraction=(0.1, 0.4)), Material(2.5, 0.4), Material(200.0, 0.25)),
}
SYMMETRIES = TorusSymmetries({"x": "scalar", "y": "mandel_triangle"})


def solved(family: str, count: int, stream: int) -> Batch:
    """Cells with the stiffness that DOLFINx finds, in units of the matrix's Young's modulus."""
    draw, matrix, inclusion = FAMILIES[family]
    phase = np.concatenate([draw(np.random.default_rng([stream, i]))["phase"] for i in range(count)])
    stiffness = pixel_stiffness(POINTS, matrix, inclusion)({"phase": phase})["stiffness"] / matrix.youngs_modulus
    return {"x": torch.as_tensor(phase).float()[:, None], "y": torch.as_tensor(stiffness).float()}


def network() -> PropertySurrogate:
    """An untrained network."""
    return PropertySurrogate((1, POINTS, POINTS), 6, head="positive", widths=(16, 32, 48), patch=2)


def adapted(model: Trainable, way: str) -> Trainable:
    """A copy of a model that may change in this way."""
    model = copy.deepcopy(model).train()
    if way == "low-rank updates":
        low_rank(model, 4)
    elif way == "head alone":
        only(model, ["read*"])
    return model


def picture(found: dict[str, dict[int, list[float]]]) -> Figure:
    """A cell of either family, and the error over the number of labels for each way."""
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 2.4))
    for ax, (family, (draw, _, _)), what in zip(
        left.subplots(2), FAMILIES.items(), ("pretrained", "adapted"), strict=True
    ):
        ax.imshow(draw(np.random.default_rng(0))["phase"][0].T, origin="lower", cmap="gray_r")
        ax.set(xticks=[], yticks=[], title=f"{what}: {family}")
    ax = right.subplots()
    for way, row in found.items():
        errors = {labels: 100 * np.median(some) for labels, some in row.items()}
        if 0 in errors:
            ax.axhline(errors[0], color="k", ls=":", label=way)
        else:
            ax.loglog(*zip(*errors.items(), strict=True), "o-", label=way)
            ax.set_xticks(list(errors), list(errors))
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="solved fibre cells", ylabel="median error of the stiffness [%]")
    ax.legend()
    return figure


def main(
    folder: Path | None = None,
    *,
    pretraining: int = 1000,
    labels: tuple[int, ...] = (8, 16, 32, 64, 128),
    tested: int = 200,
    steps: tuple[int, int, int] = (1500, 1000, 300),
    seeds: tuple[int, ...] = (0,),
) -> dict[str, dict[int, list[float]]]:
    """Return for each way the median relative error on unseen fibre cells, by number of labels, for each seed.

    Args:
        folder: Where a picture is drawn, if anywhere.
        pretraining: Solved random fields.
        labels: Numbers of solved fibre cells to learn from.
        tested: Fibre cells that are judged.
        steps: Of the pretraining, of the training of all weights, and of that of some of them.
        seeds: Seeds of everything random.
    """
    torch.set_num_threads(1)
    known, data, asked = (
        solved("random fields", pretraining, 0),
        solved("fibres", max(labels), 1),
        solved("fibres", tested, 2),
    )

    def score(model: Trainable) -> float:
        with torch.no_grad():
            return quantiles(relative_l2(model(asked["x"]).double().numpy(), asked["y"].double().numpy()))["median"]

    before: dict[int, Trainable] = {}
    for seed in seeds:
        torch.manual_seed(seed)
        before[seed] = network()
        for _ in fit(before[seed], known, Recipe(steps[0], learning_rate=3e-3, seed=seed), augment=SYMMETRIES):
            pass
    ways: dict[str, Callable[[int], Trainable]] = {
        "from nothing": lambda seed: network(),  # noqa: ARG005
        **{
            way: lambda seed, way=way: adapted(before[seed], way)
            for way in ("all weights", "head alone", "low-rank updates")
        },
    }
    found: dict[str, dict[int, list[float]]] = {"as pretrained": {0: [score(before[seed]) for seed in seeds]}}
    for way, make in ways.items():
        rate = 1e-3 if way == "all weights" else 3e-3
        length = steps[1] if way in ("from nothing", "all weights") else steps[2]

        def recipe(count: int, seed: int, rate: float = rate, length: int = length) -> Recipe:
            return Recipe(length, batch_size=min(8, count), learning_rate=rate, seed=seed)

        found[way] = {}
        for point in learning_curve(make, data, labels, recipe, score, seeds=seeds, augment=SYMMETRIES):
            found[way].setdefault(point.labels, []).append(point.score)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "labels.png").write_bytes(to_png(picture(found)))
    return found


if __name__ == "__main__":
    found = main(Path("runs/pretrain_and_adapt"))
    scratch = {labels: errors[0] for labels, errors in found["from nothing"].items()}
    for way, row in found.items():
        curve = {labels: errors[0] for labels, errors in row.items()}
        text = ", ".join(f"{labels} labels {100 * error:.2f} %" for labels, error in curve.items())
        needed = labels_needed(curve, scratch[64])
        print(f"{way:18} {text}; the error of 64 from nothing with {needed:.0f}")
