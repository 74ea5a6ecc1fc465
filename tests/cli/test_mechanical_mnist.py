"""Energies of Mechanical MNIST: published samples, own blocks against fine meshes, and bad input."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.cli import mechanical_mnist
from genmech_fem.cli.commands import mechanical_mnist as arguments_of
from genmech_fem.errors import ConvergenceError, DatasetError
from genmech_fem.problems import extension_energies, uniaxial_extension

FILE = Path(__file__).parents[3] / "shared" / "data" / "mechanical_mnist_uniaxial.npz"
DISPLACEMENT = [0.5, 4.0, 14.0]
# 56 x 56 elements of degree 4, quadrature degree 8; degree 3 on the same mesh differs by 1e-5
# (uniform) and 2e-4 (disc). One Q2 element a pixel lies 0.02 % and 0.2 % above.
UNIFORM = [0.14334583, 8.7004339, 93.72361]
DISC = [0.21065796, 12.6401194, 133.929293]


def disc():
    row, column = np.mgrid[:28, :28]
    return np.where((column - 13.5) ** 2 + (row - 9.5) ** 2 < 49, 255, 0).astype(np.uint8)


def run(*arguments):
    parser = argparse.ArgumentParser()
    arguments_of.add_arguments(parser)
    parser.set_defaults(command="genmech verify mechanical-mnist")
    return mechanical_mnist.run(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def arrays():
    energies = np.array([[0.0, *UNIFORM], [0.0, *DISC]])
    bitmaps = np.stack([np.zeros((28, 28), dtype=np.uint8), disc()])
    return {"bitmap": bitmaps, "strain_energy": energies, "displacement": np.array([0.0, *DISPLACEMENT])}


@pytest.fixture
def file(tmp_path, arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return tmp_path / "own.npz"


@pytest.mark.skipif(not FILE.exists(), reason=f"the published data is not there: {FILE}")
@pytest.mark.parametrize(("sample", "tolerance"), [(1, 0.0015), (6, 0.0015)])
def test_published_energies(sample, tolerance):
    """Of samples 0 to 19, 1 lies near the published values and 6 is the farthest off."""
    published = mechanical_mnist.read(FILE)
    result = mechanical_mnist.compare(published, range(sample, sample + 1), tolerance=tolerance)
    assert result["agrees"]
    assert len(result["rows"]) == 13


@pytest.mark.parametrize(
    ("bitmap", "fine", "tolerance"), [(np.zeros((28, 28)), UNIFORM, 2.5e-4), (disc(), DISC, 2.5e-3)]
)
def test_energies_of_a_fine_mesh(bitmap, fine, tolerance):
    """A coarse mesh is too stiff, by no more than the tolerance."""
    energies = extension_energies(uniaxial_extension(), mechanical_mnist.youngs_modulus(bitmap), DISPLACEMENT)
    excess = energies / fine - 1
    assert (excess > 0).all()
    assert (excess < tolerance).all()


def test_modulus_of_an_image():
    image = np.zeros((28, 28), dtype=np.uint8)
    image[0, 3] = 255  # top row
    modulus = mechanical_mnist.youngs_modulus(image)
    assert modulus[3, 27] == 100.0
    assert modulus.sum() == 783 + 100


def test_table_and_json(file, tmp_path, capsys, pictures_of):
    out = tmp_path / "out.json"
    assert run(file, "--samples", "0:2", "--json", out, "--tolerance", 0.25) == 0
    printed = capsys.readouterr().out
    assert "median difference [%]" in printed
    assert "agrees" in printed
    data = json.loads(out.read_text())
    assert data["samples"] == [0, 2]
    assert [row["displacement"] for row in data["rows"]] == [0.0, *DISPLACEMENT]
    assert data["maximum"] == max(row["maximum"] for row in data["rows"][1:])
    assert 0 < data["seconds_per_sample"] < 60
    assert pictures_of(tmp_path / "out.report.html", "verify mechanical-mnist") == 1


def test_difference_is_told(file, arrays, capsys):
    np.savez(file, **{**arrays, "strain_energy": 1.01 * arrays["strain_energy"]})
    assert run(file, "--samples", "0:1") == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_a_failed_sample_does_not_stop_the_others(file, monkeypatch, capsys):
    from genmech_fem import problems

    def fail_once(problem, modulus, steps, solve=problems.extension_energies):
        if modulus.max() == 1.0:
            raise ConvergenceError("Newton's method: too far")
        return solve(problem, modulus, steps)

    monkeypatch.setattr(problems, "extension_energies", fail_once)
    assert run(file, "--samples", "0:2", "--tolerance", 0.25) == 1
    printed = capsys.readouterr().out
    assert "sample 0: failed: Newton's method: too far" in printed
    assert "0.1774 % (tolerance 0.25 %" in printed


def one_line(error):
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["5", "0-2", "a:b", "2:1", "0:3", "1:1", ":2", "-1:1"])
def test_bad_ranges(file, text):
    with pytest.raises(ValueError, match=rf"--samples: expected A:B .*'{text}'") as error:
        run(file, f"--samples={text}")
    one_line(error)


def test_bad_tolerance(file):
    with pytest.raises(ValueError, match="--tolerance: expected a positive number of percent, got nan"):
        run(file, "--tolerance", "nan")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        run(tmp_path / "nothing.npz")


@pytest.mark.parametrize("content", ["truncated", "text", "empty", "npy", "corrupt"])
def test_damaged_files(file, content):
    whole = file.read_bytes()
    middle = len(whole) // 3
    if content == "npy":
        np.save(file.with_suffix(".npy"), np.ones(3))
    data = {
        "truncated": whole[: len(whole) // 2],
        "text": b"sample,energy\n1,2\n",
        "empty": b"",
        "corrupt": whole[:middle] + b"xyz" + whole[middle + 3 :],
        "npy": file.with_suffix(".npy").read_bytes() if content == "npy" else b"",
    }
    file.write_bytes(data[content])
    with pytest.raises(DatasetError, match="expected an npz archive, got a damaged or another file") as error:
        run(file)
    one_line(error)


def test_arrays_are_checked(file, arrays):
    def complaint(**changed):
        np.savez(file, **{k: v for k, v in {**arrays, **changed}.items() if v is not None})
        with pytest.raises(DatasetError) as error:
            run(file)
        one_line(error)
        return str(error.value)

    assert "missing are ['strain_energy']" in complaint(strain_energy=None)
    assert "bitmap: expected shape (samples, 28, 28) = (2, 28, 28), got (2, 27, 28)" in complaint(
        bitmap=np.zeros((2, 27, 28))
    )
    assert "strain_energy: expected shape" in complaint(strain_energy=np.zeros((2, 3)))
    assert "strain_energy: expected finite numbers" in complaint(strain_energy=np.full((2, 4), np.nan))
    assert "grey values from 0 to 255" in complaint(bitmap=np.full((2, 28, 28), 256))


def test_json_path_is_checked_before_the_long_computation(file, tmp_path, monkeypatch):
    monkeypatch.setattr(mechanical_mnist, "compare", lambda *a, **k: pytest.fail("computed first"))
    with pytest.raises(OSError, match="--json .*cannot be written"):
        run(file, "--samples", "0:1", "--json", tmp_path / "no" / "folder.json")
    with pytest.raises(IsADirectoryError, match="got a folder"):
        run(file, "--samples", "0:1", "--json", tmp_path)
