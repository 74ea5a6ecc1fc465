"""Checks of torch, of ONNX Runtime, and of the way from one to the other."""

import os
import warnings

import numpy as np

from genmech_fem.errors import GenmechError

SUM = bytes.fromhex(  # an ONNX file with the graph y = x + x, of two numbers
    "08083a350a0e0a01780a017812017922034164641201675a0f0a0178120a0a08080112040a020802620f0a0179120a0a08080112040a020802"
    "42040a001011"
)
OPSET = 20


def network() -> str:
    """Differentiate in torch."""
    import torch

    x = torch.linspace(0.0, 1.0, 5, requires_grad=True)
    (slope,) = torch.autograd.grad((x**3).sum(), x)
    if not torch.allclose(slope, 3 * x**2):
        raise GenmechError(f"expected 3 x^2 as derivative of x^3, got {slope.tolist()}")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads on {os.cpu_count()} cores"


def session() -> str:
    """Run a graph in ONNX Runtime."""
    import onnxruntime

    found = _run(SUM, np.array([1.0, 2.5], dtype=np.float32))
    if found.tolist() != [2.0, 5.0]:
        raise GenmechError(f"expected [2, 5] as twice [1, 2.5], got {found.tolist()}")
    return f"ONNX Runtime {onnxruntime.__version__} on {', '.join(onnxruntime.get_available_providers())}"


def export() -> str:
    """Write a small network as ONNX, and compare both."""
    import onnx
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).eval()
    x = torch.linspace(-1.0, 1.0, 12).reshape(4, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(model, (x,), dynamo=True, opset_version=OPSET, verbose=False)
    if program is None:
        raise GenmechError("torch wrote no ONNX file")
    difference = np.abs(_run(program.model_proto.SerializeToString(), x.numpy()) - model(x).detach().numpy()).max()
    if not difference < 1e-5:
        raise GenmechError(f"ONNX Runtime differs from torch by {difference:.1e}")
    return f"onnx {onnx.__version__}, opset {OPSET}: ONNX Runtime differs from torch by {difference:.0e}"


def _run(model: bytes, x: np.ndarray) -> np.ndarray:
    """The only output of a model of one input."""
    import onnxruntime

    graph = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: np.ndarray = graph.run(None, {graph.get_inputs()[0].name: x})[0]
    return found
