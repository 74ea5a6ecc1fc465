"""An ONNX file as a ForwardModel."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import Arrays, Spec, check, from_json

METADATA_KEY = "genmech_fem"


class OnnxModel:
    """A ForwardModel from a file that `export.to_onnx` wrote; needs neither torch nor DOLFINx.

    Args:
        path: The file.
        threads: Threads of one evaluation; they do not spin, so a solver beside them
            keeps its cores.

    Attributes:
        metadata: All that the file says about itself, as JSON data.

    Raises:
        ContractError: The file is damaged, or carries no specs.
        FileNotFoundError: There is no such file.
    """

    def __init__(self, path: Path | str, *, threads: int = 1) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"no ONNX file at {path}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                self.path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has no common base class
            raise ContractError(f"{path} is not a readable ONNX file: {str(error).splitlines()[0]}") from error
        try:
            self.metadata: Mapping[str, Any] = json.loads(
                self._session.get_modelmeta().custom_metadata_map[METADATA_KEY]
            )
            self.inputs: tuple[Spec, ...] = tuple(from_json(spec) for spec in self.metadata["inputs"])
            self.outputs: tuple[Spec, ...] = tuple(from_json(spec) for spec in self.metadata["outputs"])
        except (KeyError, ValueError, TypeError) as error:
            raise ContractError(
                f"{path} carries no specs under the metadata key '{METADATA_KEY}': write it with export.to_onnx"
            ) from error

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Evaluate a batch; computes in float32, returns float64.

        Raises:
            ContractError: The inputs do not match the specs.
            ConvergenceError: The network returned NaN or infinity.
        """
        arrays = check(inputs, self.inputs)
        names = [spec.name for spec in self.outputs]
        results = self._session.run(names, {name: array.astype(np.float32) for name, array in arrays.items()})
        outputs = {name: result.astype(np.float64) for name, result in zip(names, results, strict=True)}
        broken = [name for name, result in outputs.items() if not np.isfinite(result).all()]
        if broken:
            raise ConvergenceError(f"{self.path} returned NaN or infinity in {broken}: the inputs are out of its range")
        return outputs
