"""A guard in front of a surrogate: microstructures unlike those that it was trained on.

A network learns the effective stiffness of fibre cells from DOLFINx solves. It answers as readily for cells of other
families, and worse. A detector that has seen nothing but fibres says which answers a solve should check. Run it with
python examples/out_of_family.py  (three minutes).
"""

from collections.abc import Callable
from pathlib import Path

from genmech_fem.adapters import pixel_stiffness
from genmech_fem.anomaly import DescriptorDistance, Detector, PatchMemory
from genmech_fem.generative import Architecture, Autoencoder
from genmech_fem.metrics import auroc, relative_frobenius
from genmech_fem.microstructure import BasicShapes, GaussianRandomField, PeriodicFibres, Voronoi
from genmech_fem.plotting import to_png
from genmech_fem.surrogates import PropertySurrogate
from genmech_fem.training import Recipe, TorusSymmetries, fit

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

POINTS, RANGE = 32, (0.1, 0.4)  # pixels along a side, volume fractions
FAMILIES: dict[str, Callable[[np.random.Generator], dict[str, np.ndarray]]] = {
    "fibres": PeriodicFibres(POINTS, volume_fraction=RANGE),
    "squares": BasicShapes(POINTS, ("square",), count=(4, 12)),
    "random field": GaussianRandomField(POINTS, volume_fraction=RANGE),
    "network of walls": Voronoi(POINTS, seeds=(4, 10), wall=(0.05, 0.1)),
}


def cells(family: str, n: int, seed: int) -> np.ndarray:
    """Cells (n, nx, ny) of a family."""
    return np.concatenate([FAMILIES[family](np.random.default_rng([seed, i]))["phase"] for i in range(n)])


def tensor(phase: np.ndarray) -> Tensor:
    """Images as samples (n, 1, nx, ny) of a network."""
    return torch.as_tensor(phase, dtype=torch.float32)[:, None]


def picture(judged: dict[str, tuple[np.ndarray, np.ndarray]], threshold: float) -> Figure:
    """A cell of each family, and the scores (n,) and errors (n,) of all of them with the threshold of the guard."""
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 1.6))
    ax = right.subplots()
    for k, (family, (scores, errors)) in enumerate(judged.items()):
        place = left.add_subplot(2, 2, k + 1)
        place.imshow(cells(family, 1, 2)[0].T, origin="lower", cmap="gray_r")
        place.set(xticks=[], yticks=[])
        place.set_title(family, color=f"C{k}")
        ax.semilogy(scores, 100 * errors, f"C{k}.", label=family)
    ax.axvline(threshold, color="k", lw=1, label="guard: solve what is beyond")
    ax.set(xscale="symlog", xlabel="score of the patches [standard deviations of fibres]")
    ax.set_ylabel("error of the surrogate's stiffness [%]")
    ax.legend(fontsize=8)
    return figure


def main(
    folder: Path | None = None, *, samples: int = 600, tested: int = 60, seconds: float = 40.0, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return for each family the median error of the surrogate and the AUROC of detectors against unseen fibres.

    With a folder, a picture of them goes there.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    solver = pixel_stiffness(POINTS)
    phase, calibration = cells("fibres", samples, 0), tensor(cells("fibres", 100, 1))
    x, stiffness = tensor(phase), torch.as_tensor(solver({"phase": phase})["stiffness"]).float()
    surrogate = PropertySurrogate((1, POINTS, POINTS), 6, widths=(16, 32, 48), patch=2)
    autoencoder = Autoencoder((1, POINTS, POINTS), network=Architecture((16, 32)))
    symmetries = TorusSymmetries({"x": "scalar", "y": "mandel_triangle"})
    for _ in fit(surrogate, {"x": x, "y": stiffness}, Recipe(seconds=seconds, seed=seed), augment=symmetries):
        pass
    for _ in fit(autoencoder, {"x": x}, Recipe(seconds=seconds, seed=seed), augment=TorusSymmetries({"x": "scalar"})):
        pass
    detectors: dict[str, Detector] = {
        "area": DescriptorDistance(autoencoder.shape, "area"),
        "S2": DescriptorDistance(autoencoder.shape, "S2"),
        "patches": PatchMemory(autoencoder),
    }
    for detector in detectors.values():
        detector.fit_normal(x, calibration)
    found, normal, judged = {}, {}, {}
    for family in FAMILIES:
        phase = cells(family, tested, 2)
        exact = solver({"phase": phase})["stiffness"]
        with torch.no_grad():
            error = relative_frobenius(surrogate.eval()(tensor(phase)).double().numpy(), exact)
        scores = {name: detector.score(tensor(phase)).numpy() for name, detector in detectors.items()}
        normal, judged[family] = normal or scores, (scores["patches"], error)
        found[family] = {
            "error [%]": 100 * float(np.median(error)),
            "checked [%]": 100 * float((scores["patches"] > detectors["patches"].threshold()).mean()),
            **{name: auroc(normal[name], some) for name, some in scores.items()},
        }
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "guard.png").write_bytes(to_png(picture(judged, detectors["patches"].threshold())))
    return found


if __name__ == "__main__":
    for family, row in main(Path("runs/out_of_family")).items():
        print(family, ", ".join(f"{name} {value:.3g}" for name, value in row.items()))
