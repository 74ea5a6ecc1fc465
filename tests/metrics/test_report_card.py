"""The report card: scores known beforehand, generators with one defect each, a solver with a closed form."""

import json

import numpy as np
import pytest
from scipy import stats

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.errors import ContractError, MeshingError, NotFiniteError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.metrics import ImageStatistics, report_card
from genmech_fem.microstructure import BasicShapes, GaussianRandomField, PeriodicFibres, circularity, phase_grid
from genmech_fem.plotting import report_card_figure, to_png

SIZE = 24


def draw(sampler, n, seed=0):
    return np.concatenate([sampler(np.random.default_rng([seed, i]))["phase"] for i in range(n)])


@pytest.fixture(scope="module")
def fibres():
    return draw(PeriodicFibres(resolution=SIZE, radius=(0.12, 0.18)), 160)


@pytest.fixture(scope="module")
def card(fibres):
    return report_card(fibres[:40], fibres[40:120], training=fibres[120:])


def test_samples_of_the_same_law_score_as_real_ones(card):
    assert card.size == 40
    for row in card.rows:
        low, high = row.real_range
        assert low <= row.real_real <= high
        if row.good == "low":
            assert row.value < 2 * high, row
    assert sum(row.worse for row in card.rows) <= 4
    assert abs(card["descriptors, MMD^2"].value) < 0.05
    assert card["share of discs"].real_real > 0.99


def test_scores_are_those_of_the_images_in_the_set(fibres, card):
    assert card["volume fraction, mean"].value == pytest.approx(fibres[:40].mean())
    assert card["share of images with discs only"].value == 1.0
    grey = (fibres[:40] > 0.1) & (fibres[:40] < 0.9)
    assert card["share of grey pixels, 0.1 to 0.9"].value == pytest.approx(grey.mean())


def test_s2_and_lineal_path_of_a_laminate_are_closed_forms():
    """Stripes of width w of n pixels: along them S2 and L are w / n, across both are (w - r) / n up to w."""
    n, w = 16, 4
    stripes = np.zeros((1, n, n))
    stripes[:, :w] = 1.0
    found = ImageStatistics.of(stripes)
    r = np.arange(n)
    across = np.maximum(w - r, 0) / n
    np.testing.assert_allclose(found.lineal_path[0], (across + w / n) / 2)
    np.testing.assert_allclose(
        found.autocovariance[0, :2], [1 / 4 - 1 / 16, (across[1] + w / n) / 2 - 1 / 16], atol=0.02
    )
    assert found.component_count[0] == 1
    assert found.circularity[0] == 0
    assert found.features().shape == (1, 1 + 4 + 4 + 2)


def test_an_error_of_curves_is_relative_to_the_reference(fibres):
    """A generator of the negative has the same autocovariance; one of empty images misses all of it."""
    negative = report_card(1 - fibres[:40], fibres[40:120])
    assert negative["S2 error"].value < 3 * negative["S2 error"].real_real
    empty = report_card(np.zeros_like(fibres[:40]), fibres[40:120])
    assert empty["S2 error"].value == pytest.approx(1.0)
    assert empty["lineal-path error"].value == pytest.approx(1.0)
    assert empty["diversity, Vendi score"].value == pytest.approx(1.0)


def test_a_generator_that_knows_volume_fraction_and_correlation_only_is_told_apart(fibres):
    """Random fields cut at the volume fractions of fibres: not discs, and far from fibres as descriptors."""
    sampler = GaussianRandomField(SIZE, (0.08, 0.08), (0.2, 0.2))
    fractions = np.clip((fibres[:40] > 0.5).mean(axis=(1, 2)), 0.01, 0.98)
    made = np.concatenate(
        [
            GaussianRandomField(SIZE, sampler.correlation_length, (f, f))(np.random.default_rng(i))["phase"]
            for i, f in enumerate(fractions)
        ]
    )
    found = report_card(made, fibres[40:120])
    assert found["volume fraction, W1"].value < 3 * found["volume fraction, W1"].real_real
    assert found["descriptors, energy distance"].value > 5 * found["descriptors, energy distance"].real_real
    assert found["descriptors, MMD^2"].value > 0.1
    assert found["share of images with discs only"].value < 0.1


def test_a_collapsed_generator_is_precise_but_neither_diverse_nor_covering(fibres):
    found = report_card(np.repeat(fibres[:1], 40, axis=0), fibres[40:120])
    assert found["diversity, Vendi score"].value == pytest.approx(1.0)
    assert found["diversity, Vendi score"].real_real > 2
    assert found["descriptors, recall"].value < 0.1
    assert found["descriptors, coverage"].value < 0.3 < found["descriptors, coverage"].real_real


def test_copies_of_training_images_are_found_and_counted(fibres):
    copies = np.roll(fibres[:40].swapaxes(1, 2), (4, 11), (1, 2))
    found = report_card(copies, fibres[40:120], training=fibres[:40])
    assert found["distance to training, median"].value == 0.0
    assert found["distance to training, smallest"].real_real > 0.001
    assert "40 of the 40 samples are copies of training images" in found.notes
    leaked = report_card(fibres[:40], fibres[40:120], training=fibres[40:])
    assert "80 of the 80 real images are copies of training images" in leaked.notes


def test_cells_that_do_not_fit_together_have_a_seam(fibres):
    cut = draw(PeriodicFibres(resolution=2 * SIZE), 40)[:, :SIZE, :SIZE]
    found = report_card(cut, fibres[40:120])
    assert found["jump over the border / inside"].value > 2
    assert found["jump over the border / inside"].real_real < 1.5


def test_a_lost_class_is_seen():
    real = draw(BasicShapes(32, ("circle", "cross"), (2, 2)), 60)
    circles = draw(BasicShapes(32, ("circle",), (2, 2)), 20, seed=1)

    def labels(images):
        return np.array(["cross" if found.min() < 0.9 else "circle" for found in circularity(images)])

    found = report_card(circles, real, labels=labels)
    assert found["class recall"].value == 0.5
    assert found["class recall"].real_real > 0.7
    assert found["share of class circle"].value == 1.0
    with pytest.raises(ContractError, match="labels: expected a class for each of 20 images"):
        report_card(circles, real, labels=lambda images: np.zeros(3))


def closed_form(limit=1.0):
    """Stiffness 10, 2, 0, 10, 0, 4 GPa times the volume fraction; cells above `limit` have no mesh."""
    spec = FieldSpec("phase", phase_grid(SIZE))

    def solve(arrays):
        fraction = arrays["phase"].mean(axis=(1, 2))
        if fraction[0] > limit:
            raise MeshingError("no mesh")
        return {"stiffness": np.outer(fraction, [10.0, 2, 0, 10, 0, 4])}

    return FunctionModel(solve, (spec,), (ScalarSpec("stiffness", 6, "GPa"),))


def test_effective_properties_are_compared_entry_by_entry(fibres):
    calls = []
    found = report_card(fibres[:40], fibres[40:120], solver=closed_form(), progress=lambda *a: calls.append(a))
    fraction = found.samples.statistics.volume_fraction, found.real.statistics.volume_fraction
    assert found["C11, W1 [GPa]"].value == pytest.approx(10 * stats.wasserstein_distance(*fraction))
    assert found["C66, W1 [GPa]"].value == pytest.approx(4 * stats.wasserstein_distance(*fraction))
    assert found["C16, W1 [GPa]"].value == 0.0
    x, y = ((f - fraction[1].mean()) / fraction[1].std() for f in fraction)
    assert found["effective properties, energy distance"].value == pytest.approx(
        2 * stats.energy_distance(x, y) ** 2  # four equal entries, in the Euclidean norm
    )
    assert calls == [(i, 120) for i in range(1, 121)]


def test_samples_that_cannot_be_solved_are_counted(fibres):
    limit = float(np.median(fibres[40:120].mean(axis=(1, 2))))
    found = report_card(fibres[:40], fibres[40:120], solver=closed_form(limit))
    failed = (fibres[:40].mean(axis=(1, 2)) > limit).sum()
    assert found["not solved, share"].value == failed / 40
    assert len(found.samples.properties.solved) == 40 - failed
    assert f"{failed} of the 40 samples could not be solved, such as: MeshingError: no mesh" in found.notes
    none = report_card(np.ones_like(fibres[:40]), fibres[40:120], solver=closed_form(0.99))
    assert none["not solved, share"].value == 1.0
    assert np.isnan(none["C11, W1 [GPa]"].value)
    assert none["C11, W1 [GPa]"].real_real > 0
    assert "| C11, W1 [GPa]" in none.table()
    (row,) = [row for row in json.loads(none.to_json())["rows"] if row["name"] == "C11, W1 [GPa]"]
    assert row["value"] is None
    assert to_png(report_card_figure(none)).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no real image could be solved, such as: MeshingError: no mesh"):
        report_card(fibres[:40], fibres[40:120], solver=closed_form(0.0))


def test_meshed_and_solved_in_dolfinx_stiffer_samples_are_told_apart():
    """More fibres: C11 of every sample is higher, and W1 is the difference of the means."""
    thin, thick = (
        draw(PeriodicFibres(16, (0.15, 0.2), (fraction, fraction)), 12 if fraction < 0.2 else 6)
        for fraction in (0.1, 0.4)
    )
    found = report_card(thick, thin, solver=ConformingHomogenization(16, refine=1))
    stiff, soft = (one.properties.values[:, 0] for one in (found.samples, found.real))
    assert stiff.min() > soft.max() > 5.6  # [GPa], the matrix alone has C11 = 5.617
    assert found["C11, W1 [GPa]"].value == pytest.approx(stiff.mean() - soft.mean())
    assert found["C11, W1 [GPa]"].value > 10 * found["C11, W1 [GPa]"].real_real
    assert found["not solved, share"].value == 0.0


def test_three_dimensions_have_no_discs():
    images = draw(GaussianRandomField(12, (0.1, 0.15), (0.3, 0.5), dimension=3), 24)
    found = report_card(images[:8], images[8:], training=images[:2])
    assert "share of discs" not in [row.name for row in found.rows]
    assert found["distance to training, smallest"].value == 0.0
    assert to_png(report_card_figure(found)).startswith(b"\x89PNG")


def test_too_few_real_images_leave_samples_out_and_the_card_says_so(fibres):
    found = report_card(fibres[:40], fibres[40:70])
    assert found.size == 15
    assert "25 of 40 samples were left out: the reference holds fewer than 80 images" in found.notes


def test_table_and_json_hold_every_row(card):
    lines = card.table().splitlines()
    assert lines[0].split("|")[1].strip() == "score"
    assert len(lines) == 2 + len(card.rows)
    stored = json.loads(card.to_json())
    assert stored["size"] == 40
    assert [row["name"] for row in stored["rows"]] == [row.name for row in card.rows]
    with pytest.raises(KeyError, match="expected one of"):
        card["beauty"]


def test_the_figure_shows_the_curves_of_both_sets(card):
    figure = report_card_figure(card)
    assert to_png(figure).startswith(b"\x89PNG")
    pictures = [ax for ax in figure.axes if ax.images]
    assert len(pictures) == 16
    (curves,) = [ax for ax in figure.axes if "S2" in ax.get_title()]
    np.testing.assert_allclose(curves.lines[0].get_ydata(), card.samples.statistics.correlation.mean(axis=0))
    assert [line.get_label() for line in curves.lines] == ["samples", "real"]


def test_the_choice_of_halves_follows_the_generator(fibres):
    def score(seed):
        return report_card(fibres[:20], fibres[40:], generator=np.random.default_rng(seed))["S2 error"].real_real

    assert score(1) == score(1) != score(2)


@pytest.mark.parametrize(
    ("samples", "reference", "error", "text"),
    [
        (np.zeros((9, 8, 8)), np.zeros((20, 8, 9)), ContractError, r"shape \(8, 8\) of the samples, got \(8, 9\)"),
        (np.zeros((9, 1, 8, 8)), np.zeros((20, 8, 8)), ContractError, "without an axis of channels"),
        (np.zeros((0, 8, 8)), np.zeros((20, 8, 8)), ContractError, r"got shape \(0, 8, 8\)"),
        (np.full((9, 8, 8), "a"), np.zeros((20, 8, 8)), ContractError, "of <U1"),
        (np.full((9, 8, 8), np.nan), np.zeros((20, 8, 8)), NotFiniteError, "samples: expected finite numbers"),
        (np.zeros((9, 8, 8)), np.full((20, 8, 8), 255), ContractError, r"in \[0, 1\], got 255 to 255: scale"),
        (np.zeros((5, 8, 8)), np.zeros((20, 8, 8)), ValueError, "at least 6 samples and 12 reference images, got 5"),
        (np.zeros((9, 8, 8)), np.zeros((11, 8, 8)), ValueError, "got 9 and 11"),
        (np.zeros((9, 8, 8)), np.zeros((20, 8, 8)), ValueError, "got equal ones only"),
    ],
)
def test_bad_input_is_refused(samples, reference, error, text):
    with pytest.raises(error, match=text):
        report_card(samples, reference)


def test_a_solver_of_another_kind_is_refused(fibres):
    with pytest.raises(ContractError, match="expected shape"):
        report_card(fibres[:10], fibres[40:], solver=ConformingHomogenization(16))
    grid = Grid((SIZE, SIZE), (0, 0), (1, 1))
    fields = FunctionModel(lambda a: a, (FieldSpec("phase", grid),), (FieldSpec("phase", grid),))
    with pytest.raises(ContractError, match="from one phase field to effective properties, got one from"):
        report_card(fibres[:10], fibres[40:], solver=fields)


@pytest.mark.slow
def test_real_images_in_the_place_of_samples_are_rarely_called_worse():
    """The range over halvings is a permutation test: about one row in twenty is beyond it by chance."""
    every = draw(PeriodicFibres(resolution=16, radius=(0.15, 0.2)), 40 * 90)
    cards = [report_card(part[:30], part[30:]) for part in np.split(every, 40)]
    worse = np.array([[row.worse for row in card.rows] for card in cards])
    assert 0.01 < worse.mean() < 0.09
    assert worse.mean(axis=0).max() < 0.25
