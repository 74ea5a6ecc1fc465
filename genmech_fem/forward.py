"""One call signature for solver, surrogate, decoder and ONNX session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from genmech_fem.errors import ContractError, GenmechError
from genmech_fem.fields import Arrays, Spec, check, concatenate, take


@runtime_checkable
class ForwardModel(Protocol):
    """A function from named arrays to named arrays, described by specs."""

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """What the model takes."""

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """What the model returns."""

    def __call__(self, inputs: Arrays) -> Arrays:
        """Map a batch of inputs to a batch of outputs."""


@runtime_checkable
class DifferentiableForwardModel(ForwardModel, Protocol):
    """A forward model that also returns vector-Jacobian products."""

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> Arrays:
        """Gradient of ``sum(cotangents * outputs)`` with respect to the inputs.

        Outputs that `cotangents` leaves out count as zero.
        """


@runtime_checkable
class LinearizableForwardModel(DifferentiableForwardModel, Protocol):
    """A differentiable model that keeps what its gradients need, so that value and gradient share a solve."""

    def linearize(self, inputs: Arrays) -> tuple[Arrays, Callable[[Arrays], Arrays]]:
        """Outputs, and the function from cotangents to the gradients of `vjp`."""


def linearize(model: DifferentiableForwardModel, inputs: Arrays) -> tuple[Arrays, Callable[[Arrays], Arrays]]:
    """Outputs, and the function from cotangents to gradients; they share a solve where the model can do so."""
    if isinstance(model, LinearizableForwardModel):
        return model.linearize(inputs)
    return model(inputs), lambda cotangents: model.vjp(inputs, cotangents)


@dataclass(frozen=True)
class FunctionModel:
    """A ForwardModel from a plain function of one batch.

    Args:
        function: Takes and returns arrays by name.
        inputs: Specs of what it takes.
        outputs: Specs of what it returns.
    """

    function: Callable[[Arrays], Arrays]
    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]

    def __call__(self, inputs: Arrays) -> Arrays:
        """Check the inputs, call the function, check its outputs."""
        return check(self.function(check(inputs, self.inputs)), self.outputs, "output")


@dataclass(frozen=True)
class LazyModel:
    """A ForwardModel that is built where it is first needed, so that it can be sent to other processes.

    A model that holds DOLFINx or PETSc objects cannot be pickled; how to build it can.

    Args:
        build: Makes the model, such as ``functools.partial(pixel_homogenization, 64)``.
    """

    build: Callable[[], ForwardModel]

    @cached_property
    def model(self) -> ForwardModel:
        """The model of this process."""
        return self.build()

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """What the model takes."""
        return self.model.inputs

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """What the model returns."""
        return self.model.outputs

    def __call__(self, inputs: Arrays) -> Arrays:
        """Call the model of this process."""
        return self.model(inputs)

    def forget(self) -> None:
        """Build the model anew when it is needed next."""
        self.__dict__.pop("model", None)

    def __getstate__(self) -> dict[str, Any]:
        return {"build": self.build}


@dataclass(frozen=True)
class Chain:
    """`first`, then `second` on its outputs and on the inputs it shares with the chain.

    Args:
        first: Makes what the second model takes.
        second: Ends the chain.
        keep: Return what the first model makes too.
    """

    first: ForwardModel
    second: ForwardModel
    keep: bool = False

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """What the first model takes, and what the second one takes beyond that."""
        made = {spec.name for spec in self.first.outputs}
        taken = {spec.name for spec in self.first.inputs}
        return (*self.first.inputs, *(s for s in self.second.inputs if s.name not in made | taken))

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """What the second model returns, and with `keep` what the first one does."""
        last = {spec.name for spec in self.second.outputs}
        return (*self.second.outputs, *(s for s in self.first.outputs if self.keep and s.name not in last))

    def between(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What the first model takes, and what the second one then takes."""
        start = self._start(inputs)
        return start, self._middle(inputs, self.first(start))

    def __call__(self, inputs: Arrays) -> Arrays:
        """Call one after the other."""
        arrays = check(inputs, self.inputs)
        made = self.first(self._start(arrays))
        return self._kept(made, self.second(self._middle(arrays, made)))

    def _start(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {spec.name: inputs[spec.name] for spec in self.first.inputs}

    def _middle(self, inputs: Arrays, made: Arrays) -> dict[str, np.ndarray]:
        known = {**inputs, **made}
        return {spec.name: known[spec.name] for spec in self.second.inputs}

    def _kept(self, made: Arrays, outputs: Arrays) -> Arrays:
        return {**made, **outputs} if self.keep else outputs


@dataclass(frozen=True)
class _DifferentiableChain(Chain):
    first: DifferentiableForwardModel
    second: DifferentiableForwardModel

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> Arrays:
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[Arrays, Callable[[Arrays], Arrays]]:
        arrays = check(inputs, self.inputs)
        start = self._start(arrays)
        made, back_first = linearize(self.first, start)
        middle = self._middle(arrays, made)
        outputs, back_second = linearize(self.second, middle)

        def pull_back(cotangents: Arrays) -> Arrays:
            last = {spec.name for spec in self.second.outputs}
            own = {name: array for name, array in cotangents.items() if name in last or name not in made}
            later = back_second(own) if own else {name: np.zeros(array.shape) for name, array in middle.items()}
            kept = {name: array for name, array in cotangents.items() if name not in own}
            return self.through(start, later, kept=kept, back=back_first)

        return self._kept(made, outputs), pull_back

    def through(
        self,
        start: Arrays,
        later: Arrays,
        *,
        kept: Arrays | None = None,
        back: Callable[[Arrays], Arrays] | None = None,
    ) -> Arrays:
        """Gradients by the inputs from those by what the second model takes, and by what the first one makes."""
        gradients = dict(later)
        made = {spec.name for spec in self.first.outputs}
        cotangents = {name: gradients.pop(name) for name in list(gradients) if name in made}
        for name, array in (kept or {}).items():
            cotangents[name] = cotangents.get(name, 0.0) + array
        found = back(cotangents) if back is not None else self.first.vjp(start, cotangents)
        for name, gradient in found.items():
            gradients[name] = gradients.get(name, 0.0) + gradient
        return gradients


def compose(first: ForwardModel, second: ForwardModel, *more: ForwardModel, keep: bool = False) -> ForwardModel:
    """Chain models: each takes what the one before returns, by name.

    An input that the model before does not make is an input of the chain (and the
    same array where both take the same name). The chain has `vjp` if all links have.

    Args:
        first: First link.
        second: Second link.
        more: Further links.
        keep: Return what every link makes, not only what the last one does, and let every later link take it.

    Raises:
        ContractError: A link makes nothing that the next one takes, or the specs of one
            name differ between the two.
    """
    made = {spec.name: spec for spec in first.outputs}
    given = {**{spec.name: spec for spec in first.inputs}, **made}
    if not any(spec.name in made for spec in second.inputs):
        raise ContractError(
            f"compose: the second model takes {[s.name for s in second.inputs]}, the first one makes {list(made)}: "
            "rename one of them"
        )
    for spec in second.inputs:
        if given.get(spec.name, spec) != spec:
            raise ContractError(
                f"compose: '{spec.name}' is {given[spec.name]} before and {spec} after the joint: make them the same"
            )
    chain = Chain(first, second, keep)
    if isinstance(first, DifferentiableForwardModel) and isinstance(second, DifferentiableForwardModel):
        chain = _DifferentiableChain(first, second, keep)
    return compose(chain, *more, keep=keep) if more else chain


@dataclass(frozen=True)
class _Held:
    model: ForwardModel
    held: Arrays

    @property
    def inputs(self) -> tuple[Spec, ...]:
        return tuple(spec for spec in self.model.inputs if spec.name not in self.held)

    @property
    def outputs(self) -> tuple[Spec, ...]:
        return self.model.outputs

    def __call__(self, inputs: Arrays) -> Arrays:
        return self.model(self._whole(inputs))

    def _whole(self, inputs: Arrays) -> dict[str, np.ndarray]:
        arrays = check(inputs, self.inputs)
        count = len(next(iter(arrays.values())))
        return {**arrays, **{name: np.repeat(array, count, axis=0) for name, array in self.held.items()}}

    def _free(self, gradients: Arrays) -> Arrays:
        return {name: array for name, array in gradients.items() if name not in self.held}


@dataclass(frozen=True)
class _DifferentiableHeld(_Held):
    model: DifferentiableForwardModel

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> Arrays:
        return self._free(self.model.vjp(self._whole(inputs), cotangents))

    def linearize(self, inputs: Arrays) -> tuple[Arrays, Callable[[Arrays], Arrays]]:
        outputs, pull_back = linearize(self.model, self._whole(inputs))
        return outputs, lambda cotangents: self._free(pull_back(cotangents))


def hold(model: ForwardModel, held: Arrays) -> ForwardModel:
    """Fix some inputs of a model, such as the condition of a decoder; it has `vjp` if the model has.

    Args:
        model: Any model.
        held: Values by name, batches of one that count for all samples.

    Raises:
        ContractError: A name is no input, a shape differs, or no input is left.
    """
    names = [spec.name for spec in model.inputs]
    if not set(held) < set(names):
        raise ContractError(f"hold: expected some, not all, of the inputs {names}, got {sorted(held)}")
    arrays = check(held, [spec for spec in model.inputs if spec.name in held], "held input")
    if any(len(array) != 1 for array in arrays.values()):
        raise ContractError(f"hold: expected batches of one, got { ({n: len(a) for n, a in arrays.items()}) }")
    kind = _DifferentiableHeld if isinstance(model, DifferentiableForwardModel) else _Held
    return kind(model, arrays)  # type: ignore[arg-type]


def in_batches(model: ForwardModel, inputs: Arrays, size: int) -> dict[str, np.ndarray]:
    """Call `model` on at most `size` samples at a time."""
    total = len(next(iter(inputs.values())))
    return concatenate(model(take(inputs, slice(start, start + size))) for start in range(0, total, size))


def one_by_one(model: ForwardModel, inputs: Arrays) -> tuple[list[Arrays], dict[int, str]]:
    """Call `model` on every sample alone.

    Returns:
        The answers for the samples that it can evaluate, and what it says of each of the others, by number.
    """
    answers, failures = [], {}
    for i in range(len(next(iter(inputs.values())))):
        try:
            answers.append(model(take(inputs, slice(i, i + 1))))
        except GenmechError as error:
            failures[i] = str(error)
    return answers, failures


def check_vjp(
    model: DifferentiableForwardModel,
    inputs: Arrays,
    generator: np.random.Generator,
    steps: Sequence[float] = (4e-4, 2e-4, 1e-4),
) -> float:
    r"""Taylor test of `model.vjp`: the order at which the first-order remainder vanishes.

    With random directions d and cotangents c the remainder
    :math:`|c \cdot (f(x + h d) - f(x)) - h \, \mathrm{vjp}(c) \cdot d|` falls with h^2 when the
    product is right and with h when it is wrong.

    Args:
        model: The model to test.
        inputs: Where to test it.
        generator: Source of directions and cotangents.
        steps: Step lengths relative to the largest entry of each input.

    Returns:
        The fitted order: 2 for a right product, infinity for a model linear along d.
    """
    x = check(inputs, model.inputs)
    d = {n: generator.standard_normal(a.shape) * max(float(np.abs(a).max()), 1e-12) for n, a in x.items()}
    y = model(x)
    c = {n: generator.standard_normal(a.shape) / max(float(np.abs(a).max()), 1e-12) for n, a in y.items()}
    slope = sum(float(np.vdot(g, d[n])) for n, g in model.vjp(x, c).items())

    def value(h: float) -> float:
        moved = model({n: a + h * d[n] for n, a in x.items()})
        return sum(float(np.vdot(c[n], moved[n] - y[n])) for n in c)

    values = [value(h) for h in steps]
    remainders = [abs(v - h * slope) for v, h in zip(values, steps, strict=True)]
    if max(remainders) <= 1e-9 * max(abs(v) for v in values):
        return float("inf")
    return float(np.polyfit(np.log(steps), np.log(remainders), 1)[0])
