"""What a command prints: a text for people, or JSON data for scripts."""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that asks for JSON data."""
    parser.add_argument("--json", action="store_true", help="print what was found as JSON data, and nothing else")


def tell(args: argparse.Namespace, text: str, record: Any) -> None:
    """Print a text, or the record in its place if ``--json`` was asked for."""
    print(json.dumps(plain(record), indent=1, allow_nan=False) if args.json else text)


def plain(data: Any) -> Any:
    """JSON data of mappings, sequences, paths and numbers; None for what is not finite."""
    match data:
        case Mapping():
            return {str(key): plain(value) for key, value in data.items()}
        case list() | tuple():
            return [plain(value) for value in data]
        case Path():
            return str(data)
        case float():
            return data if math.isfinite(data) else None
    return data
