"""Solvers inside torch networks: a layer whose backward pass is the discrete adjoint."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genmech_fem.adapters.graphs import Graph
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.errors import ContractError, MissingExtraError
from genmech_fem.fields import Arrays
from genmech_fem.forward import DifferentiableForwardModel, linearize

if TYPE_CHECKING:
    from torch_geometric.data import Data


class FEMLayer(nn.Module):
    """A differentiable ForwardModel as a torch layer.

    Tensors may be float32 or float64 on any device; the solver works in float64 on the CPU,
    and what comes back has the dtype and the device of the first input. The states of a
    batch are kept for its backward pass, so several forward passes may precede the backward
    ones, in any order. A `ProblemModel` takes one adjoint solve a sample; another model is
    asked for its `vjp`. Where more than the loads differs between the samples, a problem with
    ``SolverOptions(cached=batch size)`` keeps their factorisations for the backward pass.
    Gradients of gradients are not available.

    Args:
        model: The solver, or any model with `vjp`.

    Raises:
        TypeError: The model has no gradient.
    """

    def __init__(self, model: DifferentiableForwardModel) -> None:
        super().__init__()
        if not isinstance(model, DifferentiableForwardModel):
            raise TypeError(f"FEMLayer: expected a model with vjp, got {type(model).__name__}")
        self._model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map tensors (batch, *value_shape, *grid) by name to such tensors.

        Raises:
            ContractError: Names or shapes do not match the specs of the model.
            TypeError: A tensor does not hold real floating-point numbers.
            ConvergenceError: A solve failed; the message names the sample.
        """
        names = [spec.name for spec in self._model.inputs]
        if set(inputs) != set(names):
            raise ContractError(f"FEMLayer: expected the inputs {names}, got {sorted(inputs)}")
        for name in names:
            if inputs[name].dtype not in (torch.float32, torch.float64):
                raise TypeError(f"'{name}': expected float32 or float64, got {inputs[name].dtype}: convert it first")
        outputs = _Solve.apply(self._model, *(inputs[name] for name in names))
        return {spec.name: output for spec, output in zip(self._model.outputs, outputs, strict=True)}


class _Solve(torch.autograd.Function):
    """The solve, and its vector-Jacobian product."""

    @staticmethod
    def forward(ctx: Any, model: DifferentiableForwardModel, *tensors: Tensor) -> tuple[Tensor, ...]:
        arrays = {s.name: _array(t) for s, t in zip(model.inputs, tensors, strict=True)}
        ctx.model, ctx.like = model, [(t.dtype, t.device) for t in tensors]
        outputs: Mapping[str, np.ndarray]
        if any(ctx.needs_input_grad):
            outputs, ctx.pull_back = linearize(model, arrays)
        else:
            outputs = model(arrays)
        return tuple(torch.as_tensor(outputs[s.name]).to(tensors[0]) for s in model.outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        arrays = {s.name: _array(c) for s, c in zip(ctx.model.outputs, cotangents, strict=True)}
        gradients = ctx.pull_back(arrays)
        wanted = zip(ctx.model.inputs, ctx.like, ctx.needs_input_grad[1:], strict=True)
        return None, *(
            torch.as_tensor(gradients[s.name]).to(dtype=dtype, device=device) if need else None
            for s, (dtype, device), need in wanted
        )


class PotentialEnergy(nn.Module):
    """Potential energy of proposed states: a loss without labels, whose gradient is the residual of the solver.

    Of all states with the right boundary values the solution has the lowest energy, and half the square of the energy
    norm of its error is what another has more: E and Yu, The deep Ritz method (2018), doi:10.1007/s40304-018-0127-z,
    here with the elements and the quadrature of the solver.

    Args:
        model: The solver, linear and symmetric; one output is its state, on a grid whose points are its dofs.
    """

    def __init__(self, model: ProblemModel) -> None:
        super().__init__()
        self._model = model

    def forward(self, inputs: Mapping[str, Tensor], states: Mapping[str, Tensor]) -> Tensor:
        """Energies (batch,) of states by name of the output (batch, *value_shape, *grid); no gradient for the inputs.

        Raises:
            ContractError: As of `ProblemModel.potential`.
            ValueError: The same.
        """
        if len(states) != 1:
            raise ContractError(f"PotentialEnergy: expected one state by name, got {sorted(states)}")
        ((name, state),) = states.items()
        return _Energy.apply(self._model, {n: _array(x) for n, x in inputs.items()}, name, state)


class _Energy(torch.autograd.Function):
    """The energy, and its gradient, which the same assembly gives."""

    @staticmethod
    def forward(ctx: Any, model: ProblemModel, inputs: Arrays, name: str, state: Tensor) -> Tensor:
        energies, gradients = model.potential(inputs, {name: _array(state)})
        ctx.save_for_backward(torch.as_tensor(gradients[name]).to(state))
        return torch.as_tensor(energies).to(state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        weight = cotangents[0].reshape(-1, *[1] * (gradient.ndim - 1))
        return None, None, None, weight * gradient


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float64)


def graph_to_pyg(graph: Graph, *, dtype: torch.dtype = torch.float64, **features: np.ndarray) -> "Data":
    """Make the `Data` of PyTorch Geometric of a graph.

    Its attributes are ``pos`` (nodes, dimension), ``edge_index`` (2, edges), ``edge_attr`` (edges,
    dimension + 1), ``boundary`` (nodes,), for several meshes ``batch`` (nodes,), and the features.

    Args:
        graph: The graph, of one mesh or of several.
        dtype: Type of the numbers; float64 keeps them exactly.
        **features: Node features (*value_shape, nodes), which become (nodes, *value_shape).

    Raises:
        ContractError: A feature does not have one value a node, or its name is taken.
        MissingExtraError: PyTorch Geometric is not installed.
    """
    try:
        from torch_geometric.data import Data
    except ImportError as error:
        raise MissingExtraError("torch-geometric", "graph") from error
    data = Data(
        edge_index=torch.as_tensor(graph.edges),
        edge_attr=torch.as_tensor(graph.edge_features, dtype=dtype),
        pos=torch.as_tensor(graph.points, dtype=dtype),
        boundary=torch.as_tensor(graph.boundary),
    )
    if graph.size > 1:
        data.batch = torch.as_tensor(graph.batch)
    for name, array in features.items():
        if np.shape(array)[-1:] != (len(graph.points),) or name in data or name == "batch":
            raise ContractError(
                f"'{name}': expected a new name and shape (*value_shape, {len(graph.points)}), got {np.shape(array)}"
            )
        data[name] = torch.as_tensor(np.moveaxis(array, -1, 0), dtype=dtype)
    return data


class MatrixLayer(nn.Module):
    """A sparse matrix as a layer without weights, as sampling on a grid or interpolation from one.

    The backward pass is the transposed matrix. It runs in SciPy on the CPU, where it is a hundred times
    faster than torch's sparse matrices.

    Args:
        matrix: Matrix (outputs, inputs), as `Sampling.matrix` or `interpolation_matrix`.
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        super().__init__()
        self._matrix = sparse.csr_array(matrix)

    def forward(self, x: Tensor) -> Tensor:
        """Product (batch, outputs) with vectors (batch, inputs), of their type and on their device."""
        if x.ndim != 2 or x.shape[1] != self._matrix.shape[1]:
            raise ContractError(f"MatrixLayer: expected (batch, {self._matrix.shape[1]}), got {tuple(x.shape)}")
        product: Tensor = _Product.apply(x, self._matrix)
        return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: sparse.csr_array) -> Tensor:
        ctx.matrix = matrix
        return torch.as_tensor((matrix @ _array(x).T).T, dtype=x.dtype, device=x.device)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Product.apply(gradient, ctx.matrix.T.tocsr()), None
