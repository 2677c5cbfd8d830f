"""The part of TensorBoard's event schema that is read, as protobuf messages.

`tensorboardX` bundles the whole schema, but importing it imports torch, and logs are read without torch.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
}
# (number, name, type); a type ending in * is repeated. Text is read as bytes: a tag that is not UTF-8
# must not cost the record.
_MESSAGES = {
    "PluginData": [(1, "plugin_name", "bytes"), (2, "content", "bytes")],
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
        (8, "string_val", "bytes*"),
        (10, "int64_val", "int64*"),
        (11, "bool_val", "bool*"),
        (13, "half_val", "int32*"),
        (16, "uint32_val", "uint32*"),
        (17, "uint64_val", "uint64*"),
    ],
    "Image": [(4, "encoded_image_string", "bytes")],
    "Histogram": [
        (1, "min", "double"),
        (2, "max", "double"),
        (6, "bucket_limit", "double*"),
        (7, "bucket", "double*"),
    ],
    "Value": [(1, "tag", "bytes"), (9, "metadata", "Metadata")],
    "Summary": [(1, "value", "Value*")],
    "SessionLog": [(1, "status", "int32")],
    "Event": [(1, "wall_time", "double"), (2, "step", "int64")],
    # The hparams plugin keeps these in a tag's metadata. A map is a list of entries.
    "Plain": [],
    "Hyperparameter": [(1, "key", "bytes"), (2, "value", "Plain")],
    "SessionStart": [(1, "hparams", "Hyperparameter*")],
    "SessionEnd": [(1, "status", "int32"), (2, "end_time_secs", "double")],
    "Session": [(3, "start", "SessionStart"), (4, "end", "SessionEnd")],
}
_ONE_OF = {
    "Value": (
        "value",
        [
            (2, "simple_value", "float"),
            (4, "image", "Image"),
            (5, "histo", "Histogram"),
            (8, "tensor", "Tensor"),
        ],
    ),
    "Plain": (
        "kind",
        [(1, "null", "int32"), (2, "number", "double"), (3, "text", "bytes"), (4, "truth", "bool")],
    ),
    "Event": (
        "what",
        [(3, "file_version", "bytes"), (5, "summary", "Summary"), (7, "session_log", "SessionLog")],
    ),
}

SESSION_START = 1


def messages() -> tuple[Any, Any]:
    """The message classes `Event` and, for what the hparams plugin says, `Session`.

    Fields that are not listed here are skipped as unknown ones.
    """
    file = descriptor_pb2.FileDescriptorProto(name="reportgen/event.proto", package="reportgen.event")
    file.syntax = "proto3"
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add(message, *field)
        if name in _ONE_OF:
            group, members = _ONE_OF[name]
            message.oneof_decl.add(name=group)
            for field in members:
                _add(message, *field).oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    event, session = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"reportgen.event.{name}"))
        for name in ("Event", "Session")
    )
    return event, session


def _add(message: Any, number: int, name: str, kind: str) -> Any:
    field = message.field.add(name=name, number=number)
    repeated = kind.endswith("*")
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".reportgen.event.{kind}"
    return field
