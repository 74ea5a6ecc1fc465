"""What a model was trained on and how, so that runs can be told apart."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from genmech_fem.training.recipe import Recipe
from genmech_fem.training.trainable import Batch, Trainable

type Augment = Callable[[Batch, torch.Generator], Batch]
"""A batch to another one that is as likely, such as the same samples turned."""


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


def identity(model: Trainable, data: Batch, recipe: Recipe, augment: Augment | None) -> dict[str, Any]:
    """What has to be equal for a checkpoint to be continued, as JSON data."""
    record = {"model": [type(model).__name__, model.config()], **training_record(data, recipe, augment)}
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain
