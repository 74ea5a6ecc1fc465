"""What a run of ``genmech design structure`` does."""

import math
from dataclasses import dataclass

LOADS = ("cantilever", "mbb", "wheel")
INTERPOLATIONS = ("simp", "ramp")
OPTIMIZERS = ("oc", "mma")
LEAST = 4  # cells along an axis that can be meshed


@dataclass(frozen=True)
class Settings:
    """What a run does; lengths are in grid cells."""

    load: str
    shape: tuple[int, ...]
    volume: float
    radius: float
    interpolation: str
    penalty: float | None
    sharpness: tuple[float, ...]
    optimizer: str
    iterations: int
    min_feature: float
    refine: int
    thickness: float | None
    step: bool

    def __post_init__(self) -> None:
        if not 2 <= len(self.shape) <= (3 if self.load == "cantilever" else 2) or min(self.shape) < LEAST:
            raise ValueError(
                f"--shape: expected NXxNY, or NXxNYxNZ for the cantilever, of at least {LEAST} cells along each axis, "
                f"got {'x'.join(map(str, self.shape))} for {self.load}"
            )
        if self.load == "wheel" and self.shape[0] != self.shape[1]:
            raise ValueError(f"--shape: expected NxN for the wheel, got {self.shape[0]}x{self.shape[1]}")
        if not 0 < self.volume < 1:
            raise ValueError(f"--volume: expected a share of the box between 0 and 1, got {self.volume}")
        if self.iterations < 1 or self.refine < 1:
            raise ValueError(f"expected --iterations and --refine >= 1, got {self.iterations} and {self.refine}")
        if self.thickness is not None and not (self.plane and 0 < self.thickness < math.inf):
            raise ValueError(f"--thickness: expected a positive length and a plane design, got {self.thickness}")

    @property
    def plane(self) -> bool:
        """Whether the structure is 2D."""
        return len(self.shape) == 2
