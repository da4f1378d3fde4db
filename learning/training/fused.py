"""A linear layer with LoRA as one operation, in the dtype of the frozen weights.

peft computes the low-rank part in float32 beside the layer and adds it in further passes over the
output: on a processor with bf16 a fifth of a step. Here both parts are one matrix product each,
the low-rank one added in place; the master weights and their gradients stay float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

_ADAPTER = "default"


class _LoraLinear(torch.autograd.Function):
    """y = x W' + bias + s (x A') B', with A (r, d) and B (o, r); no gradient of W and the bias."""

    @staticmethod
    def forward(  # noqa: PLR0917 - called by torch
        ctx: Any,  # noqa: ANN401 - torch gives its type no attributes
        x: Tensor,
        weight_od: Tensor,
        bias_o: Tensor | None,
        a_rd: Tensor,
        b_or: Tensor,
        scale: float,
    ) -> Tensor:
        x_td = x.reshape(-1, x.size(-1))
        narrow_rd, narrow_or = a_rd.to(x.dtype), (b_or * scale).to(x.dtype)
        down_tr = x_td @ narrow_rd.T
        y_to = functional.linear(x_td, weight_od, bias_o).addmm_(down_tr, narrow_or.T)
        ctx.save_for_backward(x_td, down_tr, weight_od, narrow_rd, narrow_or)
        ctx.scale = scale
        return y_to.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x_td, down_tr, weight_od, a_rd, b_or = ctx.saved_tensors
        (grad,) = grads
        grad_to = grad.reshape(-1, grad.size(-1))
        grad_tr = grad_to @ b_or
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad_to @ weight_od).addmm_(grad_tr, a_rd).view(*grad.shape[:-1], -1)
        grad_a = (grad_tr.T @ x_td).float()
        grad_b = (grad_to.T @ down_tr).float() * ctx.scale
        return grad_x, None, None, grad_a, grad_b, None


@contextlib.contextmanager
def fused(model: PeftModel) -> Iterator[None]:
    """Compute every LoRA layer of the model as one operation; the adapter must be switched on.

    Within another such context it changes nothing.
    """
    from peft.tuners.lora import Linear

    layers: list[Any] = [
        module
        for module in model.modules()
        if isinstance(module, Linear) and "forward" not in vars(module)
    ]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - a layer of peft
    result: Tensor = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        *(x, layer.base_layer.weight, layer.base_layer.bias),
        *(layer.lora_A[_ADAPTER].weight, layer.lora_B[_ADAPTER].weight, layer.scaling[_ADAPTER]),
    )
    return result
