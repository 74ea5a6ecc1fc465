"""The training loop: it yields its progress, so callers draw bars and stop when they like."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.training.log import Log
from genmech_fem.training.parallel import add_up, of_first, share, world
from genmech_fem.training.recipe import Recipe
from genmech_fem.training.trainable import Batch, Trainable
from genmech_fem.training.weights import load_weights, save_tensors

type Augment = Callable[[Batch, torch.Generator], Batch]
"""A batch to another one that is as likely, such as the same samples turned."""


@dataclass(frozen=True)
class Progress:
    """State after `step` steps: share of the budget used, losses by player, seconds of training."""

    step: int
    fraction: float
    losses: Mapping[str, float]
    seconds: float

    @property
    def steps(self) -> int:
        """Steps of the whole run, an estimate where the budget is in seconds."""
        return max(self.step, round(self.step / self.fraction))

    @property
    def seconds_left(self) -> float:
        """Estimate of the seconds until the end."""
        return self.seconds * (1 / self.fraction - 1)


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
        checkpoint: File to go on from and to save to.
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
    run = _Run(model, data, recipe, augment)
    identity = {} if checkpoint is None else _identity(model, data, recipe, augment)
    if checkpoint is not None and Path(checkpoint).exists():
        run.restore(checkpoint, identity)
    else:
        model.prepare(data)
        share(model)
        run.remember()
    records = Log(log if rank == 0 else None, run.step)
    target = checkpoint if rank == 0 else None
    model.train()
    try:
        while run.fraction < 1:
            progress = run.advance()
            records.add(progress, recipe.rate(progress.fraction))
            if target is not None and (run.step % recipe.save_every == 0 or run.fraction >= 1):
                run.save(target, identity)
            yield progress
    except GeneratorExit:  # closed between two steps, so nothing is half done
        if target is not None:
            run.save(target, identity)
        raise
    finally:
        records.close()
        run.finish()


class _Run:
    """Everything that changes during training."""

    def __init__(self, model: Trainable, data: Batch, recipe: Recipe, augment: Augment | None) -> None:
        self.device = next(model.parameters()).device
        self.model, self.recipe, self.augment = model, recipe, augment
        self.data = {name: tensor.to(self.device) for name, tensor in data.items()}
        self.samples = len(next(iter(self.data.values())))
        self.step, self.seconds = 0, 0.0
        rank, processes = world()
        self.parts = range(rank, recipe.parts, processes)
        self.order = torch.empty(0, dtype=torch.long)
        self.average: dict[str, Tensor] = {}
        self.remember()
        self.optimizers = {
            player: torch.optim.AdamW(
                model.parameters_of(player),
                lr=recipe.learning_rate,
                betas=model.betas,
                weight_decay=recipe.weight_decay,
                fused=True,
            )
            for player in dict.fromkeys(model.players)
        }

    def remember(self) -> None:
        """Begin the average with the present weights."""
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    @property
    def fraction(self) -> float:
        """Share of the budget that is used."""
        return self.recipe.fraction(self.step, self.samples, self.seconds)

    def advance(self) -> Progress:
        """Take one step of each player."""
        began = time.perf_counter()
        batches = [(self._batch(part), self._generator(self.step, part)) for part in self.parts]
        if self.augment is not None:
            batches = [(self.augment(batch, generator), generator) for batch, generator in batches]
        losses = {player: self._update(player, batches) for player in self.model.players}
        decay = self.recipe.decay(self.step)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter, 1 - decay)
        self.step += 1
        self.seconds = of_first(self.seconds + time.perf_counter() - began)
        return Progress(self.step, self.fraction, losses, self.seconds)

    def _generator(self, *numbers: int) -> torch.Generator:
        """A stream of random numbers that belongs to these numbers alone."""
        seed = np.random.SeedSequence([self.recipe.seed, *numbers]).generate_state(1, np.uint64)
        return torch.Generator(self.device).manual_seed(int(seed[0]))

    def _batch(self, part: int) -> Batch:
        """A part of the samples of this step: every sample once per epoch, in a new order each time."""
        size, per_part = self.recipe.batch_size, self.recipe.batch_size // self.recipe.parts
        epoch, position = divmod(self.step, self.samples // size)
        if position == 0 or not len(self.order):
            self.order = torch.randperm(self.samples, generator=self._generator(epoch), device=self.device)
        start = position * size + part * per_part
        chosen = self.order[start : start + per_part]
        return {name: tensor[chosen] for name, tensor in self.data.items()}

    def _update(self, player: str, batches: list[tuple[Batch, torch.Generator]]) -> float:
        optimizer, parameters = self.optimizers[player], self.model.parameters_of(player)
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.fraction)
        optimizer.zero_grad()
        total = torch.zeros(1, device=self.device)
        for batch, generator in batches:
            loss = self.model.loss(batch, player, generator=generator) / self.recipe.parts
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        add_up([total, *(p.grad for p in parameters if p.grad is not None)])
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        value = total.item()
        if not (math.isfinite(value) and math.isfinite(norm.item())):
            raise ConvergenceError(
                f"step {self.step + 1}, {player}: loss {value:.3g} with gradient norm {norm.item():.3g}: lower the "
                f"learning rate (now at most {self.recipe.learning_rate:g}); the last checkpoint is kept"
            )
        optimizer.step()
        return value

    def finish(self) -> None:
        """Leave the averaged weights in the model."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.average[name])
        self.model.eval()

    def save(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Write the state."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.items()}
        for player, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{player}.{index}.{key}": tensor for key, tensor in moments.items()}
        save_tensors(tensors, path, {"step": self.step, "seconds": self.seconds, **identity})

    def restore(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Read the state that `save` wrote.

        Raises:
            ContractError: It belongs to another run.
        """
        found, tensors = load_weights(path)
        other = [key for key, value in identity.items() if found.get(key) != value]
        if other:
            raise ContractError(
                f"checkpoint {path}: expected one of the same run, got another {', '.join(other)}: "
                "repeat the arguments of that run, or delete the file"
            )
        self.step, self.seconds = found["step"], found["seconds"]
        self.model.load_state_dict(_below("model.", tensors))
        for name, tensor in _below("average.", tensors).items():
            self.average[name].copy_(tensor)
        for player, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _below(f"optimizer.{player}.", tensors).items():
                index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def training_record(data: Batch, recipe: Recipe, augment: Augment | None = None) -> dict[str, Any]:
    """What a model was trained on and how, as JSON data: recipe, sha256 of the data, name of the augmentation."""
    digest = hashlib.sha256()
    for name, tensor in sorted(data.items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return {
        "recipe": asdict(recipe),
        "data": digest.hexdigest(),
        "augmentation": getattr(augment, "__qualname__", type(augment).__name__),
    }


def _identity(model: Trainable, data: Batch, recipe: Recipe, augment: Augment | None) -> dict[str, Any]:
    """What has to be equal for a checkpoint to be continued, as JSON data."""
    identity = {"model": [type(model).__name__, model.config()], **training_record(data, recipe, augment)}
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


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
