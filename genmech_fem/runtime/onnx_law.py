"""A constitutive law from an ONNX file."""

from pathlib import Path

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import ScalarSpec
from genmech_fem.runtime.onnx_model import OnnxModel


class OnnxLaw:
    """Stress and consistent tangent of strains, from a file that `export.law_to_onnx` wrote.

    Args:
        path: The file.
        threads: Threads of one evaluation; they do not spin, so a solver beside them keeps its cores.
        batch: Most points of one evaluation; None evaluates any number at once.

    Attributes:
        model: The file as a ForwardModel, whose tangents (points, m n) are flat, row by row.
        strain: Name, number n and unit of the strains.
        stress: Name, number m and unit of the stresses.

    Raises:
        ContractError: The file is damaged, unsafe, or holds no law.
        FileNotFoundError: There is no such file.
    """

    def __init__(self, path: Path | str, *, threads: int = 1, batch: int | None = None) -> None:
        self.model = OnnxModel(path, threads=threads, batch=batch)
        specs = (*self.model.inputs, *self.model.outputs)
        vectors = [spec for spec in specs if isinstance(spec, ScalarSpec)]
        sizes = [spec.size for spec in vectors]
        if "law" not in self.model.metadata or len(specs) != 3 or len(sizes) != 3 or sizes[2] != sizes[0] * sizes[1]:
            raise ContractError(f"{path} holds no constitutive law: write it with export.law_to_onnx")
        self.strain, self.stress, self._tangent = vectors

    def __call__(self, strain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stress (points, m) and tangent (points, m, n) of strains (points, n).

        Raises:
            ContractError: The strains have another number of components.
            ConvergenceError: The law returned NaN or infinity.
        """
        found = self.model({self.strain.name: strain})
        tangent = found[self._tangent.name].reshape(-1, self.stress.size, self.strain.size)
        return found[self.stress.name], tangent
