"""A process that prints: a report's JSON comes in on stdin, its PDF goes out on stdout.

Started early, it has its libraries loaded by the time the report is ready. Run as a script with the
folder of templates, or nothing, as its argument.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Load what printing needs, wait for the report, print it."""
    import matplotlib.figure  # noqa: F401 - loaded while there is time
    import seaborn  # noqa: F401 - the same

    from reportgen.render.pdf import encode
    from reportgen.report import Report

    templates = Path(sys.argv[1]) if sys.argv[1:] and sys.argv[1] else None
    out = sys.stdout.buffer
    # What a library prints must not get among the bytes of the PDF.
    sys.stdout = sys.stderr
    text = sys.stdin.buffer.read()
    if text:
        out.write(encode(Report.from_json(text), templates))
        out.flush()


if __name__ == "__main__":
    main()
