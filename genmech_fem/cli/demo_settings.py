"""What a run of the demo does."""

from dataclasses import dataclass

NETWORKS = ("generator", "surrogate")
COMPONENTS = ("C11", "C12", "C16", "C22", "C26", "C66")  # of a plane stiffness, upper triangle row by row


@dataclass(frozen=True)
class Settings:
    """What a run does; a run folder holds one set of settings."""

    microstructure: str = "fibres"
    resolution: int = 32
    matrix: tuple[float, float] = (3.5, 0.35)
    inclusion: tuple[float, float] = (70.0, 0.22)
    samples: int = 640
    held_out: float = 0.15
    generator_steps: int = 1150
    surrogate_steps: int = 1150
    targets: int = 3
    candidates: int = 192
    solves: int = 5
    seed: int = 0


QUICK = Settings(samples=64, generator_steps=40, surrogate_steps=40, targets=1, candidates=16, solves=2)
