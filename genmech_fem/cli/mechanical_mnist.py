"""``genmech verify mechanical-mnist``: solve blocks of Mechanical MNIST again and compare the strain energies.

Lejeune (2020), doi:10.1016/j.eml.2020.100659; uniaxial extension.
"""

import argparse
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.cli import mnist_report, page
from genmech_fem.cli.commands.mechanical_mnist import TOLERANCE_PERCENT
from genmech_fem.cli.mnist_report import FROM_DISPLACEMENT
from genmech_fem.cli.progress import progress_bar
from genmech_fem.datasets.mechanical_mnist import Published, read, youngs_modulus
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import ConvergenceError

DIFFERENT = 1


def run(args: argparse.Namespace) -> int:
    """Compare and print; 0 if every energy agrees within the tolerance, 1 if not.

    Raises:
        DatasetError: The file is damaged or holds something else.
        ValueError: The range of samples is malformed or reaches outside the file, or the
            tolerance is not positive.
        OSError: A file cannot be read or written.
    """
    if not args.tolerance > 0:
        raise ValueError(f"--tolerance: expected a positive number of percent, got {args.tolerance:g}")
    published = read(args.file)
    samples = parse_range(args.samples, len(published.bitmap))
    if args.json is not None:
        _check_writable(args.json)
    result = compare(published, samples, tolerance=args.tolerance / 100)
    print(mnist_report.table(result))
    for sample, reason in result["failures"].items():
        print(f"sample {sample}: failed: {reason}")
    print(mnist_report.summary(result))
    if args.json is not None:
        write_atomic(args.json, json.dumps({"file": str(args.file), **result}, indent=1).encode())
        mnist_report.write_page(args, result)
    return 0 if result["agrees"] else DIFFERENT


def parse_range(text: str, count: int) -> range:
    """Range of samples from ``A:B``."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None:
        raise ValueError(f"--samples: expected A:B with whole numbers, such as 0:20, got '{text}'")
    start, stop = map(int, match.groups())
    if not start < stop <= count:
        raise ValueError(f"--samples: expected A:B with A < B <= {count} (samples in the file), got '{text}'")
    return range(start, stop)


def compare(published: Published, samples: range, *, tolerance: float = TOLERANCE_PERCENT / 100) -> dict[str, Any]:
    """Solve the samples; JSON data with a row for every step and every energy."""
    steps, start = published.displacement, time.perf_counter()
    energies, failures = _solved(published, samples)
    seconds = (time.perf_counter() - start) / len(samples)
    reference = published.strain_energy[samples.start : samples.stop]
    difference = np.full_like(energies, np.nan)
    np.divide(np.abs(energies - reference), np.abs(reference), out=difference, where=reference != 0)
    compared = difference[:, steps >= FROM_DISPLACEMENT]
    maximum = _of(np.max, compared)
    return {
        "samples": [samples.start, samples.stop],
        "rows": [
            {"displacement": d, "median": _of(np.median, column), "maximum": _of(np.max, column)}
            for d, column in zip(steps.tolist(), difference.T, strict=True)
        ],
        "maximum": maximum,
        "tolerance": tolerance,
        "agrees": not failures and maximum is not None and maximum <= tolerance,
        "seconds_per_sample": seconds,
        "failures": failures,
        "strain_energy": [[page.known(x) for x in row] for row in energies],
        "relative_difference": [[page.known(x) for x in row] for row in difference],
    }


def _solved(published: Published, samples: range) -> tuple[np.ndarray, dict[int, str]]:
    """Energies (samples, steps), NaN where a solve failed, and the reasons for that by sample."""
    from genmech_fem.problems import extension_energies, uniaxial_extension

    problem, steps = uniaxial_extension((28, 28)), published.displacement
    energies = np.full((len(samples), len(steps)), np.nan)
    failures = {}
    with progress_bar(len(samples), "Mechanical MNIST") as bar:
        for row, sample in enumerate(samples):
            try:
                energies[row] = extension_energies(problem, youngs_modulus(published.bitmap[sample]), steps)
            except ConvergenceError as error:
                failures[sample] = str(error)
            bar.update()
    return energies, failures


def _of(statistic: Any, values: np.ndarray) -> float | None:
    """Statistic of the numbers among `values`; None if there are none."""
    numbers = values[np.isfinite(values)]
    return float(statistic(numbers)) if numbers.size else None


def _check_writable(file: Path) -> None:
    if file.is_dir():
        raise IsADirectoryError(f"--json {file}: expected a file to write, got a folder")
    try:
        tempfile.TemporaryFile(dir=file.parent).close()
        if file.exists():
            file.open("a").close()
    except OSError as error:
        raise OSError(f"--json {file}: cannot be written ({error.strerror})") from error
