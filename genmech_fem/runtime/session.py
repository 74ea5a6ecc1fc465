"""An ONNX Runtime session on a file that has been looked through."""

import ctypes
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from genmech_fem.errors import ContractError, one_line
from genmech_fem.runtime.untrusted import LARGEST, check_model
from genmech_fem.runtime.wire import RefusedError, WireError

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
MISSING = re.compile(r"Could not find an implementation for (\w+)\(\d+\) node with name '([^']*)'")
TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(bool)": np.bool_,
}  # fmt: skip


class MissingKernelError(ContractError):
    """ONNX Runtime has no kernel for an operator of a file."""

    def __init__(self, path: Path, operator: str, node: str) -> None:
        super().__init__(
            f"{path} needs the operator {operator} for types that ONNX Runtime does not have it for ({node})"
        )
        self.operator, self.node = operator, node


def read_file(path: Path, limit: int = LARGEST) -> bytes:
    """The bytes of a file that is no larger than the limit [byte].

    Raises:
        FileNotFoundError: There is no such file.
        ContractError: It is no regular file, or larger.
    """
    if not path.exists():
        raise FileNotFoundError(f"no ONNX file at {path}")
    if not path.is_file():
        raise ContractError(f"{path} is not a readable ONNX file: it is no regular file")
    if path.stat().st_size > limit:
        raise ContractError(
            f"{path} is refused: it has {path.stat().st_size} bytes, more than {limit}: raise the limit if you trust it"
        )
    return path.read_bytes()


class Session:
    """Named arrays to named arrays, in the precision of the file, on the GPU where ONNX Runtime offers one.

    Args:
        data: The bytes of the file.
        path: Where they are from, for messages.
        threads: Threads of one evaluation; they do not spin.
        limit: Largest size of the file and of each tensor in it [byte].

    Attributes:
        inputs: Types of the inputs, by name.
        outputs: Names of the outputs.
        properties: Metadata of the file, text by key.

    Raises:
        ContractError: The file is damaged, not safe to run, or needs what ONNX Runtime does not have.
    """

    def __init__(self, data: bytes, path: Path, *, threads: int = 1, limit: int = LARGEST) -> None:
        self.path = path
        _refuse_unsafe(data, path, limit)
        offered = onnxruntime.get_available_providers()
        providers = [name for name in PROVIDERS if name in offered]
        try:
            again = len(providers) > 1  # ONNX Runtime tells what it tries again, on the standard output
            self._session = onnxruntime.InferenceSession(
                data, _options(threads), providers=providers, enable_fallback=again
            )
            self.inputs = {node.name: node.type for node in self._session.get_inputs()}
            self.outputs = [node.name for node in self._session.get_outputs()]
            self.properties: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # ONNX Runtime has no common base class
            missing = MISSING.search(str(error))
            if missing:
                raise MissingKernelError(path, *missing.groups()) from error
            raise ContractError(f"{path} is not a readable ONNX file: {one_line(error, 300)}") from error
        self._quiet = onnxruntime.RunOptions()
        self._quiet.log_severity_level = 4
        self._bound = self._session.get_providers()[0] != PROVIDERS[-1]
        self._session._model_bytes = None  # the session has its own copy of the weights
        _return_memory()

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs, for these inputs.

        Raises:
            ContractError: ONNX Runtime cannot evaluate them.
        """
        feeds: dict[str, np.ndarray] = {
            name: np.ascontiguousarray(arrays[name], dtype=TYPES[kind]) for name, kind in self.inputs.items()
        }
        try:
            found = self._run_bound(feeds) if self._bound else self._session.run(self.outputs, feeds, self._quiet)
            return dict(zip(self.outputs, found, strict=True))
        except Exception as error:  # ONNX Runtime has no common base class
            shapes = {name: array.shape for name, array in arrays.items()}
            reason = one_line(error, 300)
            raise ContractError(f"{self.path} cannot be evaluated for arrays {shapes}: {reason}") from error

    def _run_bound(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs that stay on the GPU until all are there; on the CPU it would cost more than it saves."""
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        for name in self.outputs:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding, self._quiet)
        return binding.copy_outputs_to_cpu()


def _refuse_unsafe(data: bytes, path: Path, limit: int) -> None:
    try:
        check_model(data, limit)
    except WireError as error:
        raise ContractError(f"{path} is not a readable ONNX file: {error}") from error
    except RefusedError as error:
        raise ContractError(f"{path} is refused: {error}") from error


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # patterns reserve memory for every batch size that has come
    options.log_severity_level = 4
    return options


def _return_memory() -> None:
    """Give freed memory back to the system: parsing a file leaves several times its size behind."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)
