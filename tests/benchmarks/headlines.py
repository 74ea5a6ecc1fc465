"""The table of headlines in the README, from the committed results.

Run it with  uv run python tests/benchmarks/headlines.py
"""

import json
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- headlines -->\n", "<!-- end of headlines -->\n"
HEADLINES = (
    (
        "design",
        "two-phase cell for a wanted C*, 150 held-out tensors, at most 41 solves: median error; within 5 %",
        "{c_inversion_median:.2%}; {c_inversion_success5:.0%}",
        "look-up {c_inversion_median_nearest:.1%}; {c_inversion_success5_nearest:.0%}; with 40 adjoint solves "
        "{c_inversion_median_nearest_adjoint:.1%}; {c_inversion_success5_nearest_adjoint:.0%}",
    ),
    (
        "design",
        "stiff structure from a latent, meshed and solved again: compliance over that of optimality criteria",
        "autoencoder {compliance_ratio_autoencoder:.3f}, diffusion {compliance_ratio_diffusion:.3f}",
        "ten steps from the nearest neighbour 1.001: no network needed",
    ),
    (
        "design",
        "an iteration of topology optimisation, 120x40",
        "{simp_speedup_88line_120x40:.1f} times as fast as the 88-line code with SciPy",
        "pyMOTO 4.2 times (and faster than ours at 240x80)",
    ),
    (
        "runtime",
        "guaranteed error bounds of proposed states: share that holds; cost over a solve of 128^2 cells",
        "{bound_holds_share:.0%} of {bound_cases:.0f}; {cost_share_128:.0%}",
        "residual norms bound nothing",
    ),
    (
        "problems",
        "CPU time of the best peer over ours, effective stiffness of 64^2 pixels; of 32^3 voxels",
        "{homogenization_64_ratio:.2f}; {homogenization_32cubed_ratio:.1f}",
        "fedoo, muSpectre, torch-fem, each at its best",
    ),
    (
        "datasets",
        "a campaign beside a bare loop over LinearProblem: speed; samples lost after kill -9",
        "{campaign_speedup:.1f} times; {lost_after_kill:.0f} of {finished_before_kill:.0f}",
        "the same loop with our solver settings {campaign_speedup_settings:.1f} times slower",
    ),
    (
        "anomaly",
        "defects in strain fields: AUROC; fibre cells with one wrong fibre",
        "{strain_best_auroc:.3f}; {e27_matched_k1_auroc:.4f}",
        "plain descriptors {strain_baseline_auroc:.3f}; {e27_matched_k1_baseline_auroc:.4f}",
    ),
    (
        "surrogates",
        "Darcy flow: relative L2 error; 3D elasticity: speed over the solver, calls until training has paid",
        "{darcy_unet:.1%}; {speedup_3d_32:.0f} times, {break_even_3d_32:.0f} calls",
        "a coarser solver is often the better buy: see the page",
    ),
    (
        "geometry",
        "conforming mesh of a 64^2 image; images meshed",
        "{cpu_ms_64:.0f} ms; {success_2d:.0%} in 2D, {success_3d:.0%} in 3D",
        "gmsh and mmg beside it on the page",
    ),
    (
        "plugins",
        "an exported law in a UFL form: error against UFL; Newton iterations",
        "{external_operator_error:.0e}; {external_operator_newton_iterations:.0f}",
        "the law in UFL: {external_operator_newton_iterations:.0f}",
    ),
    (
        "faults",
        "faults brought about (kills, full disks, damaged and malicious files, leaks): survived; samples lost",
        "{faults_survived} of {faults_tried}; {samples_lost}",
        "",
    ),
    (
        "demo",
        "the whole demo, from sampling to verified designs: design error",
        "{demo_seconds:.0f} s; {design_error_verified:.2%}",
        "nearest neighbour {design_error_nearest:.2%}, random {design_error_random:.1%}",
    ),
)


def figures(name: str) -> dict[str, float]:
    """Figures of a benchmark."""
    path = ROOT / "tests" / "benchmarks" / "results" / f"{name}.json"
    return dict(json.loads(path.read_text())["figures"])


def table() -> str:
    """The table in Markdown."""
    campaign = figures("problems")
    more = {
        "campaign_speedup": campaign["campaign_speedup_vs_linearproblem"],
        "campaign_speedup_settings": campaign["campaign_speedup_vs_linearproblem_with_our_settings"],
    }
    rows = []
    for name, what, ours, baseline in HEADLINES:
        known = {**more, **figures(name)}
        rows.append((what, ours.format(**known), baseline.format(**known), f"`{name}.py`"))
    heads = ("measured", "genmech_fem", "strongest simple baseline", "tests/benchmarks/")
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True) + "\n"


def main() -> None:
    """Put the table into the README."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    head, rest = text.split(BEGIN)
    readme.write_text(head + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
