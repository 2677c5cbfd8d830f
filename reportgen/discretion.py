"""What a report keeps to itself: secrets always, and the user's samples and texts where `redact` asks for that.

`discreet` masks what `redaction` finds, in any section's blocks. `without_samples` goes by what may stay: numbers, and
names that are known of the model and its data; a kind of block that it does not know is left out whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from reportgen import redaction
from reportgen.report import NAMES, Facts, Failure, Finding, Provenance, Section, Table, Text
from reportgen.values import Data

LEFT_OUT = "left out: --redact"
# Names by which parts of a report find each other, what is no text, and a file's own words.
_KEPT_FIELDS = (
    "kind", "id", "row", "cluster", "source", "target", "parent", "same_as", "data", "media_type", "unit", "role",
    "scale", "severity", "evidence", "status", "width", "language",
)  # fmt: skip
_PLAIN = ("overview", "architecture", "training", "environment")  # which show no sample
_NUMBERS = ("facts", "table", "curves", "bars", "heatmap", "distribution", "scatter", "swarm", "parallel")
_OWN_CODE = (("environment", "command"), ("architecture", "torchinfo"))
# What stands behind the name of an error, or behind "raised ...:", is a stranger's text.
_ERROR = re.compile(
    r"(\b\w*(?:Error|Exception|Warning|Exit|Interrupt)|\braise[sd]\b[^:\n]{0,200}|\bunusable): .*", re.DOTALL
)
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|‘[^’\n]*’|“[^”\n]*”|«[^»\n]*»")
_PLACE = re.compile(
    r"(?:(?:class|feature|token|sample|example|output|unit|channel|head|layer|row|part)s? )?[\d,.]+|no label|other|–|",
    re.IGNORECASE,
)
_FIGURES = re.compile(r"(?:[\d,.%()×→/±+−–:\s-]|to|of|at|sd)*")  # shapes, intervals
_ASIDE = re.compile(r" = | ≤ | < | > | ≥ | \(|: ")
_VALUE = re.compile(r"value|input|sample", re.IGNORECASE)


# --- always ----------------------------------------------------------------------------------------------


def discreet(section: Section) -> Section:
    """A section without secrets: under their names, by their shapes, in what went wrong."""
    return section.model_copy(
        update={
            "reason": redaction.text(section.reason),
            "summary": redaction.shapes(section.summary),
            "blocks": tuple(_discreet(block, section.name) for block in section.blocks),
            "findings": tuple(
                one.model_copy(update={"message": redaction.text(one.message)}) for one in section.findings
            ),
        }
    )


def discreet_origin(provenance: Provenance) -> Provenance:
    """The same for where a report comes from."""
    return _each(provenance, redaction.text)


def _discreet(block: Any, section: str) -> Any:
    if isinstance(block, Failure):
        return _each(block, redaction.text)
    if isinstance(block, Facts) and (section, block.id) != (
        "overview",
        "about",
    ):  # there the user's own words stand
        facts = tuple(
            fact.model_copy(update={"value": redaction.value(fact.label, fact.value)})
            if isinstance(fact.value, str)
            else fact
            for fact in block.facts
        )
        block = block.model_copy(update={"facts": facts})
    if isinstance(block, Table):
        block = block.model_copy(update={"rows": tuple(_discreet_row(row) for row in block.rows)})
    return _each(block, redaction.shapes)


def _discreet_row(row: Any) -> Any:
    """A row of a name and its value."""
    if len(row.cells) != 2 or not all(isinstance(cell, str) for cell in row.cells):
        return row
    name, given = row.cells
    return row.model_copy(update={"cells": (name, redaction.value(name, given))})


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """Data with each of its texts changed; the same object where nothing is."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        if value and isinstance(value[0], float) and isinstance(value[-1], float):
            return value  # numbers
        made = tuple(_each(one, change) for one in value)
        return value if all(new is old for new, old in zip(made, value, strict=True)) else made
    if isinstance(value, Data):
        fields = {name: getattr(value, name) for name in type(value).model_fields if name not in _KEPT_FIELDS}
        changed = {name: new for name, old in fields.items() if (new := _each(old, change)) is not old}
        return value.model_copy(update=changed) if changed else value
    return value


# --- where it is asked for -------------------------------------------------------------------------------


def without_samples(section: Section, known: Collection[str], *, texts: bool) -> Section:
    """A section without pictures, texts, rows and sounds of the user's data and logs, its numbers kept.

    `known`: names of classes, features, layers and methods, which stay. `texts`: whether the samples may be texts, so
    that what is said of them may quote them.
    """
    rule = _Rule(section.name, frozenset(known), texts)
    return section.model_copy(
        update={
            "title": section.title if section.name in NAMES else section.name.replace("-", " ").capitalize(),
            "reason": rule.said(section.reason),
            "summary": "" if rule.quoting else rule.said(section.summary),
            "blocks": tuple(rule.block(block) for block in section.blocks),
            "findings": tuple(rule.finding(one) for one in section.findings),
        }
    )


class _Rule:
    """What may stay of one section: all of its texts where it is `plain`, else those that are known."""

    def __init__(self, section: str, known: frozenset[str], texts: bool) -> None:
        self._section, self._known, self._texts = section, known, texts
        self._plain = section in _PLAIN
        self._own = section in NAMES
        self._others: dict[str, str] = {}
        self.quoting = not self._own or (texts and section in ("features", "explanations"))

    def said(self, text: str) -> str:
        """A sentence without what a stranger's error says, and without what is quoted."""
        if not self._own:
            return LEFT_OUT if text else ""
        text = _ERROR.sub(r"\1: …", text)
        return _QUOTED.sub(lambda found: found[0] if found[0][1:-1] in self._known else "‘…’", text)

    def finding(self, finding: Finding) -> Finding:
        """A finding; of texts it says no more than its rule."""
        if not self._own:
            return finding.model_copy(update={"message": LEFT_OUT, "rule": LEFT_OUT})
        message = finding.rule if self.quoting else self.said(finding.message)
        return finding.model_copy(update={"message": message})

    def block(self, block: Any) -> Any:
        """A block without samples, or a note in its place."""
        if block.kind == "failure":
            changes = {"message": LEFT_OUT, "details": "", "hint": block.hint if self._own else ""}
            title = {} if self._own else {"title": "Failure"}
            return block.model_copy(
                update={**changes, **title, "error": block.error if self._own else "Error"}
            )
        if self._plain:
            return self._of_plain(block)
        heat = block.kind == "heatmap" and self._section != "evaluation"
        field = heat and (
            block.row_ends is not None or block.column_ends is not None
        )  # a clip's own spectrum
        over_values = (
            block.kind in ("scatter", "curves") and self._section == "explanations"
        )  # of the user's rows
        if block.kind not in _NUMBERS or field or over_values:
            return self._note(block)
        return self._numbers(block)

    def _note(self, block: Any) -> Text:
        title = self.said(block.title) if self._own and not self.quoting else ""
        return Text(id=block.id, title=title, text=LEFT_OUT, group=self._heading(block.group))

    def _heading(self, text: str) -> str:
        return self.said(text) if self._own and not self._texts else ""

    def _of_plain(self, block: Any) -> Any:
        """Of a section that shows no samples: what logs hold beside numbers goes, and what errors say."""
        if block.kind == "code" and (self._section, block.id) in _OWN_CODE:
            return block
        if block.kind not in (*_NUMBERS, "text", "graph"):
            return self._note(block)
        if self._section != "training":
            return _each(block, lambda text: _ERROR.sub(r"\1: …", text))
        if isinstance(block, Table) and block.id in ("settings", "comparison"):
            cut = tuple(row.model_copy(update={"cells": tuple(map(_word, row.cells))}) for row in block.rows)
            return block.model_copy(update={"rows": cut})
        return _each(block, self.said)

    def _numbers(self, block: Any) -> Any:
        """The numbers of a block, with those of its names that are known."""
        made = _each(block, self._name)
        changes: dict[str, Any] = {
            "title": block.title if self._own and not self.quoting else "",
            "caption": "" if self.quoting or self._section == "explanations" else self.said(block.caption),
            "group": self._heading(block.group),
            "choice": block.choice if self._own and not self._texts else "",
        }
        for name in ("x_label", "y_label", "shade", "mark", "row_title", "column_title"):
            if hasattr(block, name) and self._own and not self._texts:
                changes[name] = self.said(getattr(block, name))
        if isinstance(block, Table):
            changes |= self._of_table(block, made)
        if block.kind == "swarm":
            changes["rows"] = tuple(row.model_copy(update={"shades": ()}) for row in made.rows)
        if block.kind == "facts" and self._own:
            changes["facts"] = tuple(
                fact.model_copy(update={"label": old.label, "note": self.said(old.note)})
                for fact, old in zip(made.facts, block.facts, strict=True)
            )
        return made.model_copy(update=changes)

    def _of_table(self, block: Table, made: Table) -> dict[str, Any]:
        """Heads stay where they are ours; numbers go with the texts in columns of values of a sample."""
        values = [
            self._section == "explanations" and bool(_VALUE.search(head.name)) for head in block.columns
        ]
        rows = tuple(
            row.model_copy(
                update={
                    "cells": tuple(None if of else cell for of, cell in zip(values, row.cells, strict=True))
                }
            )
            for row in made.rows
        )
        return {"columns": block.columns if self._own and not self._texts else made.columns, "rows": rows}

    def _name(self, text: str) -> str:
        """A name that is known, or says no more than a place; a number in the place of any other."""
        if not text or (self._own and (text in self._known or _PLACE.fullmatch(text))):
            return text
        if self._own and self._section != "explanations" and _FIGURES.fullmatch(text):
            return text
        name = _ASIDE.split(text, maxsplit=1)[0]  # what is said of a sample stands behind a feature's name
        if self._own and name in self._known:
            return name
        return self._others.setdefault(text, f"({len(self._others) + 1})")


def _word(cell: Any) -> Any:
    """A cell of hyper-parameters: a number or a single word."""
    return cell if not isinstance(cell, str) or (len(cell) <= 40 and " " not in cell) else "…"
