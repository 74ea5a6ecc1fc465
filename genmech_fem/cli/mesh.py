"""``genmech mesh``: an image as a conforming mesh."""

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from genmech_fem.cli import page
from genmech_fem.cli.output import tell
from genmech_fem.geometry import Mesh, coarsen, conforming_mesh, read_image, smooth_image, with_facet_tags, write
from genmech_fem.geometry.quality import smallest_dihedral_angles


def run(args: argparse.Namespace) -> int:
    """Mesh, write and say what came out."""
    began = time.process_time()
    if not (np.isfinite(args.width) and args.width > 0):
        raise ValueError(f"--width: expected a positive length, got {args.width}")
    if not args.mesh.parent.is_dir():
        raise ValueError(f"{args.mesh}: expected a folder that exists, got {args.mesh.parent}")
    image = read_image(args.image)
    level, threshold = image, args.threshold
    if args.smooth > 0:
        level, threshold = smooth_image(image > threshold, args.smooth, args.periodic), 0.5
    upper = tuple(args.width / image.shape[0] * n for n in image.shape)
    mesh = conforming_mesh(level, upper=upper, threshold=threshold, periodic=args.periodic, refine=args.refine)
    mesh = with_facet_tags(coarsen(mesh) if args.coarsen else mesh)
    write(mesh, args.mesh)
    record = _record(mesh, time.process_time() - began)
    _write_page(args, mesh, image, record)
    tell(args, _text(record), record)
    return 0


def _record(mesh: Mesh, seconds: float) -> dict[str, Any]:
    if mesh.dimension == 2:
        name, angle = "smallest angle", float(mesh.smallest_angle())
    else:
        worst = smallest_dihedral_angles(mesh.points[mesh.cells]).min()
        name, angle = "smallest dihedral angle", float(np.degrees(worst))
    return {
        "points": len(mesh.points),
        "cells": len(mesh.cells),
        "cell type": mesh.cell_type,
        name: angle,
        "phases": [float(share) for share in mesh.phase_fractions()],
        "seconds": seconds,
    }


def _text(record: Mapping[str, Any]) -> str:
    angle = next(f"{name} {value:.1f} degrees" for name, value in record.items() if name.endswith("angle"))
    shares = ", ".join(f"phase {k} {share:.2%}" for k, share in enumerate(record["phases"]))
    return (
        f"{record['points']} points, {record['cells']} cells ({record['cell type']}), {angle}\n"
        f"{shares}; {record['seconds']:.2f} s"
    )


def _write_page(args: argparse.Namespace, mesh: Mesh, image: np.ndarray, record: Mapping[str, Any]) -> None:
    """Write the page beside the mesh: what it is, and the mesh, or the middle slices of a stack."""

    def draw() -> Any:
        from genmech_fem.plotting import images, solid_picture

        if mesh.dimension == 2:
            return solid_picture(mesh)
        return images([[image.take(n // 2, axis) for axis, n in enumerate(image.shape)]])

    rows = [(name, str(value)) for name, value in record.items()]
    parts = [page.table(rows), page.drawn("mesh, or middle slices of the image", draw), *page.about_command(args)]
    page.write_page(args.mesh.with_suffix(".report.html"), f"Mesh of {args.image.name}", parts)
