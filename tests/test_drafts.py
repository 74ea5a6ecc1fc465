"""Files and folders that are whole or not there."""

import subprocess
import sys

import pytest

from genmech_fem.drafts import draft, draft_folder, write_atomic


def test_what_fails_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "model.bin"
    write_atomic(path, b"old")

    def write_half():
        with draft(path) as part:
            part.write_bytes(b"half of the ne")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_with_all_that_is_in_it(tmp_path):
    with draft(tmp_path / "set") as part:
        (part / "deep").mkdir(parents=True)
        (part / "deep" / "a.txt").write_text("a")
        assert not (tmp_path / "set").exists()
    assert (tmp_path / "set" / "deep" / "a.txt").read_text() == "a"
    with pytest.raises(OSError, match="set"), draft(tmp_path / "set") as part:  # in use: a folder is not written over
        part.mkdir()
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_a_disk_that_fills_up_is_an_error_that_names_the_file(tmp_path):
    """A limit on the size of files stands for the full disk."""
    script = f"""
import resource
from pathlib import Path
from genmech_fem.drafts import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
write_atomic(Path({str(tmp_path)!r}) / "answer.bin", bytes(3000))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"OSError: [Errno 27] File too large: '{tmp_path / 'answer.bin'}'"
    assert not list(tmp_path.iterdir())


def test_errors_of_a_draft_name_the_file_to_come(tmp_path):
    def of(error, make):
        with pytest.raises(OSError, match=".") as caught, make(tmp_path / "a.stl"):
            raise error
        return str(caught.value)

    path, full = tmp_path / "a.stl", OSError(28, "No space left on device")
    for make in (draft, draft_folder):
        assert of(full, make) == f"[Errno 28] No space left on device: '{path}'"
        assert of(OSError("9 requested and 5 written"), make) == f"{path}: cannot be written: 9 requested and 5 written"
        assert of(FileNotFoundError(2, "No such file", "b.stl"), make) == "[Errno 2] No such file: 'b.stl'"
