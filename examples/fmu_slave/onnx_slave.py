"""The inside of an FMU: its variables are those of an ONNX file among the resources, a step is one evaluation.

It needs `genmech_fem.runtime` and thereby numpy and ONNX Runtime, neither torch nor DOLFINx.
"""

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from genmech_fem.errors import ContractError, GenmechError
from genmech_fem.fields import ScalarSpec, Spec
from genmech_fem.runtime import OnnxModel, RangeGuard

import numpy as np
from pythonfmu import Boolean, Fmi2Causality, Fmi2Slave, Fmi2Variability, Real
from pythonfmu.enums import Fmi2Status

INSIDE = "inside_training_domain"


class OnnxSurrogate(Fmi2Slave):
    """Co-simulation slave that answers by a surrogate, and says whether the inputs lie where it was trained.

    Raises:
        ContractError: An input or output of the file is a field, or the file does not say where it was trained.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.model = OnnxModel(next(Path(self.resources).glob("*.onnx")))
        self.inside, self.units, self.values = False, {}, {}
        for specs, causality in ((self.model.inputs, Fmi2Causality.input), (self.model.outputs, Fmi2Causality.output)):
            for spec in specs:
                self._register(spec, causality)
        self.guard = RangeGuard(self.model.passport.domain if self.model.passport else {}, self.model.inputs)
        self.register_variable(
            Boolean(
                INSIDE,
                causality=Fmi2Causality.output,
                variability=Fmi2Variability.discrete,
                description="whether the surrogate was trained on inputs like these",
                getter=lambda: self.inside,
            )
        )

    def exit_initialization_mode(self) -> None:
        """Let the first outputs be those of the first inputs."""
        self._evaluate()

    def do_step(self, current_time: float, step_size: float) -> bool:  # noqa: ARG002
        """Evaluate the surrogate for the present inputs; its errors are logged and end the simulation."""
        try:
            self._evaluate()
        except GenmechError as error:
            self.log(str(error), Fmi2Status.error)
            raise
        return True

    def to_xml(self, model_options: dict[str, str] | None = None) -> Element:
        """The model description with what pythonfmu leaves out: units, and which outputs the first inputs decide."""
        root, definitions = super().to_xml(model_options or {}), Element("UnitDefinitions")
        for unit in dict.fromkeys(self.units.values()):
            SubElement(definitions, "Unit", name=unit)
        root.insert(1, definitions)  # after CoSimulation, says the schema of FMI
        for variable in root.iter("ScalarVariable"):
            if variable.get("name") in self.units:
                variable[0].set("unit", self.units[variable.get("name")])
        outputs = root.find("ModelStructure/Outputs")
        SubElement(root.find("ModelStructure"), "InitialUnknowns").extend(outputs)
        return root

    def _evaluate(self) -> None:
        inputs = {spec.name: self.values[spec.name] for spec in self.model.inputs}
        outputs = self.model(inputs)
        self.inside = bool(self.guard.judge(inputs, outputs).accepted[0])
        for name, array in outputs.items():
            self.values[name][:] = array

    def _register(self, spec: Spec, causality: Fmi2Causality) -> None:
        """One variable for each number, ``name[1]``, ``name[2]``, ... where there are several."""
        if not isinstance(spec, ScalarSpec):
            raise ContractError(f"an FMU passes numbers: expected vectors, got the field '{spec.name}'")
        self.values[spec.name] = np.zeros((1, spec.size))
        for k in range(spec.size):
            name = spec.name if spec.size == 1 else f"{spec.name}[{k + 1}]"
            self.units[name] = spec.unit
            getter, setter = self._access(self.values[spec.name], k)
            self.register_variable(Real(name, causality=causality, getter=getter, setter=setter), nested=False)

    @staticmethod
    def _access(values: np.ndarray, k: int) -> tuple[Callable[[], float], Callable[[float], None]]:
        def write(value: float) -> None:
            values[0, k] = value

        return lambda: float(values[0, k]), write
