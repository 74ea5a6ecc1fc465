"""The training loop: it yields its progress, so callers draw bars and stop when they like."""

import time
from collections.abc import Iterator
from pathlib import Path

from genmech_fem.training.log import Log
from genmech_fem.training.parallel import share, world
from genmech_fem.training.recipe import Recipe
from genmech_fem.training.record import Augment, identity
from genmech_fem.training.run import Progress, Run
from genmech_fem.training.trainable import Batch, Trainable

LONGEST_UNSAVED = 10.0
"""Seconds of training after which a checkpoint is due, however few the steps."""


def fit(
    model: Trainable,
    data: Batch,
    recipe: Recipe,
    *,
    augment: Augment | None = None,
    checkpoint: Path | None = None,
    log: Path | None = None,
) -> Iterator[Progress]:
    """Train `model` in place, one step per iteration.

    When the iterator ends or is closed (leaving a ``for`` loop closes it) the model
    holds the averaged weights. With `checkpoint` a later call with the same arguments
    goes on where the last one stopped, and ends bit for bit as if never interrupted
    (unless the budget is in seconds). Within a ``torch.distributed`` process group the
    processes share the parts of each batch; the first one writes the files.

    Args:
        model: What to train, on the device of its parameters.
        data: Training tensors by name, each (samples, ...), in physical units.
        recipe: Settings.
        augment: Random change of a batch, drawn from the given generator only.
        checkpoint: File to go on from and to save to, after each `Recipe.save_every` steps or 10 seconds.
        log: File of JSON lines, one for each step: step, seconds, learning rate, losses.

    Yields:
        The progress after each step.

    Raises:
        ValueError: The data are empty, not finite, or of different lengths, or fewer than a batch; or the
            processes cannot share the parts of a batch.
        ContractError: The checkpoint belongs to another model, recipe, or data set.
        ConvergenceError: The loss or its gradient is not finite; the step is not taken.
    """
    _check_data(data, recipe)
    rank, processes = world()
    if recipe.parts % processes:
        raise ValueError(f"fit: expected a multiple of the {processes} processes as Recipe.parts, got {recipe.parts}")
    run = Run(model, data, recipe, augment)
    own = {} if checkpoint is None else identity(model, data, recipe, augment)
    if checkpoint is not None and Path(checkpoint).exists():
        run.restore(checkpoint, own)
    else:
        model.prepare(data)
        share(model)
        run.remember()
    records = Log(log if rank == 0 else None, run.step)
    target = checkpoint if rank == 0 else None
    saved = time.monotonic()
    model.train()
    try:
        while run.fraction < 1:
            progress = run.advance()
            records.add(progress, recipe.rate(progress.fraction))
            late = time.monotonic() - saved > LONGEST_UNSAVED
            if target is not None and (late or run.step % recipe.save_every == 0 or run.fraction >= 1):
                run.save(target, own)
                saved = time.monotonic()
            yield progress
    except GeneratorExit:  # closed between two steps, so nothing is half done
        if target is not None:
            run.save(target, own)
        raise
    finally:
        records.close()
        run.finish()


def _check_data(data: Batch, recipe: Recipe) -> None:
    lengths = {name: len(tensor) for name, tensor in data.items()}
    if not lengths or len(set(lengths.values())) > 1:
        raise ValueError(f"fit: expected named tensors of one length, got {lengths}")
    samples = next(iter(lengths.values()))
    if samples < recipe.batch_size:
        raise ValueError(
            f"fit: expected at least one batch of {recipe.batch_size} samples, got {samples}: add samples, "
            "or lower Recipe.batch_size"
        )
    for name, tensor in data.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"fit: expected finite numbers, '{name}' holds NaN or infinity: leave out failed samples")
