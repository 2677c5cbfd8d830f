"""Reports read back out of the files they were saved to."""

from __future__ import annotations

from reportgen.archive.reading import ReportFileError, load

__all__ = ["ReportFileError", "load"]
