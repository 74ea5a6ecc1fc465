"""Campaigns of samples that are each solved by several MPI ranks."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmech_fem.datasets.blocks import Failure
from genmech_fem.datasets.engines import Engine, Outcome
from genmech_fem.errors import GenmechError

if TYPE_CHECKING:
    from genmech_fem.datasets.campaign import Campaign

ENDS = ("finished", "failed")


@dataclass(frozen=True)
class Ranks(Engine):
    """All ranks of a communicator solve each sample together; rank 0 writes the store.

    Every rank calls `generate` with the same campaign, whose model lives on `comm` and
    returns whole arrays on rank 0. To give each sample a few ranks of a large job, split the
    communicator and give each group a part::

        group = MPI.COMM_WORLD.Split(MPI.COMM_WORLD.rank // 4)
        part = (MPI.COMM_WORLD.rank // 4, MPI.COMM_WORLD.size // 4)
        generate(Campaign(model(group), ...), path, engine=Ranks(group), part=part)

    A sample that fails on any rank fails. The model has to fail without leaving the other
    ranks in a collective call, as `genmech_fem.problems` do.

    Args:
        comm: An mpi4py communicator.
    """

    comm: Any

    @property
    def leads(self) -> bool:
        """Rank 0 writes the store."""
        return bool(self.comm.rank == 0)

    def results(
        self,
        campaign: "Campaign",
        numbers: Iterator[int],
        folder: Path,  # noqa: ARG002
    ) -> Generator[Outcome, None, None]:
        """See `Engine`; on rank 0."""
        for i in numbers:
            self.comm.bcast(i)
            yield self._together(campaign, i)

    def follow(self, campaign: "Campaign") -> None:
        """Solve with rank 0 until it ends; on the other ranks.

        Raises:
            GenmechError: Rank 0 ended with an error.
        """
        _ = campaign.specs, campaign.description  # building and describing the model may be collective
        while (i := self.comm.bcast(None)) not in ENDS:
            self._together(campaign, i)
        if i == ENDS[1]:
            raise GenmechError("the campaign ended with an error, see rank 0")

    def finish(self, *, failed: bool) -> None:
        """Let the other ranks go."""
        self.comm.bcast(ENDS[failed])

    def _together(self, campaign: "Campaign", i: int) -> Outcome:
        outcome = campaign.outcome(i)
        failures = self.comm.allgather(outcome.result if isinstance(outcome.result, Failure) else None)
        failure = next((f for f in failures if f is not None), None)
        return outcome if failure is None else replace(outcome, result=failure)
