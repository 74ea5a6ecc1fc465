"""Inverse design and optimisation loops, each beside the strongest simple baselines at equal solves.

Run it with  uv run python tests/benchmarks/design.py [--quick]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path
from typing import Any

import c_inversion
import compliance_ratio
import engibench_beams
import guarded_design
import reporting
import simp_speed

TASKS = (
    c_inversion.TASK,
    compliance_ratio.TASK,
    "bracket by L-BFGS",
    "bracket by CMA-ES",
    "Beams2D 64x32",
    "Beams2D 100x50",
    "beams 64x32",
    "SIMP 60x20 density filter",
    "SIMP 120x40 density filter",
    "SIMP 240x80 density filter",
)


def main() -> None:
    """Make the optimal topologies, run all jobs, two at a time, and write the results."""
    args = reporting.arguments(__doc__ or "")
    inversion, ratio, beams, guarded = (
        module.QUICK if args.quick else module.Sizes()
        for module in (c_inversion, compliance_ratio, engibench_beams, guarded_design)
    )
    seeds = list(inversion.seeds)
    folder = Path(__file__).parent / "data" / f"topologies-{ratio.optima}"
    compliance_ratio.optima(ratio.optima, folder)
    jobs: list[tuple[Any, ...]] = [
        *((job, seed, inversion) for job in c_inversion.JOBS for seed in seeds),
        *(
            (compliance_ratio.latents, kind, seed, folder, ratio)
            for kind in ("diffusion", "autoencoder", "vae")
            for seed in seeds
        ),
        (compliance_ratio.baselines, folder, ratio),
        *((guarded_design.rows, seed, guarded) for seed in seeds),
        (engibench_beams.agreement, beams),
        *((engibench_beams.beams, seed, beams) for seed in seeds),
        *((simp_speed.rows, *size) for size in (simp_speed.QUICK if args.quick else simp_speed.SIZES)),
    ]
    rows, earlier = reporting.run("design", jobs, quick=args.quick)
    figures = {
        **{name: value / 100 for name, value in c_inversion.figures(rows).items()},
        **compliance_ratio.figures(rows),
        **engibench_beams.figures(rows),
        **simp_speed.figures(rows),
    }
    reporting.write("design", figures, rows, seeds, quick=args.quick, earlier=earlier, tasks=TASKS)


if __name__ == "__main__":
    main()
