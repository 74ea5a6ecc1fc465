"""The loops of a topology optimisation, each with a sharper projection than the one before."""

from pathlib import Path

from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.cli.structure_task import Task
from genmech_fem.design import DesignResult, Step, topology_optimization


def optimised(journal: Path, task: Task) -> tuple[list[DesignResult], bool]:
    """The results of the loops, each of which goes on where the one before ended, and whether Ctrl-C ended them."""
    s, loops = task.settings, list[DesignResult]()
    with progress_bar(s.iterations * len(task.densities), "1 optimise (DOLFINx)") as bar:
        for number, densities in enumerate(task.densities):

            def show(step: Step, done: int = number * s.iterations) -> None:
                bar.set_postfix(compliance=f"{step.value:.5g}", refresh=False)
                advance(bar, done + step.iteration)

            try:
                found = topology_optimization(
                    task.model,
                    densities,
                    s.volume,
                    optimizer=task.optimizer,
                    start=loops[-1].last["variables"][0] if loops else None,
                    iterations=s.iterations,
                    journal=journal / str(number),
                    progress=show,
                )
            except KeyboardInterrupt:
                if not loops:
                    raise
                return loops, True
            loops.append(found)
            if isinstance(found.stopped, KeyboardInterrupt):
                return loops, True
    return loops, False
