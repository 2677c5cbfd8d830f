"""A process that writes one format of a saved report: what a stranger's file makes of it can be ended from outside.

Run as a script: the saved report, the name of the file to write, the folder of templates or nothing, and where the
bytes go. It ends with 0, with 2 and a line on stderr where the file holds no report, with 1 and a line for the rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

TOO_LARGE = "it takes more than 2 GiB of memory, more than any report needs"


def main() -> int:
    """Load, encode, write."""
    from reportgen.archive.reading import load_here
    from reportgen.bounded import GIB, limit_memory
    from reportgen.errors import one_line

    source, name, templates, out = sys.argv[1:5]
    limit_memory(2 * GIB)
    try:
        report = load_here(Path(source))
    except MemoryError:
        print(TOO_LARGE, file=sys.stderr)
        return 2
    except (ValueError, RecursionError) as error:
        print(error if isinstance(error, ValueError) else one_line(error), file=sys.stderr)
        return 2
    try:
        Path(out).write_bytes(report.encode(name, templates=templates or None))
    except MemoryError:
        print(TOO_LARGE, file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - whatever a template or a library raises is one line
        print((error.strerror if isinstance(error, OSError) else None) or one_line(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
