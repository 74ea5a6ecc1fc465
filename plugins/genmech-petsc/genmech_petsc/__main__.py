"""Train a network on recorded solves: ``python -m genmech_petsc FOLDER FILE.onnx``."""

import argparse
import sys

from genmech_fem.training import Recipe
from genmech_petsc.network import INPUTS
from genmech_petsc.networks import modal_network
from genmech_petsc.snapshots import load
from genmech_petsc.training import train


def main(words: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m genmech_petsc", description="Train a network on recorded solves.")
    parser.add_argument("folder", help="what -pc_onnx_record or -snes_onnx_record has written")
    parser.add_argument("file", help="where to write the network (.onnx)")
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS), help="what it sees of a system")
    parser.add_argument("--nonlinear", action="store_true", help="the solves are those of a SNES")
    parser.add_argument("--modes", type=int, default=32, help="most principal modes of the solutions")
    parser.add_argument("--steps", type=int, default=2000, help="steps of training")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    snapshots = load(given.folder)
    count, n = snapshots.residual.shape
    network = modal_network(snapshots, inputs=given.inputs, modes=given.modes, homogeneous=not given.nonlinear)
    report = train(network, snapshots, given.file, Recipe(given.steps, batch_size=min(16, count), seed=given.seed))
    sys.stdout.write(f"{report.path}: trained on {count} solves of {n} unknowns\n")


if __name__ == "__main__":
    main()
