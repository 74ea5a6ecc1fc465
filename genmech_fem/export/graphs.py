"""Torch modules as graphs of torch.export, and those as ONNX."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from genmech_fem.errors import ContractError, one_line
from genmech_fem.runtime import METADATA_KEY

OPSET = 20

type Axes = Sequence[set[int]]
"""For each tensor those of its axes whose length may change."""


def captured(module: nn.Module, examples: Sequence[Tensor], axes: Axes) -> ExportedProgram:
    """The graph of a module for tensors of any length along some axes.

    Args:
        module: Takes the examples, as ``*arrays`` unless it is a traced graph.
        examples: Tensors, at least 2 long along axes that may change.
        axes: Their axes that may change.

    Raises:
        ContractError: Torch cannot make it, or not for any length: the graph is static.
    """
    dynamic = tuple(dict.fromkeys(sorted(each), Dim.DYNAMIC) for each in axes)
    shapes = dynamic if isinstance(module, GraphModule) else (dynamic,)  # a traced graph has one argument per tensor
    problem: Exception | None = None
    for strict in (False, True):  # the strict tracer follows Python's len(tensor), which the other one takes as fixed
        try:
            with quiet():
                return torch.export.export(module.eval(), tuple(examples), dynamic_shapes=shapes, strict=strict)
        except Exception as error:  # torch.export passes on whatever the module raises
            problem = problem or error
    static = "specialized" in str(problem) or "static shape" in str(problem)
    kind = "is static: its graph holds lengths of the example" if static else "cannot be exported by torch"
    raise ContractError(f"the model {kind} ({one_line(problem, 300)})") from problem


def to_proto(
    program: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str], about: Mapping[str, Any]
) -> onnx.ModelProto:
    """A graph as ONNX, with metadata.

    Raises:
        ContractError: It holds an operation that ONNX does not have.
    """
    try:
        with quiet():
            made = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        lines = [line for line in str(error).splitlines() if "Error'>" in line] or str(error).splitlines()
        raise ContractError(f"the model cannot be written as ONNX: {lines[0][:300]}") from error
    if made is None:
        raise ContractError("torch.onnx.export returned nothing")
    proto: onnx.ModelProto = made.model_proto
    _forget_sources(proto.graph)
    describe(proto, about)
    return proto


def describe(proto: onnx.ModelProto, about: Mapping[str, Any]) -> None:
    """Write metadata into a model, in place of what it has."""
    onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(about)})


def _forget_sources(graph: onnx.GraphProto) -> None:
    """Remove the lines of code that torch writes to each node: most of a small file, and paths of this machine."""
    for value in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer, graph):
        del value.metadata_props[:]
        value.doc_string = ""
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _forget_sources(inner)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what torch says of its own internals."""
    known = [item for item in logging.root.manager.loggerDict.values() if isinstance(item, logging.Logger)]
    own = [logger for logger in known if logger.level and logger.name.partition(".")[0] == "torch"]
    levels = [(logger, logger.level) for logger in {logging.getLogger("torch"), *own}]
    for logger, _ in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
