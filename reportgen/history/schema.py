"""The part of TensorBoard's event schema that scalars need, as protobuf messages.

`tensorboardX` bundles the whole schema, but importing it imports torch, and logs are read without torch.
"""

from __future__ import annotations

from typing import Any

from reportgen.history.protobuf import message_class

# (number, name, type); a type ending in * is repeated. Text is read as bytes: a tag that is not UTF-8
# must not cost the record.
_MESSAGES = {
    "PluginData": [(1, "plugin_name", "bytes")],
    "Metadata": [(1, "plugin_data", "PluginData")],
    "Dim": [(1, "size", "int64")],
    "Shape": [(2, "dim", "Dim*"), (3, "unknown_rank", "bool")],
    "Tensor": [
        (1, "dtype", "int32"),
        (2, "tensor_shape", "Shape"),
        (4, "tensor_content", "bytes"),
        (5, "float_val", "float*"),
        (6, "double_val", "double*"),
        (7, "int_val", "int32*"),
        (10, "int64_val", "int64*"),
        (11, "bool_val", "bool*"),
        (13, "half_val", "int32*"),
        (16, "uint32_val", "uint32*"),
        (17, "uint64_val", "uint64*"),
    ],
    "Value": [(1, "tag", "bytes"), (9, "metadata", "Metadata")],
    "Summary": [(1, "value", "Value*")],
    "SessionLog": [(1, "status", "int32")],
    "Event": [(1, "wall_time", "double"), (2, "step", "int64")],
}
_ONE_OF = {
    "Value": ("value", [(2, "simple_value", "float"), (8, "tensor", "Tensor")]),
    "Event": (
        "what",
        [(3, "file_version", "bytes"), (5, "summary", "Summary"), (7, "session_log", "SessionLog")],
    ),
}

SESSION_START = 1


def event_class() -> Any:
    """The message class `Event`; fields that scalars don't need are skipped as unknown ones."""
    return message_class("reportgen.event", "Event", _MESSAGES, _ONE_OF)
