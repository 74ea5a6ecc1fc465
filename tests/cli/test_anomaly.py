"""The command anomaly: a detector from normal fields, its report, and the same detector again."""

import json

import numpy as np
import pytest

from genmech_fem.cli import main


def discs(n, seed, squares=False):
    """Images (n, 16, 16) of a disc or a square of any place."""
    generator = np.random.default_rng(seed)
    x, y = np.meshgrid(*[np.arange(16)] * 2, indexing="ij")
    images = []
    for _ in range(n):
        a, b, r = *generator.uniform(5, 11, 2), generator.uniform(2.5, 4)
        inside = np.maximum(abs(x - a), abs(y - b)) < 1.3 * r if squares else np.hypot(x - a, y - b) < r
        images.append(inside + 0.02 * generator.standard_normal((16, 16)))
    return np.array(images)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    np.save(folder / "normal.npy", discs(200, 0))
    np.save(folder / "odd.npy", discs(30, 1, squares=True))
    np.save(folder / "wide.npy", np.zeros((3, 8, 8)))
    np.save(folder / "few.npy", discs(20, 0))
    broken = discs(30, 0)
    broken[4, 0, 0] = np.nan
    np.save(folder / "broken.npy", broken)
    np.save(folder / "strain.npy", np.random.default_rng(0).standard_normal((120, 3, 16, 16)))
    return folder


def run(capsys, *words, code=0):
    assert main(["anomaly", *map(str, words)]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "out"
    words = files / "normal.npy", files / "odd.npy", "--out", out, "--seconds", 3, "--anomalous"
    assert main(["anomaly", *map(str, words)]) == 0
    return out


def test_the_report_says_who_raises_an_alarm_and_compares_with_plain_descriptors(trained, pictures_of):
    record = json.loads((trained / "report.json").read_text())
    assert record["alarms"]["suspects"] > 0.5
    assert record["alarms"]["normal"] < 0.25
    assert set(record["statistics"]) == {"patches", "area", "statistics", "S2"}
    value, low, high = record["statistics"]["patches"]["AUROC"]
    assert 0.8 < low <= value <= high
    assert len(record["scores"]["normal"]) == 40
    text = (trained / "report.md").read_text()
    assert "| patches " in text
    assert "for at most 5 % of false alarms" in text
    assert (trained / "report.png").read_bytes().startswith(b"\x89PNG")
    assert pictures_of(trained / "report.html", "anomaly ") == 1
    assert "<td>patches</td>" in (trained / "report.html").read_text()


def test_the_detector_of_an_earlier_call_judges_again(files, trained, tmp_path, capsys):
    words = files / "normal.npy", files / "odd.npy", "--out", tmp_path, "--detector", trained / "detector.onnx"
    text = run(capsys, *words).out
    assert text.startswith("# Anomalies by PatchMemory")
    again, before = (json.loads((folder / "report.json").read_text()) for folder in (tmp_path, trained))
    np.testing.assert_allclose(again["scores"]["suspects"], before["scores"]["suspects"], rtol=1e-6)
    assert again["threshold"] == before["threshold"]
    assert json.loads(run(capsys, *words, "--json").out) == again


@pytest.mark.parametrize(
    "name", ["autoencoder", *(pytest.param(name, marks=pytest.mark.slow) for name in ("denoising", "vae", "flow"))]
)
def test_other_detectors_and_fields_of_components(name, files, tmp_path, capsys):
    words = files / "strain.npy", files / "strain.npy", "--channels", "--periodic", "--detector", name
    text = run(capsys, *words, "--out", tmp_path, "--seconds", 0.5, "--quantile", 0.9).out
    assert f"# Anomalies by {name}" in text
    assert (tmp_path / "detector.onnx").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("normal.npy", "wide.npy"), r"expected fields of the shape (1, 16, 16)"),
        (("normal.npy", "broken.npy"), "expected finite fields, got NaN or infinity in [4]"),
        (("few.npy", "odd.npy"), "expected at least 95 normal fields for --quantile 0.95, got 20"),
        (("normal.npy", "odd.npy", "--quantile", "2"), "--quantile: expected a share in (0, 1), got 2.0"),
        (
            ("normal.npy", "odd.npy", "--detector", "magic"),
            "expected one of patches, autoencoder, denoising, vae, flow",
        ),
        (("normal.npy", "odd.npy", "--detector", "none.onnx"), "no ONNX file at none.onnx"),
        (("strain.npy", "odd.npy"), "expected fields of the shape (1, 3, 16, 16)"),
        (("normal.npy", "odd.npy", "--channels"), "got an array (200, 16, 16)"),
        (("absent.npy", "odd.npy"), "absent.npy"),
    ],
)
def test_bad_input_is_one_line(words, message, files, tmp_path, capsys):
    given = [files / word if word.endswith(".npy") else word for word in words]
    error = run(capsys, *given, "--out", tmp_path, code=2).err
    assert message in error
    assert error.count("\n") == 1


def test_an_onnx_file_of_something_else_is_refused(files, tmp_path, capsys, onnx_file):
    error = run(capsys, files / "normal.npy", files / "odd.npy", "--out", tmp_path, "--detector", onnx_file, code=2).err
    assert "expected a detector written by genmech anomaly" in error
