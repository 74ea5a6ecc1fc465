"""Pareto fronts by genetic algorithms of the package pymoo.

NSGA-II: Deb, Pratap, Agarwal and Meyarivan (2002), doi:10.1109/4235.996017.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from genmech_fem.design.search import Search, Space
from genmech_fem.errors import require


@dataclass(frozen=True)
class NSGA2:
    """NSGA-II: the front of several objectives, with constraints, within finite bounds.

    It ends when the loop ends it. The first generation holds the starts and random designs.

    Args:
        population: Designs of a generation, evaluated as one batch, at least 4.
        seed: Seed of the proposals.

    Raises:
        ValueError: The population is too small.
    """

    gradients: ClassVar[bool] = False
    population: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.population < 4:
            raise ValueError(f"NSGA2: expected a population of at least 4, got {self.population}")

    def search(self, space: Space) -> Search:
        """See `Optimizer`.

        Raises:
            MissingExtraError: The package pymoo is not installed.
        """
        require("pymoo", "pareto")
        from pymoo.algorithms.moo import nsga2
        from pymoo.core.evaluator import Evaluator
        from pymoo.core.problem import Problem
        from pymoo.core.termination import NoTermination
        from pymoo.problems.static import StaticProblem

        (lower, upper), missing = space.box("NSGA2"), max(0, self.population - len(space.start))
        drawn = np.random.default_rng(self.seed).uniform(lower, upper, (missing, lower.size))
        sizes = {"n_var": lower.size, "n_obj": space.objectives, "n_ieq_constr": space.constraints}
        problem = Problem(**sizes, xl=lower, xu=upper)
        search = nsga2.NSGA2(self.population, sampling=np.concatenate([space.start, drawn]))
        search.setup(problem, termination=NoTermination(), seed=self.seed)
        while (proposals := search.ask()) is not None:
            found = yield proposals.get("X")
            Evaluator().eval(StaticProblem(problem, F=found.values, G=found.constraints), proposals)
            search.tell(proposals)
        return "NSGA2: no new designs"
