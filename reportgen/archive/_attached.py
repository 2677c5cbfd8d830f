"""A process that takes the report's JSON out of a PDF: what a stranger's file makes of it can be ended from outside.

Run as a script with the PDF's path; the JSON goes to stdout. It ends with 0, or with 2 and a line on stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Look, write."""
    from reportgen.archive.reading import ReportFileError, attached
    from reportgen.bounded import GIB, limit_memory

    limit_memory(2 * GIB)
    try:
        content = attached(Path(sys.argv[1]))
    except (ReportFileError, OSError, MemoryError) as error:
        print(error if str(error) else "its data needs more than 2 GiB of memory", file=sys.stderr)
        return 2
    sys.stdout.buffer.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
