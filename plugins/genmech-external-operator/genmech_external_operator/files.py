"""Energies as files of laws that know where they were trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from genmech_fem.export import ExportReport, law_to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.runtime import Passport
from genmech_fem.runtime.domain import Domain


def energy_to_onnx(
    model: nn.Module,
    path: Path | str,
    strains: np.ndarray,
    *,
    strain: ScalarSpec,
    stress: ScalarSpec,
    passport: Passport | None = None,
) -> ExportReport:
    """Export an energy as a law whose file knows the range of the strains that it was trained on.

    Args:
        model: From strains (points, n) to energies (points,).
        path: Where to write (``.onnx``).
        strains: Those of the training (samples, n).
        strain: Name, number n and unit of the strains.
        stress: Name and unit of the stresses.
        passport: What else the file says of the training.

    Raises:
        ContractError: See `genmech_fem.export.law_to_onnx`.
        OSError: The file cannot be written.
    """
    about = replace(passport or Passport(), domain={strain.name: Domain.of(strains, strain)})
    given = {strain.name: strains}
    return law_to_onnx(model, path, given, strain=strain, stress=stress, energy=True, passport=about)
