"""The demo's report: one HTML file with all pictures inside, and the pictures as files."""

from typing import Any

import numpy as np

from genmech_fem.cli import page
from genmech_fem.cli.demo import HEADERS, design_rows
from genmech_fem.cli.demo_settings import COMPONENTS
from genmech_fem.cli.demo_stages import LABEL_REFINE, VERIFY_REFINE, Data, solver
from genmech_fem.cli.run_folder import Run
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import MissingExtraError
from genmech_fem.plotting import histories, images, mesh_picture, parity, to_png

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
except ImportError as error:
    raise MissingExtraError("jinja2", "viz") from error


def write(run: Run) -> dict[str, Any]:
    """Draw the figures and write ``report.html``."""
    folder = run.folder / "figures"
    folder.mkdir(exist_ok=True)
    pictures = {}
    for name, figure in _figures(run).items():
        png = to_png(figure)
        write_atomic(folder / f"{name}.png", png)
        pictures[name] = page.data_uri(png)
    environment = Environment(
        loader=PackageLoader("genmech_fem.cli", "templates"), autoescape=True, undefined=StrictUndefined
    )
    body = environment.get_template("report.html").render(
        record=run.record,
        pictures=pictures,
        headers=HEADERS,
        designs=design_rows(run.record),
        label_refine=LABEL_REFINE,
        verify_refine=VERIFY_REFINE,
    )
    page.write_page(
        run.folder / "report.html", "From microstructures to verified designs", [body, *page.about(run.record)]
    )
    return {"figures": sorted(pictures)}


def _figures(run: Run) -> dict[str, Any]:
    split_data = Data(run)
    train, test = split_data.train, split_data.test
    with np.load(run.folder / "held_out_predictions.npz") as file:
        predicted = dict(file)
    figures = {
        "microstructures": images([list(train["phase"][:8])], colours="gray_r", limits=(0, 1)),
        "losses": histories(
            {name: run.record["learn"][name]["curve"] for name in ("generator", "surrogate")}, "step", "loss"
        ),
        "parity": parity(test["stiffness"], predicted["stiffness"], COMPONENTS, "GPa"),
        "strain": _strain(test["phase"], test["strain"], predicted["strain"]),
        "generated": images(
            [list(predicted["generated"][:8]), list(test["phase"][:8])],
            [["generated for C* of"] * 8, ["this held-out cell"] * 8],
            colours="gray_r",
            limits=(0, 1),
        ),
    }
    verifier = solver(run.settings, VERIFY_REFINE)
    for number, target in enumerate(run.record["design"]["targets"]):
        with np.load(run.folder / "designs" / f"target_{number}.npz") as file:
            cells = dict(file)
        titles = ["target's own cell"]
        titles += [f"{m}\n{100 * found['error']:.2f} %" for m, found in target["methods"].items()]
        figures[f"target_{number}"] = images(
            [list(cells.values())], [titles], colours="gray_r", limits=(0, 1), size=2.1
        )
        mesh = verifier.mesh(cells["generator_+_surrogate"])
        figures[f"mesh_{number}"] = mesh_picture(mesh, f"verified on {len(mesh.cells)} triangles")
    return figures


def _strain(phase: np.ndarray, truth: np.ndarray, guess: np.ndarray) -> Any:
    """Strain e11 under unit strain E11 in two held-out cells: phase, solver, surrogate, difference."""
    rows = [[phase[i], truth[i, 0, 0], guess[i, 0, 0], guess[i, 0, 0] - truth[i, 0, 0]] for i in (0, 1)]
    return images(rows, [["phase", "e11, DOLFINx", "e11, ONNX surrogate", "difference"]] * 2)
