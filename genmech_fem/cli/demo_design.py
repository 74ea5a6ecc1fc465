"""The demo's designs: for held-out targets, by all methods with the same number of solves."""

from typing import Any

import numpy as np

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.cli import page
from genmech_fem.cli.demo_stages import VERIFY_REFINE, Data, decoder, draw_noise, onnx_file, sampler, solver
from genmech_fem.cli.parallel import in_parallel
from genmech_fem.cli.progress import progress_bar
from genmech_fem.cli.run_folder import Run
from genmech_fem.design import Candidates, TensorTarget, inverse_design, verify
from genmech_fem.fields import Arrays, concatenate
from genmech_fem.geometry import write
from genmech_fem.runtime import OnnxModel


def design(run: Run) -> dict[str, Any]:
    """Design for held-out targets, side by side, with the ONNX sessions; all methods get the same number of solves."""
    s = run.settings
    held_out = len(Data(run).held_out)
    chosen = np.random.default_rng([s.seed, 2]).choice(held_out, s.targets, replace=False)
    targets = in_parallel(_design, [(run, number, int(sample)) for number, sample in enumerate(chosen)])
    methods = targets[0]["methods"]
    return {
        "targets": targets,
        "median_error": {m: float(np.median([t["methods"][m]["error"] for t in targets])) for m in methods},
        "candidates_unverified": s.targets * (s.candidates - s.solves),
    }


def _design(run: Run, number: int, held_out: int) -> dict[str, Any]:
    """Design for one held-out sample's stiffness by all methods, and keep the best designs."""
    stored, verifier = Data(run), solver(run.settings, VERIFY_REFINE)
    objective = TensorTarget(stored.test["stiffness"][held_out])
    with progress_bar(1, f"4 design for target {number}", position=number) as bar:
        found = _search(run, number, objective, stored.train, verifier)
        _keep(run, number, stored.test["phase"][held_out], found, verifier)
        bar.update()
    return {
        "sample": int(stored.held_out[held_out]),
        "target": objective.target.tolist(),
        "methods": {method: _outcome(c, objective) for method, c in found.items()},
    }


def _search(
    run: Run, number: int, objective: TensorTarget, train: Arrays, verifier: ConformingHomogenization
) -> dict[str, Candidates]:
    """The verified designs of each method for one target, with the same number of solves."""
    s = run.settings
    generator, surrogate = decoder(run), OnnxModel(onnx_file(run, "surrogate"))
    draws = draw_noise(generator, np.repeat(objective.target[None], s.candidates, axis=0), s.seed + 1 + number)
    near = np.argsort(objective(train), kind="stable")[: s.solves]
    draw = sampler(s)
    cells = [draw(np.random.default_rng([s.seed, 3, number, k])) for k in range(s.solves)]
    return {
        "generator + surrogate": inverse_design(generator, surrogate, verifier, objective, draws, solves=s.solves),
        "nearest in training set": verify(verifier, {"phase": train["phase"][near]}, objective),
        "random search": verify(verifier, concatenate(cells), objective),
    }


def _outcome(found: Candidates, objective: TensorTarget) -> dict[str, Any]:
    """The best verified design of one method."""
    predicted = objective.error(found.predicted) if found.predicted else None
    return {
        "stiffness": found.verified["stiffness"][0].tolist(),
        "predicted_stiffness": None if predicted is None else found.predicted["stiffness"][0].tolist(),
        "predicted_error": None if predicted is None else float(predicted[0]),
        "error": float(objective.error(found.verified)[0]),
        "all_errors": objective.error(found.verified).tolist(),
        "failures": {str(i): reason for i, reason in found.failures.items()},
        "solves": found.solves,
    }


def _keep(
    run: Run, number: int, target: np.ndarray, found: dict[str, Candidates], verifier: ConformingHomogenization
) -> None:
    """Write the designs of one target, and the mesh of the best one in three formats."""
    folder = run.folder / "designs"
    folder.mkdir(exist_ok=True)
    best = {method.replace(" ", "_"): c.designs["phase"][0] for method, c in found.items()}
    page.write_arrays(folder / f"target_{number}.npz", target=target, **best)
    mesh = verifier.mesh(found["generator + surrogate"].designs["phase"][0])
    for suffix in (".msh", ".xdmf", ".vtu"):
        write(mesh, folder / f"target_{number}{suffix}")
