"""A training with a bar, which Ctrl-C ends after a whole step."""

import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tqdm import tqdm

from genmech_fem.cli.progress import advance, progress_bar

if TYPE_CHECKING:
    from torch import Tensor

    from genmech_fem.training import Progress, Recipe, Trainable


def follow(steps: "Iterator[Progress]", bar: "tqdm[Any]", done: "Callable[[Progress], int]") -> None:
    """Take the steps of `fit` and move a bar to ``done(step)``.

    Raises:
        KeyboardInterrupt: Ctrl-C; the state after the last step is in the checkpoint.
    """
    with closing(cast("Generator[Progress]", steps)) as generator, _noted() as pressed:
        for step in generator:
            advance(bar, done(step))
            if pressed:
                raise KeyboardInterrupt


def fit_with_bar(model: "Trainable", tensors: "Mapping[str, Tensor]", recipe: "Recipe", folder: Path) -> None:
    """Train a model for the seconds of a recipe; its checkpoint and its log are in the folder.

    Raises:
        KeyboardInterrupt: Ctrl-C, see `follow`.
    """
    from genmech_fem.training import fit

    steps = fit(model, tensors, recipe, checkpoint=folder / "training", log=folder / "training.jsonl")
    with progress_bar(100, "train") as bar:
        follow(steps, bar, lambda step: int(100 * step.fraction))


@contextmanager
def _noted() -> Iterator[list[int]]:
    """A list that Ctrl-C is entered into; pressed again, it interrupts at once."""
    pressed: list[int] = []

    def note(number: int, _: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
