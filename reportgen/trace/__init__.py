"""One trace of a model: hierarchy, operations, shapes, parameters, FLOPs; and the picture and table of it."""

from reportgen.trace.capture import trace
from reportgen.trace.picture import picture
from reportgen.trace.steps import Trace
from reportgen.trace.table import table

__all__ = ["Trace", "picture", "table", "trace"]
