"""A detector of anomalies as an ONNX file that says itself what is too much."""

from pathlib import Path

from torch import Tensor, nn

from genmech_fem.anomaly import Detector
from genmech_fem.errors import ContractError
from genmech_fem.export.onnx_file import to_onnx
from genmech_fem.export.report import ExportReport
from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, Spec
from genmech_fem.surrogates import TorchModel


class _Judge(nn.Module):
    """Score, alarm and map of a detector."""

    def __init__(self, detector: Detector, threshold: float, *, with_map: bool) -> None:
        super().__init__()
        self.detector, self.threshold, self.with_map = detector, threshold, with_map

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        score, found = self.detector(x)
        alarm = (score > self.threshold).to(score.dtype)
        maps = (found[:, None],) if self.with_map and found is not None else ()
        return score[:, None], alarm[:, None], *maps


def detector_model(detector: Detector, field: FieldSpec, quantile: float = 0.95) -> TorchModel:
    """A detector that knows normal samples as a `ForwardModel`.

    Outputs ``score`` (batch, 1) [standard deviations of normal scores], ``alarm`` (batch, 1), 1 where the score is
    above the threshold for `quantile`, else 0, and ``map`` (batch, *grid), if the detector has one.

    Args:
        detector: The detector, after `fit_normal`.
        field: Spec of the field that it judges.
        quantile: Least share of normal samples that raise no alarm.

    Raises:
        ContractError: The field has another shape than the samples of the detector.
        ValueError: The detector has no threshold for the quantile.
    """
    if field.channel_shape != detector.shape:
        raise ContractError(
            f"detector_model: expected a field of shape {detector.shape} as channels and grid, got "
            f"{field.channel_shape} ('{field.name}')"
        )
    threshold = detector.threshold(quantile)
    normal = detector.location.new_zeros((2, *detector.shape))
    with_map = detector.eval().evaluate(normal)[1] is not None
    outputs: tuple[Spec, ...] = (ScalarSpec("score"), ScalarSpec("alarm"))
    if with_map:
        outputs = (*outputs, FieldSpec("map", field.place))
    return TorchModel(_Judge(detector, threshold, with_map=with_map), (field,), outputs)


def detector_to_onnx(
    detector: Detector,
    path: Path | str,
    *,
    field: FieldSpec,
    samples: Arrays,
    quantile: float = 0.95,
    tolerance: float = 1e-3,
) -> ExportReport:
    """Export a detector with the normalisation of its score and its threshold inside.

    Args:
        detector: The detector, after `fit_normal`.
        path: Where to write (``.onnx``).
        field: Spec of the field that it judges.
        samples: At least 3 real samples of the field.
        quantile: Least share of normal samples that raise no alarm.
        tolerance: Largest accepted difference from torch, relative to the largest output; a score of squared small
            deviations magnifies the rounding of float32.

    Raises:
        ContractError: The field does not fit the detector, or ONNX Runtime disagrees with torch.
        ValueError: The detector has no threshold for the quantile.
    """
    about = {
        "detector": {
            "kind": type(detector).__name__,
            "threshold": detector.threshold(quantile),
            "quantile": quantile,
            "calibration": len(detector.calibration),
        }
    }
    model = detector_model(detector, field, quantile)
    return to_onnx(model, path, samples, metadata=about, tolerance=tolerance)
