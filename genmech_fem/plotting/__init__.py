"""Pictures of fields, meshes and histories with matplotlib."""

from genmech_fem.errors import MissingExtraError

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise MissingExtraError("matplotlib", "viz") from error

from genmech_fem.plotting.design import density_picture, history_curve, solid_picture, tensor_picture
from genmech_fem.plotting.detection import detection_figure
from genmech_fem.plotting.figures import histories, images, mesh_picture, parity, to_png
from genmech_fem.plotting.latent import attention_picture, interpolation_strip, latent_map_picture, traversal_grid
from genmech_fem.plotting.report_card import report_card_figure

__all__ = [
    "attention_picture",
    "density_picture",
    "detection_figure",
    "histories",
    "history_curve",
    "images",
    "interpolation_strip",
    "latent_map_picture",
    "mesh_picture",
    "parity",
    "report_card_figure",
    "solid_picture",
    "tensor_picture",
    "to_png",
    "traversal_grid",
]
