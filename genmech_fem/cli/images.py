"""Images from data sets, files, and generators that draw them."""

from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from genmech_fem.cli.commands.evaluate import DRAWN
from genmech_fem.cli.samples import open_part

PHASE = "phase"
BATCH = 50


def read_images(source: str, count: int | None = None) -> np.ndarray:
    """The first `count` images (n, *grid) of a data set or file, or all of them.

    Raises:
        ValueError: It is none of the known kinds, or damaged.
        DatasetError: The data set has no such array or part.
        OSError: It cannot be read.
    """
    folder, colon, _ = source.rpartition(":")
    path = Path(source)
    if path.is_dir() or (colon and Path(folder).is_dir()):
        store, numbers = open_part(source)
        return store.read(numbers[:count], [PHASE])[1][PHASE]
    if path.suffix not in READERS:
        raise ValueError(f"{path}: expected the folder of a data set or a file {', '.join(READERS)}")
    return READERS[path.suffix](path, count)


def _array(path: Path, count: int | None) -> np.ndarray:
    """The array of a .npy file, or the array 'phase' of a .npz file, or its only one."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file)
            if isinstance(loaded, np.ndarray):
                return loaded[:count]
            names = loaded.files
            if PHASE not in names and len(names) != 1:
                raise KeyError(f"no array '{PHASE}' among {names}")
            return loaded[PHASE if PHASE in names else names[0]][:count]
    except (ValueError, EOFError, KeyError, IndexError, BadZipFile) as error:
        raise ValueError(f"{path}: expected an array of images ({error})") from error


def _drawn(path: Path, count: int | None) -> np.ndarray:
    """Images that the generator in a file draws, from the seed 0."""
    import torch

    from genmech_fem.generative import GenerativeModel
    from genmech_fem.training import load_model

    model = load_model(path)[0]
    if not isinstance(model, GenerativeModel) or getattr(model, "shape", (0,))[0] != 1:
        raise ValueError(f"{path}: expected a generator of one phase field, got {type(model).__name__}")
    generator, total = torch.Generator().manual_seed(0), count or DRAWN
    try:
        parts = [model.sample(min(BATCH, total - start), generator=generator)[:, 0] for start in range(0, total, BATCH)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}: draw samples in Python and give them as .npy") from error
    return torch.cat(parts).double().clamp(0, 1).numpy()


# what reads the first images of a file, by its suffix
READERS: dict[str, Callable[[Path, int | None], np.ndarray]] = {
    ".npy": _array,
    ".npz": _array,
    ".safetensors": _drawn,
}
