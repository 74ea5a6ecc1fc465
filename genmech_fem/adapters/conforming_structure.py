"""Designs solved again: a density made into a mesh of the solid alone, which carries the loads of its structure."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dolfinx import fem

from genmech_fem.adapters.load_cases import LoadCases
from genmech_fem.adapters.meshes import dolfinx_mesh
from genmech_fem.adapters.output import write_fields
from genmech_fem.adapters.sample_errors import naming_sample
from genmech_fem.adapters.structure_problem import structure_problem
from genmech_fem.adapters.supported_design import supported
from genmech_fem.errors import MeshingError
from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, check
from genmech_fem.geometry import Design, design_mesh
from genmech_fem.geometry.structures import Structure
from genmech_fem.problems import VariationalProblem


@dataclass(frozen=True)
class ConformingStructure:
    """Density -> compliance of the solid alone, each sample on a conforming mesh of its own.

    The input is ``density`` (batch, *cells). The outputs are ``compliance`` (batch, load cases), the work of each load,
    ``volume`` (batch, 1), the share of the box that the meshed solid fills, and with ports ``displacement``
    (batch, load cases * ports), their work in every load case.

    A load acts with its whole force on what the solid offers in its place. Parts of the solid that touch no support are
    left out.

    Args:
        structure: Supports and loads.
        volume: Share of the box that the solid fills; by default the mean density of each sample.
        refine: Cells of the background mesh along each side of a grid cell.
        degree: Polynomial degree of the displacement.
        smooth: Standard deviation of the filter that smooths the density before [grid cell].
        youngs_modulus: Modulus of the solid [stress].
    """

    structure: Structure
    volume: float | None = None
    refine: int = 1
    degree: int = 2
    smooth: float = 0.5
    youngs_modulus: float = 1.0

    @property
    def inputs(self) -> tuple[FieldSpec]:
        """The density."""
        return (FieldSpec("density", self.structure.grid),)

    @property
    def outputs(self) -> tuple[ScalarSpec, ...]:
        """Compliance, volume and displacements of the ports."""
        cases, ports = len(self.structure.loads), len(self.structure.ports)
        always = ScalarSpec("compliance", cases), ScalarSpec("volume")
        return (*always, ScalarSpec("displacement", cases * ports)) if ports else always

    def mesh(self, density: np.ndarray) -> Design:
        """The mesh of the supported solid of one density (*cells).

        Raises:
            MeshingError: There is no such solid, or no support or load on it.
        """
        grid = self.structure.grid
        design = design_mesh(
            density,
            lower=grid.lower,
            upper=grid.upper,
            volume=self.volume,
            keep="all",
            smooth=self.smooth,
            refine=self.refine,
        )
        return supported(design, self.structure)

    def problem(self, density: np.ndarray) -> VariationalProblem | LoadCases:
        """The solved problem of one density (*cells).

        Raises:
            MeshingError: There is no such solid, or no support or load on it.
            ConvergenceError: The supports do not hold it.
        """
        return self._solved(self.mesh(density))

    def write(self, density: np.ndarray, path: str | Path) -> None:
        """Write the mesh of one density (*cells) with the displacement of each load case; formats of `FieldWriter`.

        Raises:
            MeshingError, ConvergenceError: As of `problem`.
            ValueError: The format is unknown.
        """
        problem, functions = self.problem(density), {}
        states = np.split(problem.observe(["state"])["state"], len(self.structure.loads))
        for k, state in enumerate(states):
            functions[f"displacement {k}"] = fem.Function(problem.state.function_space)
            functions[f"displacement {k}"].x.array[:] = state
        write_fields(path, functions)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Mesh and solve every sample.

        Raises:
            ContractError: The input does not match its spec.
            MeshingError, ConvergenceError: A sample failed; the message names it.
        """
        samples = [self._sample(i, density) for i, density in enumerate(check(inputs, self.inputs)["density"])]
        return {spec.name: np.stack([sample[spec.name] for sample in samples]) for spec in self.outputs}

    def _sample(self, i: int, density: np.ndarray) -> dict[str, np.ndarray]:
        names = ("compliance", "ports") if self.structure.ports else ("compliance",)
        with naming_sample(i):
            design = self.mesh(density)
            observed = self._solved(design).observe(names)
        grid = self.structure.grid
        share = design.mesh.measures().sum() / np.prod(np.subtract(grid.upper, grid.lower))
        found = {"compliance": observed["compliance"], "volume": np.array([share])}
        return found | ({"displacement": observed["ports"]} if self.structure.ports else {})

    def _solved(self, design: Design) -> VariationalProblem | LoadCases:
        try:
            problem = structure_problem(self.structure, dolfinx_mesh(design.mesh)[0], degree=self.degree)
        except ValueError as error:
            raise MeshingError(str(error)) from error
        problem.controls["youngs_modulus"].x.array[:] = self.youngs_modulus
        problem.solve()
        return problem
