"""``genmech explore``: a page on this machine to walk through a run, ask for a stiffness and verify cells by clicks."""

import argparse
import asyncio
import json
import os
import secrets
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from genmech_fem.errors import DatasetError

PORTS = range(65536)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="folder of genmech demo, or of genmech design cell"
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")


def run(args: argparse.Namespace) -> int:
    """Open the run and serve the page until Ctrl-C."""
    if args.port not in PORTS:
        raise ValueError(f"--port: expected 0 to {PORTS[-1]}, got {args.port}")
    os.environ.setdefault("UCX_NET_DEVICES", "lo")  # before MPI begins with DOLFINx: it shall not listen to others
    from genmech_fem.cli.cell_source import Source
    from genmech_fem.explorer import Explorer
    from genmech_fem.explorer.page import Page
    from genmech_fem.explorer.server import HOST, serve

    socket.create_server((HOST, args.port)).close()  # a port that is taken is said before the work
    folder, target = _run(args.run_folder)

    def ready(address: str) -> None:
        print(f"explorer of {folder}: {address}\nCtrl-C ends it", flush=True)
        if not args.no_browser:
            webbrowser.open(address)

    with Explorer(Source(folder), target=target) as explorer:
        try:
            asyncio.run(serve(Page(explorer), secrets.token_urlsafe(24), args.port, ready))
        except KeyboardInterrupt:
            print("explorer ended")
    return 0


def _run(folder: Path) -> tuple[Path, Sequence[float] | None]:
    """The folder of the networks, and the target of a folder of ``genmech design cell``.

    Raises:
        DatasetError: The record of the design is damaged.
    """
    record = folder / "design.json"
    if not record.exists():
        return folder, None
    try:
        told = json.loads(record.read_text())
        return Path(told["run"]), [float(entry) for entry in told["settings"]["target"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{record}: expected the record of genmech design cell, got another") from error
