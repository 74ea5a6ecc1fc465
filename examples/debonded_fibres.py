"""Debonded fibres found in measured strains.

DOLFINx solves the tension of plates with stiff fibres. In some of them a part of the interface of one fibre has lost
its stiffness, or a fibre is a void. What is seen is the strain with noise, as from a digital image correlation, and
not where the fibres are. Run it with  python examples/debonded_fibres.py FOLDER  (three minutes); the folder then holds
the detector as ONNX and a picture.
"""

import sys
from pathlib import Path

from genmech_fem.adapters import ProblemModel, cell_values, sample_state
from genmech_fem.anomaly import DescriptorDistance, Detector, PatchMemory, Reconstruction
from genmech_fem.export import detector_to_onnx
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.generative import Architecture, Autoencoder
from genmech_fem.metrics import auroc
from genmech_fem.microstructure import PeriodicFibres, phase_grid
from genmech_fem.plotting import detection_figure, to_png
from genmech_fem.problems import Dirichlet, Roller, elasticity
from genmech_fem.training import Recipe, fit

import numpy as np
import torch
from dolfinx import mesh
from mpi4py import MPI

POINTS = 48
NOISE = 1.5  # standard deviation [applied strain]: the load is small
MATRIX, FIBRE, LOST = 3.5, 70.0, 0.01  # Young's moduli [GPa]
STRAIN = FieldSpec("strain", phase_grid(POINTS), (3,), "1")  # xx, yy and xy, over the applied one
DEFECTS = ("debonded", "void")


def side(axis: int, place: float):
    """Which points (3, n) lie on a side of the plate."""
    return lambda x: np.isclose(x[axis], place)


def tension() -> ProblemModel:
    """From Young's modulus [GPa] on pixels to the displacement of a plate that is pulled by the strain 1."""
    conditions = (Roller(side(0, 0.0), 0), Roller(side(1, 0.0), 1), Dirichlet(side(0, 1.0), 1.0, component=0))
    domain = mesh.create_unit_square(MPI.COMM_SELF, POINTS, POINTS, mesh.CellType.quadrilateral)
    problem = elasticity(domain, conditions)
    modulus = FieldSpec("youngs_modulus", phase_grid(POINTS), (), "GPa")
    corners = Grid((POINTS + 1,) * 2, (0.0, 0.0), (1.0, 1.0), at="nodes")
    return ProblemModel(
        problem,
        (cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus"),),
        (sample_state(problem.state, FieldSpec("displacement", corners, (2,))),),
    )


def moduli(n: int, defect: str | None, seed: int) -> np.ndarray:
    """Young's modulus (n, nx, ny) [GPa] of plates, each with one defect, unless that is None."""
    draw, points = PeriodicFibres(POINTS, (0.09, 0.13), (0.15, 0.4)), phase_grid(POINTS).points()
    fields = np.full((n, len(points)), MATRIX)
    for i, field in enumerate(fields):
        generator = np.random.default_rng([seed, i])
        centres, radius = draw.discs(generator)
        offsets = (points[:, None] - centres + 0.5) % 1 - 0.5
        distance = np.linalg.norm(offsets, axis=-1)
        field[(distance < radius).any(axis=1)] = FIBRE
        inside = np.abs(centres - 0.5).max(axis=1) < 0.5 - radius
        k = int(np.flatnonzero(inside)[0]) if inside.any() else 0
        if defect == "void":
            field[distance[:, k] < radius] = LOST
        elif defect == "debonded":
            angle = np.angle(np.exp(1j * (np.arctan2(*offsets[:, k].T[::-1]) - generator.uniform(0, 2 * np.pi))))
            at_interface = np.abs(distance[:, k] - radius) < 0.75 / POINTS
            field[at_interface & (np.abs(angle) < np.pi / 3)] = LOST
    return fields.reshape(n, POINTS, POINTS)


def strains(model: ProblemModel, n: int, defect: str | None, seed: int) -> np.ndarray:
    """Strains (n, 3, nx, ny) at the middle of the pixels, as differences of measured displacements are."""
    u = model({"youngs_modulus": moduli(n, defect, seed)})["displacement"]
    along_x, along_y = (np.diff(u, axis=axis) * POINTS for axis in (2, 3))
    by_x, by_y = (along_x[..., 1:] + along_x[..., :-1]) / 2, (along_y[..., 1:, :] + along_y[..., :-1, :]) / 2
    return np.stack([by_x[:, 0], by_y[:, 1], (by_y[:, 0] + by_x[:, 1]) / 2], axis=1)


def measured(strain: np.ndarray, noise: float, seed: int) -> torch.Tensor:
    """Strains with white noise [applied strain]."""
    return torch.as_tensor(strain + noise * np.random.default_rng(seed).standard_normal(strain.shape)).float()


def main(
    folder: str | Path, *, samples: int = 400, tested: int = 100, seconds: float = 40.0, noise: float = NOISE
) -> dict[str, dict[str, float]]:
    """Return the AUROC of each detector for both defects."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = tension()
    x, calibration, normal = (
        measured(strains(model, n, None, seed), noise, seed) for seed, n in enumerate((samples, 100, tested))
    )
    defects = {name: measured(strains(model, tested, name, 3 + i), noise, 3 + i) for i, name in enumerate(DEFECTS)}
    sizes = Architecture((24, 48), patch=2, padding_mode="zeros")
    network = Autoencoder((3, POINTS, POINTS), 64, network=sizes, noise=0.3)
    for progress in fit(network, {"x": x}, Recipe(seconds=seconds, batch_size=16)):
        if progress.step % 100 == 0:
            print(f"step {progress.step}, loss {progress.losses['model']:.3f}, {progress.seconds_left:.0f} s left")
    detectors: dict[str, Detector] = {
        **{name: DescriptorDistance(network.shape, name) for name in ("area", "statistics", "S2")},
        "autoencoder": Reconstruction(network, 8),
        "patches": PatchMemory(network, (0,), 2000),
    }
    found = {}
    for name, detector in detectors.items():
        detector.fit_normal(x, calibration)
        scores = detector.score(normal).numpy()
        odd = {defect: detector.score(some).numpy() for defect, some in defects.items()}
        odd["any"] = np.concatenate(list(odd.values()))
        found[name] = {defect: auroc(scores, some) for defect, some in odd.items()}
    best, some = detectors["patches"], defects["debonded"]
    detector_to_onnx(best, Path(folder) / "detector.onnx", field=STRAIN, samples={"strain": some.double().numpy()})
    scores = {"bonded": best.score(normal).numpy(), "debonded": best.score(some).numpy()}
    figure = detection_figure(
        scores,
        best.threshold(),
        some[:8, 0].numpy(),
        best.score_map(some[:8]).numpy(),
        [f"{score:.1f}" for score in scores["debonded"][:8]],
    )
    (Path(folder) / "scores.png").write_bytes(to_png(figure))
    return found


if __name__ == "__main__":
    for name, row in main(sys.argv[1]).items():
        print(name, ", ".join(f"{defect}: AUROC {value:.3f}" for defect, value in row.items()))
