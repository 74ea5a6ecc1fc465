"""Report card of a generator: each score of its samples beside the same score of real images against real ones.

A score alone says little, for two sets of real images differ too. The real images are halved at random many
times, as in a permutation test: one half plays the generator, the other is what it is compared with.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from tabulate import tabulate

from genmech_fem.forward import ForwardModel
from genmech_fem.metrics.image_set import ROUNDING, ImageSet, phase_images
from genmech_fem.metrics.scores import AS_REAL, LOW, all_scores

NEIGHBOURS = 5
HALVINGS = 20


@dataclass(frozen=True)
class Score:
    """One row of the card.

    Args:
        name: What is measured, with its unit if it has one.
        value: The score of the samples.
        real_real: The same score of as many real images, the median over all halves.
        real_range: Smallest and largest score of a half; for a score that should be as that of real images,
            `real_real` less and plus the largest difference between two halves that belong together.
        good: Which values are good: ``"low"``, ``"high"`` or ``"as real"``.
    """

    name: str
    value: float
    real_real: float
    real_range: tuple[float, float]
    good: str

    @property
    def worse(self) -> bool:
        """Whether the score is beyond `real_range` on the bad side, or missing: by chance for one row in twenty."""
        low, high = self.real_range
        above, below = not self.value <= high, not self.value >= low
        return above if self.good == LOW else above or below if self.good == AS_REAL else below


@dataclass(frozen=True)
class ReportCard:
    """Scores of a generator; made by `report_card`.

    Args:
        rows: The scores.
        size: Number of samples, and of real images in each half.
        notes: What to know before reading the scores.
        samples: The samples.
        real: The half of the real images that they are compared with.
    """

    rows: tuple[Score, ...]
    size: int
    notes: tuple[str, ...]
    samples: ImageSet
    real: ImageSet

    def __getitem__(self, name: str) -> Score:
        """The score of this name.

        Raises:
            KeyError: There is none.
        """
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise KeyError(f"expected one of {list(rows)}, got {name!r}")
        return rows[name]

    def table(self) -> str:
        """The scores as a table in Markdown; where the samples are `Score.worse` than real images in bold."""
        return tabulate(
            [_cells(row) for row in self.rows],
            headers=("score", "samples", "real", "range of real", "good"),
            tablefmt="pipe",
            disable_numparse=True,
            colalign=("left", "right", "right", "right", "left"),
        )

    def to_json(self) -> str:
        """Scores, size and notes as JSON; a score that is not a number is null."""
        rows = [{**asdict(row), "worse": row.worse} for row in self.rows]
        return json.dumps({"size": self.size, "notes": self.notes, "rows": _plain(rows)}, indent=1, allow_nan=False)


def _cells(row: Score) -> tuple[str, ...]:
    value, real, low, high = (
        "-" if math.isnan(number) else f"{number:.4g}" for number in (row.value, row.real_real, *row.real_range)
    )
    return row.name, f"**{value}**" if row.worse else value, real, f"{low} to {high}", row.good


def _plain(data: object) -> object:
    """JSON data with null for what is not a number."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return None if isinstance(data, float) and math.isnan(data) else data


def report_card(
    samples: np.ndarray,
    reference: np.ndarray,
    *,
    training: np.ndarray | None = None,
    solver: ForwardModel | None = None,
    labels: Callable[[np.ndarray], np.ndarray] | None = None,
    generator: np.random.Generator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ReportCard:
    """Score samples of a generator against real images that it has not seen.

    Args:
        samples: Phase images (n, *grid) in [0, 1], 2D or 3D.
        reference: Real images (m, *grid). At least 2 n, or only m / 2 of the samples count.
        training: The images (any number, *grid) that the generator has learned from, to find copies of them.
        solver: Model from a phase field to effective properties, such as
            ``genmech_fem.adapters.ConformingHomogenization(resolution)``. It solves 3 n images.
        labels: Classifier from images (n, *grid) to classes (n,).
        generator: Source of the random halves; None takes the same every time.
        progress: Called with the number of images solved so far and the number of all.

    Raises:
        ContractError: Not images of one shape in [0, 1], or not what the solver takes.
        NotFiniteError: A pixel is NaN or infinite.
        ValueError: There are too few images, or they are all alike, or no real one could be solved.
    """
    samples = phase_images(samples, "samples")
    reference = phase_images(reference, "reference", samples.shape[1:])
    if training is not None:
        training = phase_images(training, "training", samples.shape[1:])
    size = _size(samples, reference)
    generator = np.random.default_rng(0) if generator is None else generator
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, 3 * size)

    def measure(images: np.ndarray, count: int) -> ImageSet:
        chosen = images[generator.permutation(len(images))[:count]]
        return ImageSet.measure(chosen, training=training, solver=solver, labels=labels, progress=advance)

    made, real = measure(samples, size), measure(reference, 2 * size)
    if real.properties is not None and not len(real.properties.solved):
        raise ValueError(f"solver: no real image could be solved, such as: {real.properties.failures[0]}")
    compared = real.take(np.arange(size, 2 * size))
    floor = np.stack([_both_ways(real, *np.split(generator.permutation(2 * size), 2)) for _ in range(HALVINGS)])
    scores = all_scores(made, compared, NEIGHBOURS)
    rows = [_score(*score, floor[..., i]) for i, score in enumerate(scores)]
    return ReportCard(tuple(rows), size, tuple(_notes(made, real, len(samples))), made, compared)


def _size(samples: np.ndarray, reference: np.ndarray) -> int:
    size = min(len(samples), len(reference) // 2)
    if size <= NEIGHBOURS:
        raise ValueError(
            f"expected at least {NEIGHBOURS + 1} samples and {2 * NEIGHBOURS + 2} reference images, "
            f"got {len(samples)} and {len(reference)}"
        )
    return size


def _both_ways(real: ImageSet, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Scores (2, scores) of one half of the real images against the other, and the other way round."""
    halves = real.take(first), real.take(second)
    return np.array([[value for _, value, _ in all_scores(*pair, NEIGHBOURS)] for pair in (halves, halves[::-1])])


def _score(name: str, value: float, good: str, real: np.ndarray) -> Score:
    """The row of one score; `real` (halvings, 2) are those of `_both_ways`."""
    middle, low, high = (float(x) for x in (np.median(real), real.min(), real.max()))
    if good == AS_REAL:  # halves of one set lie closer to their mean than a third set does
        reach = float(np.abs(real[:, 0] - real[:, 1]).max())
        low, high = max(middle - reach, 0.0), middle + reach
    return Score(name, value, middle, (low, high), good)


def _notes(made: ImageSet, real: ImageSet, given: int) -> list[str]:
    size = len(made.images)
    notes = [
        f"{size} samples beside {size} real images, each against {size} other real ones; the range is that "
        f"over {HALVINGS} random halvings, and a score beyond it is printed in bold"
    ]
    if size < given:
        notes.append(
            f"{given - size} of {given} samples were left out: the reference holds fewer than {2 * given} images"
        )
    for name, one in (("samples", made), ("real images", real)):
        copies = 0 if one.distances is None else int((one.distances <= ROUNDING).sum())
        if copies:
            notes.append(f"{copies} of the {len(one.images)} {name} are copies of training images")
        if one.properties is not None and one.properties.failures:
            first = next(iter(one.properties.failures.values()))
            notes.append(
                f"{len(one.properties.failures)} of the {len(one.images)} {name} could not be solved, such as: {first}"
            )
    return notes
