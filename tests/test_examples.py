"""Every example runs at its smallest size and gives the physics it promises."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.generative.latent import class_recall

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_examples_are_tested_here():
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*example*.py"))
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    assert [name for name in names if f'load("{name}")' not in text and f'"{name}.py"' not in text] == []


def test_one_design_loop_with_solver_torch_and_onnx(tmp_path):
    errors = load("own_problem").main(tmp_path, samples=60, steps=500)
    assert errors["DOLFINx"] < 1e-4
    assert errors["torch"] < 0.05
    assert abs(errors["torch"] - errors["ONNX"]) < 1e-3


def test_inverse_homogenization_reaches_its_target(tmp_path):
    assert load("inverse_homogenization").main(tmp_path, resolution=8) < 1e-3
    assert (tmp_path / "cells.png").stat().st_size > 10_000


def test_the_stiffness_of_an_image_is_positive_and_below_the_voigt_bound(tmp_path):
    stiffness = load("homogenize_image").main(tmp_path, resolution=32)
    assert (tmp_path / "image.vtu").stat().st_size > 1000
    assert np.linalg.eigvalsh(stiffness).min() > 0.1
    E, nu = 18.0, 0.3
    assert stiffness[0, 0] < E * (1 - nu) / ((1 + nu) * (1 - 2 * nu))


def test_a_network_learns_stiffness_through_the_solver(tmp_path):
    errors = load("learn_through_solver").main(tmp_path, samples=128, steps=150)
    assert errors["network"] < 0.6 * errors["mean modulus"]
    assert (tmp_path / "plates.png").stat().st_size > 10_000


def test_a_design_is_meshed_solved_and_exported(tmp_path):
    found = load("design_to_mesh").main(tmp_path)
    assert found["extension"] == np.clip(found["extension"], 0.97 * found["theory"], 1.1 * found["theory"])
    assert found["volume"] == np.clip(found["volume"], 0.785, 0.795)
    assert 1.0 / 0.6 < found["largest stress"] < 6.0
    assert (tmp_path / "bar.stl").stat().st_size > 10_000
    assert (tmp_path / "displacement.vtu").stat().st_size > 10_000


def test_a_campaign_finds_the_growth_of_the_stiffness_with_the_fibres(tmp_path):
    slope = load("campaign").main(tmp_path, samples=16)
    assert 1.22 < slope < 3.32  # those of the bounds of Reuss and Voigt
    assert (tmp_path / "README.md").read_text().startswith("# Glass fibres in epoxy")


def test_a_vae_draws_its_pictures_and_counts_its_classes(tmp_path):
    example = load("latent_shapes")
    own = class_recall(example.random_shapes(80, seed=1)[0], example.all_shapes())
    assert own.shares == dict.fromkeys(example.TURN, 0.25)
    assert (own.overlaps > example.GOOD).float().mean() > 0.95
    found = example.main(tmp_path, samples=128, steps=20, betas=(1.0,), draws=32)
    assert sum(found["mixture"].values()) - found["mixture"]["good"] == pytest.approx(1)
    assert {file.name for file in tmp_path.iterdir()} == {"map.png", "interpolation.png", "traversal.png"}


@pytest.mark.slow
def test_samples_of_four_shapes_are_of_all_four_classes_and_sharp(tmp_path):
    found = load("latent_shapes").main(tmp_path, steps=2500, betas=())
    *shares, good = found["mixture"].values()
    assert all(0.15 < share < 0.35 for share in shares)
    assert good > 0.8
    assert good > found["normal"]["good"]


def test_a_diffusion_model_of_fibres_comes_near_to_their_volume_fraction(tmp_path):
    found = load("fibres_in_40_steps").main(tmp_path, resolution=16, radius=0.2, steps=250, training=200, samples=24)
    assert found["volume fraction error"] < 0.06
    assert found["discs"] > 0.4
    assert "effective properties" in (tmp_path / "report_card.md").read_text()


@pytest.mark.slow
def test_the_example_refines_heat_better_than_interpolation(tmp_path):
    found = load("super_resolve_heat").main(tmp_path, samples=96, steps=150)
    for name in ("frame by frame", "tempoGAN"):
        assert found[name]["error"] < 0.8 * found["bilinear"]["error"]
        assert found[name]["temporal error"] < 0.9 * found["bilinear"]["temporal error"]


@pytest.mark.slow
def test_the_example_translates_about_as_well_as_the_best_threshold_and_much_better_than_nothing(tmp_path):
    found = load("translate_cells").main(tmp_path, samples=128, steps=150)
    assert found["pixels to smooth"] < 0.5 * found["nothing done"]
    assert found["smooth to pixels"] < 0.6 * found["nothing done"]
    assert found["smooth to pixels"] < 1.2 * found["best threshold"]
    assert found["cycle"] < 0.5 * found["nothing done"]


def test_anomalous_shapes_are_drawn_apart_and_of_equal_area(tmp_path):
    example = load("anomalous_shapes")
    images, masks = example.discs_and_squares(20, 2, 0)
    assert set(np.unique(images)) == {0.0, 1.0}
    disc = np.pi * 0.1**2 * example.POINTS**2
    assert images.sum((1, 2)).mean() == pytest.approx(5 * disc, rel=0.02)
    assert masks.sum((1, 2)).mean() == pytest.approx(2 * disc, rel=0.03)
    assert not (masks & (images == 0)).any()
    found = example.main(tmp_path, samples=40, steps=5, points=32, tested=10)
    assert list(found) == ["area", "S2", "diffusion"]
    assert {"detector.onnx", "scores.png", "log.jsonl"} <= {file.name for file in tmp_path.iterdir()}


@pytest.mark.slow
def test_a_square_among_discs_is_found_where_its_area_says_nothing(tmp_path):
    found = load("anomalous_shapes").main(tmp_path)
    assert found["area"]["as wide"] > 0.95
    assert found["area"]["of equal area"] < 0.7
    assert found["diffusion"]["of equal area"] > 0.9


def test_debonded_fibres_strain_the_interface(tmp_path):
    example = load("debonded_fibres")
    bonded, debonded, void = (example.moduli(5, defect, 0) for defect in (None, "debonded", "void"))
    assert set(np.unique(bonded)) == {example.MATRIX, example.FIBRE}
    for odd in (debonded, void):
        assert ((odd != bonded) == (odd == example.LOST)).all()
        assert (odd == example.LOST).any(axis=(1, 2)).all()
    strain = example.strains(example.tension(), 5, "debonded", 0)
    np.testing.assert_allclose(strain[:, 0].mean(axis=(1, 2)), 1.0, rtol=1e-6)  # pulled by the strain 1
    assert np.abs(strain[:, 0])[debonded == example.LOST].mean() > 3.0
    found = example.main(tmp_path, samples=30, tested=8, seconds=1.0)
    assert list(found["patches"]) == ["debonded", "void", "any"]
    assert (tmp_path / "detector.onnx").exists()


def test_cells_of_other_families_are_stopped_before_the_surrogate(tmp_path):
    found = load("out_of_family").main(tmp_path, samples=100, tested=20, seconds=3.0)
    assert list(found) == ["fibres", "squares", "random field", "network of walls"]
    assert found["network of walls"]["error [%]"] > 2 * found["fibres"]["error [%]"]
    assert found["fibres"]["checked [%]"] < 30
    assert found["random field"]["patches"] > 0.8
    assert (tmp_path / "guard.png").stat().st_size > 10_000


def test_shapes_of_equal_area_are_told_apart_by_their_second_moment(tmp_path):
    example = load("equal_area_shapes")
    areas = {kind: example.images(kind, 60, 0).sum((1, 2, 3)).median().item() for kind in ("circle", *example.OTHERS)}
    assert max(areas.values()) < 1.15 * min(areas.values())
    found = example.main(tmp_path, samples=60, tested=20, steps=5)
    assert set(found) == {"area", "moments", "autoencoder", "discriminator", "diversity of the GAN"}
    assert min(found["moments"].values()) > 0.95
    assert (tmp_path / "detectors.png").stat().st_size > 10_000


@pytest.mark.slow
def test_an_autoencoder_finds_squares_of_equal_area():
    found = load("equal_area_shapes").main()
    assert found["autoencoder"]["square"] > 0.97


def test_pretraining_saves_labels(tmp_path):
    found = load("pretrain_and_adapt").main(tmp_path, pretraining=120, labels=(8, 32), tested=30, steps=(250, 60, 60))
    assert (tmp_path / "labels.png").stat().st_size > 10_000
    assert set(found) == {"as pretrained", "from nothing", "all weights", "head alone", "low-rank updates"}
    assert found["all weights"][8][0] < found["from nothing"][8][0]
    assert max(errors[32][0] for way, errors in found.items() if way != "as pretrained") < 0.05
    assert found["as pretrained"][0][0] > 0.1


def test_a_guarded_network_answers_within_the_tolerance_in_a_design_loop(tmp_path):
    example = load("guarded_loop")
    bar = example.block(4)({"moduli": np.full((1, 12), 5.0)})["displacement"][0]
    assert -bar[2, -1].mean() > 1e-3 / 5.0  # bending and shear add to the traction over the modulus
    found = example.main(tmp_path, cells=6, labels=60, seconds=3.0, calls=60)
    assert found["guarded network"]["error of the answer [%]"] <= 2.0
    assert found["solver"]["error of the answer [%]"] == 0.0
    assert found["guarded network"]["answers"] == 60
    assert found["guarded network"]["solved"] < 6
    distances = [row["distance to the target [%]"] for row in found.values()]
    assert distances[2] < distances[0] + 3.0
    assert (tmp_path / "blocks.png").stat().st_size > 10_000


def test_struts_of_neighbours_meet_whatever_their_widths_are():
    struts = load("two_scale").struts(np.array([[0.06, 0.26, 0.1, 0.2], [0.26, 0.06, 0.2, 0.1]]), 48).numpy()[:, 0]
    for phase in struts:
        assert phase[0, 24] + phase[0, 23] > 1.0  # the strut along x leaves in the middle of the side
        assert phase[24, 0] + phase[23, 0] > 1.0
        assert phase[0, 0] > 0.5  # both diagonals in the corners
        assert phase[-1, 0] > 0.5
    assert struts.mean(axis=(1, 2)).min() > 0.3


@pytest.mark.slow
def test_a_structure_of_designed_cells_gains_with_all_its_detail(tmp_path):
    rows = load("two_scale").main(tmp_path)
    gain = {what: 1 - rows["designed"][what] / rows["uniform"][what] for what in ("predicted", "resolved", "finer")}
    assert min(gain.values()) > 0.1
    assert abs(rows["designed"]["finer"] / rows["designed"]["predicted"] - 1) < 0.1
    assert (tmp_path / "structures.png").stat().st_size > 10_000


def test_a_turned_wheel_is_no_new_one():
    example = load("wheel_rims")
    studio = example.Studio(example.Wheel(48, angles=2), 1)
    known = np.stack([studio.reference(number, 0.0) for number in (3, 5, 7)])
    np.testing.assert_allclose(known.mean(axis=(1, 2)), example.VOLUME, atol=0.01)
    judge = example.Judge(studio.wheel, known)
    turned = np.rot90(known, axes=(1, 2))
    assert judge.new(turned).max() < 0.2
    assert judge.new(studio.reference(9, 0.0)[None])[0] > 0.4


@pytest.mark.slow
def test_generated_wheels_are_new_and_improved_ones_stiffer_than_spoked_ones(tmp_path):
    rows = load("wheel_rims").main(tmp_path)
    assert rows["VAE"]["novelty"] > 1.0
    assert rows["VAE"]["bodies"] == 1
    assert rows["VAE and 10 steps"]["compliance"] < 0.9 * rows["reference"]["compliance"]
    assert rows["VAE and 10 steps"]["change on the finer mesh [%]"] < 3
    assert (tmp_path / "wheels.png").stat().st_size > 10_000
