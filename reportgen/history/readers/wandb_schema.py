"""The part of W&B's record schema that curves and settings need, as protobuf messages."""

from __future__ import annotations

from typing import Any

from reportgen.history.protobuf import message_class

_ITEM = [(1, "key", "bytes"), (2, "nested_key", "bytes*"), (16, "value_json", "bytes")]
_MESSAGES = {
    "Item": _ITEM,
    "HistoryItem": _ITEM,
    "Step": [(1, "num", "int64")],
    "History": [(1, "item", "HistoryItem*"), (2, "step", "Step")],
    "Updates": [(1, "update", "Item*"), (2, "remove", "Item*")],
    "Time": [(1, "seconds", "int64"), (2, "nanos", "int32")],
    "Run": [
        (1, "run_id", "bytes"),
        (3, "project", "bytes"),
        (4, "config", "Updates"),
        (8, "display_name", "bytes"),
        (17, "start_time", "Time"),
    ],
    "Exit": [(1, "exit_code", "int32")],
}
_ONE_OF = {
    "HistoryItem": (
        "value",
        [
            (3, "none", "int32"),
            (4, "boolean", "bool"),
            (5, "integer", "sint64"),
            (6, "number", "double"),
            (7, "text", "bytes"),
            (8, "json", "bytes"),
        ],
    ),
    "Record": (
        "record_type",
        [
            (2, "history", "History"),
            (3, "summary", "Updates"),
            (5, "config", "Updates"),
            (17, "run", "Run"),
            (18, "exit", "Exit"),
        ],
    ),
}


def record_class() -> Any:
    """The message class `Record`; records of other kinds parse as one without a `record_type`."""
    return message_class("reportgen.wandb", "Record", _MESSAGES, _ONE_OF)
