"""DOLFINx problems as Tesseracts, gradients included.

A Tesseract is a function behind a schema, with its vector-Jacobian products: Häfner and Lavin (2025),
doi:10.21105/joss.08385.
"""

from genmech_tesseract.endpoints import Endpoints, tesseract_api
from genmech_tesseract.named_model import model_from_environment, named_model
from genmech_tesseract.project import write_project

__all__ = ["Endpoints", "model_from_environment", "named_model", "tesseract_api", "write_project"]
