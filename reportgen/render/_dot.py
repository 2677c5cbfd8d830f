"""A child process: DOT in on stdin, boxes and curves out as JSON.

Run as a file of its own. Graphviz's Pango and WeasyPrint's in one process crash or hang, and Graphviz may
abort the interpreter it runs in; here it can only end this one.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def _points(text: str) -> list[list[float]]:
    """The control points of Graphviz's spline, with its arrow's tip (`e,x,y`) last."""
    pieces = text.split(";")[0].split()
    tip = [piece[2:] for piece in pieces if piece.startswith("e,")]
    body = [piece for piece in pieces if piece[0] not in "es"]
    return [[float(value) for value in piece.split(",")] for piece in (*body, *tip)]


def _numbers(text: str) -> list[float]:
    return [float(value) for value in text.split(",")]


def main() -> None:
    """Lay out what stands on stdin."""
    import pygraphviz

    drawn = pygraphviz.AGraph(string=sys.stdin.read()).draw(format="json0", prog="dot")
    laid: dict[str, Any] = json.loads(drawn)
    box = _numbers(laid["bb"])
    out: dict[str, Any] = {"width": box[2], "height": box[3], "nodes": {}, "clusters": {}, "edges": {}}
    for thing in laid.get("objects", []):
        if "bb" in thing:
            out["clusters"][thing["name"]] = _numbers(thing["bb"])
        elif "pos" in thing:
            out["nodes"][thing["name"]] = _numbers(thing["pos"])
    for edge in laid.get("edges", []):
        label = _numbers(edge["lp"]) if "lp" in edge else None
        out["edges"][edge["id"]] = {"points": _points(edge["pos"]), "label": label}
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
