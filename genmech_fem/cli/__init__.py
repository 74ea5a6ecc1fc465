"""The command ``genmech``."""

from genmech_fem.cli.main import main

__all__ = ["main"]
