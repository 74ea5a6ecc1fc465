"""What a model is conditioned on: numbers, a class, or fields."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

import genmech_fem
from genmech_fem.training import Normalizer

type Kind = Literal["scalars", "class", "field"]
type Condition = tuple[Kind, int]
"""Kind and size: ``("scalars", 6)`` numbers, ``("class", 4)`` classes, ``("field", 1)`` channels on the grid."""

KINDS = ("scalars", "class", "field")
INSIDE = tuple(str(Path(file).parent) for file in (genmech_fem.__file__, torch.__file__))  # not the caller's code
SLACK = 0.02  # of the training range, by which a condition may lie outside of it without a warning


class Conditioning(nn.Module):
    """Checks conditions and encodes them for networks; knows the range of the training data.

    A condition is (batch, size) numbers in physical units, (batch,) class numbers, or fields
    (batch, size, *grid) in physical units; a single one stands for all samples.

    Args:
        condition: Kind and size; None for an unconditional model.
        model: Name of the model in messages.
        kinds: What the model can be conditioned on.

    Raises:
        ValueError: The kind is unknown or not one of `kinds`, or the size is below 1.
    """

    low: Tensor
    high: Tensor

    def __init__(self, condition: Sequence[object] | None, model: str, kinds: Sequence[str] = KINDS) -> None:
        super().__init__()
        if condition is None:
            self.kind, self.size = None, 0
        else:
            kind, size = condition
            if kind not in kinds or not isinstance(size, int) or size < 1:
                raise ValueError(
                    f"{model}.condition: expected None or (kind, size >= 1) with a kind of {', '.join(kinds)}, "
                    f"got {tuple(condition)}"
                )
            self.kind, self.size = str(kind), size
        self.model = model
        numbers = 0 if self.kind == "class" else self.size
        self.scale = Normalizer(numbers)
        self.register_buffer("low", torch.full((numbers,), torch.nan))
        self.register_buffer("high", torch.full((numbers,), torch.nan))

    @property
    def config(self) -> list[object] | None:
        """The constructor's argument as JSON data."""
        return None if self.kind is None else [self.kind, self.size]

    @property
    def features(self) -> int:
        """Length of the vector that networks get: numbers, or one-hot classes."""
        return 0 if self.kind == "field" else self.size

    @property
    def channels(self) -> int:
        """Number of the channels that networks get beside x."""
        return self.size if self.kind == "field" else 0

    def fit(self, values: Tensor | None) -> None:
        """Learn scale and range from the conditions of the training data.

        Raises:
            ValueError: They are missing, or do not fit.
        """
        if self.kind is None:
            return
        if values is None:
            raise ValueError(f"{self.model}: expected the training data to hold 'condition' of kind {self.kind}")
        self._check_shape(values, None)
        if self.kind != "class":
            self.scale.fit(values)
            axes = [axis for axis in range(values.ndim) if axis != 1]
            self.low.copy_(values.amin(axes))
            self.high.copy_(values.amax(axes))

    def check(self, condition: Tensor | None, n: int, *, optional: bool = False) -> Tensor | None:
        """The condition of n samples; warns where it lies outside the range of the training data.

        Args:
            condition: The conditions, or a single one for all.
            n: Number of samples.
            optional: Whether a conditional model may go without.

        Raises:
            ValueError: It is missing, unwanted, of another shape, or not a known class.
        """
        if condition is None or self.kind is None:
            if condition is not None or (self.kind is not None and not optional):
                got = None if condition is None else f"one of shape {tuple(condition.shape)}"
                raise ValueError(f"{self.model}: expected a condition {self._expected(n)}, got {got}")
            return None
        if torch.compiler.is_exporting():  # the specs of the file fix the shapes, and the values are not known
            return condition
        if condition.ndim < {"scalars": 2, "class": 1, "field": 4}[self.kind]:
            condition = condition[None]
        if len(condition) == 1:
            condition = condition.expand(n, *condition.shape[1:])
        self._check_shape(condition, n)
        self._warn_outside(condition)
        return condition

    def given(self, condition: Tensor | None, n: int, *, optional: bool = False) -> Tensor | None:
        """What networks get as the condition of n samples: it is checked, then encoded."""
        return self.encode(self.check(condition, n, optional=optional))

    def encode(self, condition: Tensor | None) -> Tensor | None:
        """What networks get: normalised numbers (batch, size), one-hot classes, normalised fields, or None."""
        if condition is None:
            return None
        if self.kind == "class":
            return nn.functional.one_hot(condition, self.size).to(self.scale.mean.dtype)
        return self.scale.normalize(condition)

    def _expected(self, n: int | None) -> str:
        size = "n" if n is None else n
        return {
            None: "None",
            "scalars": f"of shape ({size}, {self.size})",
            "class": f"of shape ({size},) with classes 0 to {self.size - 1}",
            "field": f"of shape ({size}, {self.size}, *grid)",
        }[self.kind]

    def _check_shape(self, values: Tensor, n: int | None) -> None:
        fits = {
            "scalars": values.ndim == 2 and values.shape[1] == self.size,
            "class": values.ndim == 1 and not values.is_floating_point() and not values.is_complex(),
            "field": values.ndim in (4, 5) and values.shape[1] == self.size,
        }[str(self.kind)]
        if not fits or (n is not None and len(values) != n):
            raise ValueError(
                f"{self.model}: expected a condition {self._expected(n)}, got {tuple(values.shape)} of {values.dtype}"
            )
        if self.kind == "class" and not ((values >= 0) & (values < self.size)).all():
            raise ValueError(
                f"{self.model}: expected a condition {self._expected(n)}, got classes {sorted(set(values.tolist()))}"
            )

    def _warn_outside(self, values: Tensor) -> None:
        if self.kind == "class" or not self.low.isfinite().all():
            return
        slack = SLACK * (self.high - self.low)
        axes = [axis for axis in range(values.ndim) if axis != 1]
        outside = (values.amin(axes) < self.low - slack) | (values.amax(axes) > self.high + slack)
        for entry in outside.nonzero().flatten().tolist():
            warnings.warn(
                f"{self.model}: entry {entry} of the condition is outside its training range "
                f"[{self.low[entry]:.4g}, {self.high[entry]:.4g}]: samples may not follow it",
                skip_file_prefixes=INSIDE,
            )
