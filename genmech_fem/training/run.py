"""The state of a training run: it takes steps, and can be saved and restored."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.training.parallel import add_up, of_first, world
from genmech_fem.training.recipe import Recipe
from genmech_fem.training.record import Augment
from genmech_fem.training.trainable import Batch, Trainable
from genmech_fem.training.weights import load_weights, save_tensors


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


class Run:
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
        optimizer = self.optimizers[player]
        parameters = [parameter for parameter in self.model.parameters_of(player) if parameter.requires_grad]
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.fraction)
        optimizer.zero_grad()
        total = torch.zeros(1, device=self.device)
        for batch, generator in batches:
            loss = self.model.loss(batch, player, generator=generator) / self.recipe.parts
            loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]  # not to the other players' weights
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
