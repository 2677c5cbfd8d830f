"""Which parameters a gradient of the outputs would come to, read off the graph that a forward pass left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.autograd.function import BackwardCFunction

from reportgen.trace.tensors import tensors


def reached(out: Any, weights: Mapping[int, str], unwatched: set[str]) -> tuple[set[str], int]:
    """Names of the parameters, and how many nodes the gradient would pass.

    `weights`: names by id. `unwatched`: names of those that were read while gradients were off. What runs
    inside a custom autograd function leaves no nodes, and its backward may run it again with gradients on, as
    reentrant checkpointing does: behind such a node they count as reached, since the graph can't tell.
    """
    found = [tensor for tensor in tensors(out) if tensor.requires_grad]
    # An output may be a parameter itself.
    names = {weights[id(tensor)] for tensor in found if tensor.is_leaf and id(tensor) in weights}
    waiting = [tensor.grad_fn for tensor in found if tensor.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if isinstance(node, BackwardCFunction):
            names |= unwatched
        name = weights.get(id(getattr(node, "variable", None)))
        if name is not None:
            names.add(name)
        further = {inner for inner, _ in node.next_functions if inner is not None} - seen
        seen |= further
        waiting += further
    return names, len(seen)
