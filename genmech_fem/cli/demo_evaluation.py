"""The demo's measurements: generator and surrogate on held-out cells, beside simple baselines and the solver."""

import time
from typing import Any

import numpy as np

from genmech_fem.cli import page
from genmech_fem.cli.demo_stages import Data, decoder, draw_noise, onnx_file, solver
from genmech_fem.cli.run_folder import Run
from genmech_fem.fields import Arrays, take
from genmech_fem.forward import ForwardModel, in_batches
from genmech_fem.metrics import relative_frobenius
from genmech_fem.microstructure import circular_share, volume_fraction
from genmech_fem.runtime import OnnxModel


def evaluate(run: Run) -> dict[str, Any]:
    """Measure the ONNX files on the held-out samples beside simple baselines, and time them beside the solver."""
    stored = Data(run)
    train, test = stored.train, stored.test
    phases = {"phase": test["phase"]}
    surrogate = OnnxModel(onnx_file(run, "surrogate"))
    predicted = in_batches(surrogate, phases, 64)
    mean_strain = np.broadcast_to(train["strain"].mean(axis=0), test["strain"].shape)
    guesses = {
        "surrogate (ONNX)": predicted,
        "nearest training image": take(train, _nearest(train["phase"], test["phase"])),
        "cubic in volume fraction": {"stiffness": _regression(train, test), "strain": mean_strain},
    }
    generator = decoder(run)
    made = generator(draw_noise(generator, test["stiffness"], run.settings.seed))["phase"]
    page.write_arrays(run.folder / "held_out_predictions.npz", generated=made, **predicted)
    solvers = {f"solver, {r} cells/pixel": solver(run.settings, r) for r in (1, 2, 4)}
    few = take(phases, slice(4))
    accuracy = {name: _errors(guess, test) for name, guess in guesses.items()}
    coarse = in_batches(solvers["solver, 1 cells/pixel"], phases, 64)
    fine = solvers["solver, 4 cells/pixel"](few)
    accuracy["solver, 1 cells/pixel"] = _errors(coarse, test)
    return {
        "accuracy": accuracy,
        "label_error": float(np.median(relative_frobenius(take(test, slice(4))["stiffness"], fine["stiffness"]))),
        "milliseconds": {
            "surrogate (ONNX), batch 1": _milliseconds(surrogate, take(phases, slice(1)), 10),
            "surrogate (ONNX), batch 32": _milliseconds(surrogate, take(phases, np.arange(32) % len(test["phase"])), 3),
            **{name: _milliseconds(model, few, 1) for name, model in solvers.items()},
        },
        "generator": {
            "discs, generated": float(circular_share(made).mean()),
            "discs, held-out data": float(circular_share(test["phase"]).mean()),
            "volume fraction, correlation asked/made": float(
                np.corrcoef(volume_fraction(made), volume_fraction(test["phase"]))[0, 1]
            ),
            "volume fraction, mean difference asked/made": float(
                np.abs(volume_fraction(made) - volume_fraction(test["phase"])).mean()
            ),
        },
    }


def _nearest(images: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Number of the image nearest to each query in the mean square."""
    a, b = images.reshape(len(images), -1), queries.reshape(len(queries), -1)
    return np.argmin((a**2).sum(axis=1) - 2 * b @ a.T, axis=1)


def _regression(train: Arrays, test: Arrays) -> np.ndarray:
    """Stiffness of the test samples from a cubic polynomial in the volume fraction."""
    powers = [np.vander(volume_fraction(part["phase"]), 4) for part in (train, test)]
    return powers[1] @ np.linalg.lstsq(powers[0], train["stiffness"])[0]


def _errors(guess: Arrays, truth: Arrays) -> dict[str, float]:
    """Median relative errors of the stiffness (Frobenius) and of the strain fluctuation (L2)."""
    size = len(truth["strain"])
    fluctuation = (truth["strain"] - np.eye(3)[:, :, None, None]).reshape(size, -1)
    strain = np.linalg.norm((guess["strain"] - truth["strain"]).reshape(size, -1), axis=1)
    return {
        "stiffness": float(np.median(relative_frobenius(guess["stiffness"], truth["stiffness"]))),
        "strain": float(np.median(strain / np.linalg.norm(fluctuation, axis=1))),
    }


def _milliseconds(model: ForwardModel, inputs: Arrays, repeats: int) -> float:
    """Median wall time of one sample [ms], after one call that does not count."""
    model(take(inputs, slice(1)))
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        model(inputs)
        times.append((time.perf_counter() - began) / len(next(iter(inputs.values()))))
    return 1000 * float(np.median(times))
