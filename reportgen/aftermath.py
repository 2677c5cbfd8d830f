"""What could not be put back, or not be watched, of a model and the process: said once, with its places."""

from __future__ import annotations

from dataclasses import dataclass, field

from reportgen.units import shorten

PLACES = 3  # named of those where the same happened
LINES = 12


@dataclass
class Aftermath:
    """`changed`: what is no longer as it was; `unwatched`: what may not be. Each with where that is."""

    changed: dict[str, dict[str, None]] = field(default_factory=dict)
    unwatched: dict[str, dict[str, None]] = field(default_factory=dict)

    def lost(self, what: str, where: str = "") -> None:
        """`what` was changed and could not be put back."""
        _add(self.changed, what, where)

    def unseen(self, what: str, where: str = "") -> None:
        """`what` could not be looked at, so whether it changed is unknown."""
        _add(self.unwatched, what, where)

    def join(self, other: Aftermath) -> None:
        """Take over what another says, once."""
        for mine, theirs in ((self.changed, other.changed), (self.unwatched, other.unwatched)):
            for what, places in theirs.items():
                mine.setdefault(what, {}).update(places)

    def __bool__(self) -> bool:
        return bool(self.changed or self.unwatched)


def _add(found: dict[str, dict[str, None]], what: str, where: str) -> None:
    places = found.setdefault(what, {})
    if where:
        places[where] = None


def told(found: dict[str, dict[str, None]]) -> list[str]:
    """A line for each thing, with the first of its places; and how many things more there are."""
    lines = []
    for what, places in list(found.items())[:LINES]:
        named = ", ".join(shorten(place, 80) for place in list(places)[:PLACES])
        if len(places) > PLACES:
            named += f" and {len(places) - PLACES:,} more places"
        lines.append(f"{shorten(what, 300)} ({named})" if named else shorten(what, 300))
    if len(found) > LINES:
        lines.append(f"and {len(found) - LINES:,} more things")
    return lines
