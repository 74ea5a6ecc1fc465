"""``genmech mesh``: an image as a conforming mesh."""

import argparse
import time
from pathlib import Path

import numpy as np

from genmech_fem.geometry import coarsen, conforming_mesh, read_image, smooth_image, with_facet_tags, write
from genmech_fem.geometry.quality import smallest_dihedral_angles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("image", type=Path, help="picture (PNG, TIFF, JPEG), stack of pictures, or .npy (nx, ny[, nz])")
    parser.add_argument("mesh", type=Path, help="mesh to write: .msh, .vtu, .vtk or .xdmf")
    parser.add_argument("--width", type=float, default=1.0, help="extent along x [length] (default: 1)")
    parser.add_argument("--threshold", type=float, default=0.5, help="grey value on the interface (default: 0.5)")
    parser.add_argument(
        "--smooth", type=float, default=0.0, metavar="PIXELS", help="width of the smoothing filter (default: 0)"
    )
    parser.add_argument("--refine", type=int, default=1, metavar="N", help="cells along a pixel (default: 1)")
    parser.add_argument("--periodic", action="store_true", help="opposite sides match point for point")
    parser.add_argument("--coarsen", action="store_true", help="larger cells away from the interface (needs mmgpy)")


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
    if mesh.dimension == 2:
        angle = f"smallest angle {mesh.smallest_angle():.1f} degrees"
    else:
        worst = np.degrees(smallest_dihedral_angles(mesh.points[mesh.cells]).min())
        angle = f"smallest dihedral angle {worst:.1f} degrees"
    shares = ", ".join(f"phase {k} {share:.2%}" for k, share in enumerate(mesh.phase_fractions()))
    print(f"{len(mesh.points)} points, {len(mesh.cells)} cells ({mesh.cell_type}), {angle}")
    print(f"{shares}; {time.process_time() - began:.2f} s")
    return 0
