"""Mechanical MNIST from text files as they are published, and from files that are not as they should be."""

import gzip
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.datasets import mechanical_mnist, tables
from genmech_fem.datasets.mechanical_mnist import DISPLACEMENT, import_mechanical_mnist, youngs_modulus
from genmech_fem.datasets.store import Store
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec

FILE = Path(__file__).parents[3] / "shared" / "data" / "mechanical_mnist_uniaxial.npz"
IMAGES, ENERGIES = "mnist_img_{}.txt", "summary_psi_{}_all.txt"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(mechanical_mnist, "BLOCK", 16)


def samples(count, seed=0):
    generator = np.random.default_rng(seed)
    bitmap = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return bitmap, np.round(generator.random((count, 13)).cumsum(axis=1), 5)


def write(folder, bitmap, energy, part="train"):
    """Write the two text files in the published format."""
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / IMAGES.format(part), bitmap.reshape(len(bitmap), 784), fmt="%d")
    np.savetxt(folder / ENERGIES.format(part), energy, fmt="%.5f")
    return [folder / IMAGES.format(part), folder / ENERGIES.format(part)]


def zipped(archive, files, inside=""):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for one in files:
            file.write(one, inside + one.name)
            one.unlink()
    return archive


def holds(store, bitmap, energy):
    numbers, arrays = store.read()
    assert numbers.tolist() == list(range(len(bitmap)))
    np.testing.assert_array_equal(arrays["youngs_modulus"], youngs_modulus(bitmap))
    np.testing.assert_array_equal(arrays["strain_energy"], energy)


def test_what_the_store_says(tmp_path):
    bitmap = np.zeros((1, 28, 28), dtype=np.uint8)
    bitmap[0, 0, 3] = 255  # top row, fourth from the left
    files = write(tmp_path / "in", bitmap, np.arange(13.0)[None])
    store = import_mechanical_mnist(files, tmp_path / "deep" / "store")
    assert store.specs == (
        FieldSpec("youngs_modulus", Grid((28, 28), (0, 0), (28, 28))),
        ScalarSpec("strain_energy", 13),
    )
    assert tuple(store.description["displacement"]) == DISPLACEMENT
    assert store.about["licence"] == "CC BY-SA 3.0"
    modulus = store.read()[1]["youngs_modulus"][0]
    assert modulus[3, 27] == 100.0
    assert modulus.sum() == 783 + 100
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["store"]
    assert (store.path.stat().st_mode & 0o777) == ((tmp_path / "in").stat().st_mode & 0o777)


@pytest.mark.parametrize("form", ["plain", "gz", "zip", "archives", "folders"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_every_published_form(tmp_path, form, part):
    """40 samples of each part are read in blocks of 16."""
    data = {name: samples(40, seed) for seed, name in enumerate(("train", "test"))}
    folder = tmp_path / "in"
    files = {name: write(folder, *pair, name) for name, pair in data.items()}
    for pair in files.values():
        for file in pair:
            if form == "gz":
                file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
                file.unlink()
            elif form == "zip":
                zipped(file.with_name(f"{file.name}.zip"), [file])
    for i, name in enumerate(("MNIST_input_files", "FEA_psi_results")):
        if form == "archives":
            zipped(folder / f"{name}.zip", [pair[i] for pair in files.values()], f"{name}/")
        elif form == "folders":
            (folder / name).mkdir()
            for pair in files.values():
                pair[i].rename(folder / name / pair[i].name)
    holds(import_mechanical_mnist(folder, tmp_path / "store", part=part), *data[part])


@pytest.mark.skipif(not FILE.exists(), reason=f"the published data is not there: {FILE}")
def test_published_samples_from_text_and_from_npz(tmp_path):
    with np.load(FILE) as archive:
        data = {name: archive[name][:100] for name in ("bitmap", "strain_energy")}
        displacement = archive["displacement"]
    write(tmp_path / "in", data["bitmap"], data["strain_energy"], "test")
    text = import_mechanical_mnist(tmp_path / "in", tmp_path / "text", part="test")
    np.savez(tmp_path / "own.npz", **data, displacement=displacement)
    npz = import_mechanical_mnist(tmp_path / "own.npz", tmp_path / "npz")
    holds(npz, data["bitmap"], data["strain_energy"])
    assert npz.description["displacement"] == text.description["displacement"]
    for name, array in text.read()[1].items():
        np.testing.assert_allclose(array, npz.read()[1][name], rtol=1e-7)


def complaint(source, path, **options):
    with pytest.raises(DatasetError) as error:
        import_mechanical_mnist(source, path, **options)
    assert "\n" not in str(error.value)
    assert list(path.parent.iterdir()) == [path.parent / "in"]  # nothing half-written is left
    return str(error.value)


def change(file, row, column, word):
    lines = file.read_text().splitlines()
    words = lines[row].split()
    words[column : column + 1] = word.split()
    lines[row] = " ".join(words)
    file.write_text("\n".join(lines) + "\n")


def test_rows_that_are_wrong_are_named(tmp_path):
    def message(which, row, column, word):
        files = write(tmp_path / "in", *samples(40))
        change(files[which], row, column, word)
        return complaint(files, tmp_path / "store")

    assert "mnist_img_train.txt: row 3: expected 784 numbers, got 783" in message(0, 2, 5, "")
    assert "mnist_img_train.txt: row 39: expected 784 numbers, got 785" in message(0, 38, 5, "1 2")
    assert "mnist_img_train.txt: row 20: expected finite numbers, got 'black'" in message(0, 19, 5, "black")
    assert "mnist_img_train.txt: row 1: expected finite numbers, got 'nan'" in message(0, 0, 5, "nan")
    assert "mnist_img_train.txt: expected grey values from 0 to 255, got 0 to 256" in message(0, 0, 5, "256")
    assert "summary_psi_train_all.txt: row 17: expected 13 numbers, got 12" in message(1, 16, 0, "")
    assert "summary_psi_train_all.txt: row 17: expected finite numbers, got '1_0'" in message(1, 16, 0, "1_0")


@pytest.mark.parametrize(("images", "energies"), [(40, 39), (40, 32), (16, 40), (1, 0), (0, 3)])
def test_different_numbers_of_samples_are_counted(tmp_path, images, energies):
    bitmap, energy = samples(40)
    files = write(tmp_path / "in", bitmap[:images], energy[:energies])
    expected = rf"expected as many rows in {files[0]} as in {files[1]}, got {images} and {energies}"
    assert complaint(files, tmp_path / "store") == expected


@pytest.mark.parametrize(
    "how", ["truncated gz", "truncated zip", "corrupt gz", "corrupt zip", "not gz", "binary", "other"]
)
def test_damaged_files_are_named(tmp_path, how):
    files = write(tmp_path / "in", *samples(40))
    whole = gzip.compress(files[0].read_bytes())
    middle = len(whole) // 2
    if "gz" in how:
        bad = files[0].with_suffix(".txt.gz")
        parts = {
            "truncated gz": whole[:middle],
            "corrupt gz": whole[:middle] + b"xyzabc" + whole[middle + 6 :],
            "not gz": b"1 2 3\n",
        }
        bad.write_bytes(parts[how])
    elif "zip" in how:
        bad = zipped(files[0].with_suffix(".txt.zip"), [files[0]])
        whole = bad.read_bytes()
        bad.write_bytes(whole[:middle] + (b"" if how == "truncated zip" else b"xyzabc" + whole[middle + 6 :]))
    else:
        bad = files[0]
        bad.write_bytes(b"\x89PNG\r\n" + bytes(range(256)) if how == "binary" else b"<html>not found</html>\n")
    text = complaint([bad, files[1]], tmp_path / "store")
    assert text.startswith(f"{bad}: ")
    reason = {"other": r"row 1: expected 784 numbers, got 2", "corrupt": r"row \d+: expected|damaged or another file"}
    assert re.search(reason.get(how.split()[0], "damaged or another file"), text)


def test_missing_files_are_named(tmp_path):
    folder = tmp_path / "in"
    files = write(folder, *samples(3))
    assert "expected one of the files mnist_img_test.txt, mnist_img_test.txt.gz" in complaint(
        folder, tmp_path / "store", part="test"
    )
    zipped(folder / "MNIST_input_files.zip", [files[0]])
    assert "expected the file mnist_img_test.txt in it, got ['mnist_img_train.txt']" in complaint(
        [folder / "MNIST_input_files.zip", files[1]], tmp_path / "store", part="test"
    )
    assert "expected two files, bitmaps and energies, got 1" in complaint([files[1]], tmp_path / "store")
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt"):
        import_mechanical_mnist([folder / "nothing.txt", files[1]], tmp_path / "store")


def test_empty_files_and_folders_in_use_are_refused(tmp_path):
    files = write(tmp_path / "in", *samples(2))
    for file in files:
        file.write_text("\n\n")
    assert "expected samples, got an empty file" in complaint(files, tmp_path / "store")
    with pytest.raises(DatasetError, match="expected an empty or a new folder"):
        import_mechanical_mnist(files, tmp_path / "in")
    files = write(tmp_path / "in", *samples(2))
    (tmp_path / "store").mkdir()
    assert len(import_mechanical_mnist(files, tmp_path / "store").numbers()) == 2
    with pytest.raises(DatasetError, match="expected an empty or a new folder"):
        import_mechanical_mnist(files, tmp_path / "store")
    assert len(Store.open(tmp_path / "store").numbers()) == 2


def test_empty_lines_do_not_count(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("1 2\n\n 3\t4 \r\n5e0 -6\n\n")
    blocks = list(tables.read_table(file, 2, rows=2, member=""))
    assert [block.tolist() for block in blocks] == [[[1.0, 2.0], [3.0, 4.0]], [[5.0, -6.0]]]
