"""The training loop: it yields its progress, so callers draw bars and stop when they like."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.training.recipe import Recipe
from genmech_fem.training.trainable import Batch, Trainable
from genmech_fem.training.weights import load_weights, save_tensors

type Augment = Callable[[Batch, torch.Generator], Batch]


@dataclass(frozen=True)
class Progress:
    """State after `step` of `steps`: losses by player, wall seconds since the call."""

    step: int
    steps: int
    losses: Mapping[str, float]
    seconds: float


def fit(
    model: Trainable,
    data: Batch,
    recipe: Recipe,
    *,
    augment: Augment | None = None,
    checkpoint: Path | None = None,
) -> Iterator[Progress]:
    """Train `model` in place, one step per iteration.

    When the iterator ends or is closed (leaving a ``for`` loop closes it) the model
    holds the averaged weights. With `checkpoint` a later call with the same arguments
    goes on where the last one stopped, and ends bit for bit as if never interrupted.

    Args:
        model: What to train, on the device of its parameters.
        data: Training tensors by name, each (samples, ...), in physical units.
        recipe: Settings.
        augment: Random change of a batch, drawn from the given generator only.
        checkpoint: File to go on from and to save to.

    Yields:
        The progress after each step.

    Raises:
        ValueError: The data are empty, not finite, or of different lengths, or fewer than a batch.
        ContractError: The checkpoint belongs to another model, recipe, or data set.
        ConvergenceError: The loss or its gradient is not finite; the step is not taken.
    """
    _check_data(data, recipe)
    run = _Run(model, data, recipe, augment)
    identity = {} if checkpoint is None else _identity(model, data, recipe, augment)
    if checkpoint is not None and Path(checkpoint).exists():
        run.restore(checkpoint, identity)
    else:
        model.prepare(data)
    start = time.perf_counter()
    model.train()
    try:
        while run.step < recipe.steps:
            losses = run.advance()
            if checkpoint is not None and (run.step % recipe.save_every == 0 or run.step == recipe.steps):
                run.save(checkpoint, identity)
            yield Progress(run.step, recipe.steps, losses, time.perf_counter() - start)
    except GeneratorExit:  # closed between two steps, so nothing is half done
        if checkpoint is not None:
            run.save(checkpoint, identity)
        raise
    finally:
        run.finish()


class _Run:
    """Everything that changes during training."""

    def __init__(self, model: Trainable, data: Batch, recipe: Recipe, augment: Augment | None) -> None:
        device = next(model.parameters()).device
        self.model, self.recipe, self.augment = model, recipe, augment
        self.data = {name: tensor.to(device) for name, tensor in data.items()}
        self.samples = len(next(iter(self.data.values())))
        self.step = 0
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.order = torch.arange(self.samples, device=device)
        self.average = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.optimizers = {
            player: torch.optim.AdamW(
                model.parameters_of(player), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
            )
            for player in model.players
        }

    def advance(self) -> dict[str, float]:
        """Take one step of each player; the losses by player."""
        batch = self._batch()
        losses = {player: self._update(player, batch) for player in self.model.players}
        decay = self.recipe.decay(self.step)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter, 1 - decay)
        self.step += 1
        return losses

    def _batch(self) -> Batch:
        """Samples of this step: every sample once per epoch, in a new order each time."""
        size = self.recipe.batch_size
        position = self.step % (self.samples // size)
        if position == 0:
            self.order = torch.randperm(self.samples, generator=self.generator, device=self.generator.device)
        chosen = self.order[position * size : (position + 1) * size]
        batch: Batch = {name: tensor[chosen] for name, tensor in self.data.items()}
        return batch if self.augment is None else self.augment(batch, self.generator)

    def _update(self, player: str, batch: Batch) -> float:
        optimizer = self.optimizers[player]
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        optimizer.zero_grad()
        loss = self.model.loss(batch, player, generator=self.generator)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters_of(player), 1.0)
        value = loss.item()
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
        tensors |= {"generator": self.generator.get_state(), "order": self.order}
        for player, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{player}.{index}.{key}": tensor for key, tensor in moments.items()}
        save_tensors(tensors, path, {"step": self.step, **identity})

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
        self.step = found["step"]
        self.model.load_state_dict(_below("model.", tensors))
        for name, tensor in _below("average.", tensors).items():
            self.average[name].copy_(tensor)
        self.generator.set_state(tensors["generator"])
        self.order.copy_(tensors["order"])
        for player, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _below(f"optimizer.{player}.", tensors).items():
                index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _identity(model: Trainable, data: Batch, recipe: Recipe, augment: Augment | None) -> dict[str, Any]:
    """What has to be equal for a checkpoint to be continued, as JSON data."""
    digest = hashlib.sha256()
    for name, tensor in sorted(data.items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    identity = {
        "model": [type(model).__name__, model.config()],
        "recipe": asdict(recipe),
        "data": digest.hexdigest(),
        "augmentation": getattr(augment, "__qualname__", type(augment).__name__),
    }
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def _check_data(data: Batch, recipe: Recipe) -> None:
    lengths = {name: len(tensor) for name, tensor in data.items()}
    if not lengths or len(set(lengths.values())) > 1:
        raise ValueError(f"fit: expected named tensors of one length, got {lengths}")
    samples = next(iter(lengths.values()))
    if samples < recipe.batch_size:
        raise ValueError(f"fit: expected at least one batch of {recipe.batch_size} samples, got {samples}")
    for name, tensor in data.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"fit: expected finite numbers, '{name}' holds NaN or infinity: leave out failed samples")
