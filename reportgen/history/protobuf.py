"""Protobuf messages declared in Python: only the fields a log needs, and no generated code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

_Proto = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _Proto.TYPE_DOUBLE,
    "float": _Proto.TYPE_FLOAT,
    "int64": _Proto.TYPE_INT64,
    "sint64": _Proto.TYPE_SINT64,
    "int32": _Proto.TYPE_INT32,
    "uint32": _Proto.TYPE_UINT32,
    "uint64": _Proto.TYPE_UINT64,
    "bool": _Proto.TYPE_BOOL,
    "bytes": _Proto.TYPE_BYTES,
}

Field = tuple[int, str, str]  # number, name, type; a type ending in * is repeated
Fields = Mapping[str, Sequence[Field]]
OneOf = Mapping[str, tuple[str, Sequence[Field]]]  # of a message: the group's name and its fields


def message_class(package: str, top: str, messages: Fields, one_of: OneOf) -> Any:
    """The class of the message `top`; fields that are not declared are skipped as unknown ones.

    Text is best declared as bytes: a tag that is not UTF-8 must not cost the record.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name in {**messages, **one_of}:
        message = file.message_type.add(name=name)
        for field in messages.get(name, ()):
            _add(package, message, field)
        if name in one_of:
            group, members = one_of[name]
            message.oneof_decl.add(name=group)
            for field in members:
                _add(package, message, field).oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{top}"))


def _add(package: str, message: Any, given: Field) -> Any:
    number, name, kind = given
    field = message.field.add(name=name, number=number)
    field.label = _Proto.LABEL_REPEATED if kind.endswith("*") else _Proto.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type, field.type_name = _Proto.TYPE_MESSAGE, f".{package}.{kind}"
    return field
