"""One self-contained report about a trained PyTorch model, its data and its logs.

>>> report = reportgen.collect(model, data=val_set, logs="runs/exp42")
>>> report.save("report.html")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reportgen._version import __version__ as __version__

# Looked up when asked for: `import reportgen` costs nothing.
_PLACES = {
    "collect": "reportgen.collecting",
    "load": "reportgen.archive",
    "Report": "reportgen.report",
    "Section": "reportgen.report",
    "Finding": "reportgen.report",
    "Experiment": "reportgen.experiment",
    "Options": "reportgen.experiment",
    "InputError": "reportgen.errors",
}
__all__ = ["Experiment", "Finding", "InputError", "Options", "Report", "Section", "collect", "load"]

if TYPE_CHECKING:
    from reportgen.archive import load
    from reportgen.collecting import collect
    from reportgen.errors import InputError
    from reportgen.experiment import Experiment, Options
    from reportgen.report import Finding, Report, Section


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'reportgen' has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
