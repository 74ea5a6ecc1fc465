"""An ONNX file as a ForwardModel."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import Arrays, Spec, check, concatenate, mask_name, one_mask, take
from genmech_fem.runtime.description import Description
from genmech_fem.runtime.passport import Passport
from genmech_fem.runtime.session import Session, read_file
from genmech_fem.runtime.untrusted import LARGEST

CACHE = 4 * 2**20
"""Memory of the samples of one evaluation [byte]."""


class OnnxModel:
    """A ForwardModel from a file that `export.to_onnx` wrote; needs neither torch nor DOLFINx.

    The file may come from anybody: one that refers to other files, holds foreign operators or endless loops, or asks
    for more memory than the limit is refused before it runs. It is a `DifferentiableForwardModel`, with the method
    ``vjp``, if the file of its vector-Jacobian products lies beside it.

    Args:
        path: The file.
        threads: Threads of one evaluation; they do not spin, so a solver beside them keeps its cores.
        batch: Most samples of one evaluation; larger batches are split. None takes as many as the caches of a
            processor hold, by what the file says of its memory: that is faster, and takes less of it.
        shape: Grid to work on, if not that of the file, which must have been exported for other sizes too.
        limit: Largest size of the file and of each tensor in it [byte].

    Attributes:
        metadata: All that the file says about itself, as JSON data.
        passport: What it says of its training, or None.

    Raises:
        ContractError: The file is damaged, unsafe, of a newer version, carries no specs, or has another grid.
        FileNotFoundError: There is no such file.
        ValueError: `threads` or `batch` is below 1.
    """

    vjp: Callable[[Arrays, Arrays], dict[str, np.ndarray]]

    def __init__(
        self,
        path: Path | str,
        *,
        threads: int = 1,
        batch: int | None = None,
        shape: tuple[int, ...] | None = None,
        limit: int = LARGEST,
    ) -> None:
        if threads < 1 or (batch is not None and batch < 1):
            raise ValueError(f"OnnxModel: expected threads and batch >= 1, got {threads} and {batch}")
        self.path, self._threads, self._batch, self._limit = Path(path), threads, batch, limit
        self._session = Session(read_file(self.path, limit), self.path, threads=threads, limit=limit)
        about = Description.read(self._session.properties, path)
        about = about if shape is None else about.at(tuple(shape), path)
        self.metadata: Mapping[str, Any] = about.metadata
        self.passport: Passport | None = about.passport
        self.inputs: tuple[Spec, ...] = about.inputs
        self.outputs: tuple[Spec, ...] = about.outputs
        known = about.metadata.get("activations", 0)
        self._activations = known if isinstance(known, int) else 0
        self._mask = mask_name(self.inputs)
        names = {spec.name for spec in self.inputs} | ({self._mask} if self._mask else set())
        if set(self._session.inputs) != names or set(self._session.outputs) != {s.name for s in self.outputs}:
            raise ContractError(
                f"{path}: its specs name {sorted(names)} and {[s.name for s in self.outputs]}, its graph "
                f"{sorted(self._session.inputs)} and {self._session.outputs}"
            )
        if self._vjp_path is not None and self._vjp_path.exists():
            self.vjp = self._vjp

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Evaluate a batch in the precision of the file; returns float64.

        Raises:
            ContractError: The inputs do not match the specs.
            ConvergenceError: The network returned NaN or infinity.
        """
        arrays = check(inputs, self.inputs)
        outputs = self._run(self._session, self._feeds(arrays))
        if self._mask:
            varying = [spec.name for spec in self.outputs if -1 in spec.shape]
            outputs |= {f"{name}.mask": arrays[self._mask] for name in varying}
        return outputs

    def _vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` with respect to the inputs.

        Outputs that `cotangents` leaves out count as zero.

        Raises:
            ContractError: A cotangent is unknown, or arrays do not match their specs.
            ConvergenceError: The gradient is NaN or infinite.
        """
        arrays = check(inputs, self.inputs)
        unknown = sorted(set(cotangents) - {f"{s.name}{end}" for s in self.outputs for end in ("", ".mask")})
        if unknown:
            raise ContractError(f"unknown cotangents {unknown}: the outputs are {[s.name for s in self.outputs]}")
        chosen = tuple(spec for spec in self.outputs if spec.name in cotangents)
        given = check(cotangents, chosen, "cotangent")
        size, points = len(arrays[self.inputs[0].name]), arrays[self._mask].shape[-1] if self._mask else 0
        feeds = self._feeds(arrays)
        for spec in self.outputs:
            shape = (size, *(points if n == -1 else n for n in spec.shape))
            weight = given.get(spec.name, np.zeros(shape))
            if weight.shape != shape:
                raise ContractError(f"cotangent '{spec.name}': expected shape {shape}, got {weight.shape}")
            feeds[f"cotangent.{spec.name}"] = weight
        found = self._run(self._gradients, feeds)
        return {spec.name: found[f"gradient.{spec.name}"] for spec in self.inputs}

    def _feeds(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """What the file takes; fields on varying points share one mask.

        Raises:
            ContractError: Their masks differ.
        """
        feeds = {spec.name: arrays[spec.name] for spec in self.inputs}
        if self._mask:
            feeds[self._mask] = one_mask(arrays, self.inputs)
        return feeds

    def _run(self, session: Session, feeds: Arrays) -> dict[str, np.ndarray]:
        total = len(next(iter(feeds.values())))
        size = self._batch or max(1, CACHE // max(1, self._activations))
        found = concatenate(session(take(feeds, slice(k, k + size))) for k in range(0, max(total, 1), size))
        outputs = {name: array.astype(np.float64, copy=False) for name, array in found.items()}
        broken = [name for name, array in outputs.items() if not np.isfinite(array).all()]
        if broken:
            raise ConvergenceError(f"{self.path} returned NaN or infinity in {broken}: the inputs are out of its range")
        return outputs

    @property
    def _vjp_path(self) -> Path | None:
        """Where the products lie: beside this file, whatever its metadata say of folders."""
        about = self.metadata.get("vjp")
        return self.path.with_name(Path(str(about.get("file"))).name) if isinstance(about, Mapping) else None

    @cached_property
    def _gradients(self) -> Session:
        """The session of the vector-Jacobian products, opened when it is first needed."""
        path = self._vjp_path or self.path
        data = read_file(path, self._limit)
        if hashlib.sha256(data).hexdigest() != self.metadata["vjp"].get("sha256"):
            raise ContractError(f"{path} is not the file that {self.path} was exported with: export both again")
        session = Session(data, path, threads=self._threads, limit=self._limit)
        wanted = {f"gradient.{spec.name}" for spec in self.inputs}
        if set(session.outputs) != wanted:
            raise ContractError(f"{path}: expected the outputs {sorted(wanted)}, got {session.outputs}")
        return session
