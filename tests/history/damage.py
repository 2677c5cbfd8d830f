"""Damage of every kind that logs suffer, and which of their records must survive it.

A file is a list of pieces: the bytes of one record or line, and its number. Damage gives pieces back; one that
has lost or changed a byte has no number. What still has one must be read, whatever became of the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

Piece = tuple[bytes, int | None]
Damage = Callable[[list[Piece], Random], list[Piece]]

_HEAD, _FOOT = 12, 4


def pieces(records: list[bytes]) -> list[Piece]:
    """Whole records, numbered."""
    return [(record, number) for number, record in enumerate(records)]


def joined(held: list[Piece]) -> bytes:
    """The bytes of the file."""
    return b"".join(data for data, _ in held)


def intact(held: list[Piece]) -> list[int]:
    """The numbers of the records that are whole, in the order of the file."""
    return [number for _, number in held if number is not None]


def cut_off(held: list[Piece], random: Random) -> list[Piece]:
    """The file ends anywhere."""
    return _split(held, random.randrange(len(joined(held)) + 1))[0]


def bytes_lost(held: list[Piece], random: Random) -> list[Piece]:
    """Some bytes anywhere are missing."""
    data = joined(held)
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice([1, 3, 16, 50, 200]))
    while end < len(data) and data[start] == data[end]:  # to lose the later of two equal bytes is the same
        start, end = start + 1, end + 1
    return _split(held, start)[0] + _split(held, end)[1]


def zeros_inside(held: list[Piece], random: Random) -> list[Piece]:
    """Some bytes anywhere are zeros: a block that was never written."""
    size = len(joined(held))
    start = random.randrange(size + 1)
    end = min(size, start + random.choice([1, 8, 40, 300]))
    out, at = [], 0
    for data, number in held:
        low, high = (min(max(place - at, 0), len(data)) for place in (start, end))
        zeroed = data[:low] + bytes(high - low) + data[high:]
        out.append((zeroed, number if zeroed == data else None))
        at += len(data)
    return out


def flipped_length(held: list[Piece], random: Random) -> list[Piece]:
    """One bit of the eight bytes of a length."""
    return _flip(held, random, lambda size: range(8))


def flipped_length_checksum(held: list[Piece], random: Random) -> list[Piece]:
    """One bit of the checksum of a length."""
    return _flip(held, random, lambda size: range(8, _HEAD))


def flipped_payload(held: list[Piece], random: Random) -> list[Piece]:
    """One bit of a payload."""
    return _flip(held, random, lambda size: range(_HEAD, size - _FOOT))


def flipped_checksum(held: list[Piece], random: Random) -> list[Piece]:
    """One bit of the checksum of a payload."""
    return _flip(held, random, lambda size: range(size - _FOOT, size))


def zero_tail(held: list[Piece], random: Random) -> list[Piece]:
    """Zeros behind the last record, as a full disk or a crash leaves them."""
    return [*held, (bytes(random.choice([1, 11, 12, 500, 5000])), None)]


def rubbish_inside(held: list[Piece], random: Random) -> list[Piece]:
    """Bytes that belong to no record, between two."""
    place = random.randrange(len(held) + 1)
    return [*held[:place], (random.randbytes(random.randint(1, 60)), None), *held[place:]]


def duplicated(held: list[Piece], random: Random) -> list[Piece]:
    """One record twice: no damage, both are read."""
    place = random.randrange(len(held) + 1)
    return [*held[:place], *([random.choice(held)] if held else []), *held[place:]]


def reordered(held: list[Piece], random: Random) -> list[Piece]:
    """Some records in another order: no damage, all are read."""
    start = random.randrange(len(held) + 1)
    part = held[start : start + 5]
    return [*held[:start], *random.sample(part, len(part)), *held[start + 5 :]]


EVENTS: dict[str, Damage] = {
    "cut off": cut_off,
    "bytes lost": bytes_lost,
    "zeros inside": zeros_inside,
    "flipped length": flipped_length,
    "flipped length checksum": flipped_length_checksum,
    "flipped payload": flipped_payload,
    "flipped checksum": flipped_checksum,
    "zero tail": zero_tail,
    "rubbish inside": rubbish_inside,
    "duplicated": duplicated,
    "reordered": reordered,
}


def ragged(held: list[Piece], random: Random) -> list[Piece]:
    """One row of a table with too few or too many cells."""
    place = _whole(held[1:], random) + 1
    cells = held[place][0].rstrip(b"\n").split(b",")
    cells = cells[:-1] if random.random() < 0.5 else [*cells, b"7"]
    return [*held[:place], (b",".join(cells) + b"\n", None), *held[place + 1 :]]


def no_number(held: list[Piece], random: Random) -> list[Piece]:
    """A line of a program's own words among the rows."""
    place = random.randrange(1, len(held) + 1)
    return [*held[:place], (b"Epoch 3: loss went \xff down\n", None), *held[place:]]


def half_line(held: list[Piece], random: Random) -> list[Piece]:
    """The first half of a line, then the next line: a writer that was killed, and another that went on."""
    place = _whole(held, random)
    line = held[place][0].rstrip(b"\n")
    return [*held[:place], (line[: random.randint(1, len(line) - 1)] + b"\n", None), *held[place + 1 :]]


TABLES: dict[str, Damage] = {"ragged": ragged, "no numbers": no_number}
JSON_LINES: dict[str, Damage] = {"half line": half_line, "no object": no_number}


def flood(folder: Path, count: int = 10_000) -> None:
    """A folder of very many files that are no logs."""
    for number in range(count):
        (folder / f"{number:05}.pt").touch()


def loop(folder: Path) -> None:
    """Links that lead back up, and one to itself."""
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "events.out.tfevents.loop").symlink_to(folder / "events.out.tfevents.loop")
    os.symlink(folder / "nowhere", folder / "dangling.csv")


def _whole(held: list[Piece], random: Random) -> int:
    """The place of a piece that is not damaged yet."""
    return random.choice([place for place, (_, number) in enumerate(held) if number is not None])


def _flip(held: list[Piece], random: Random, places: Callable[[int], range]) -> list[Piece]:
    if not intact(held):
        return held
    place = _whole(held, random)
    data = bytearray(held[place][0])
    data[random.choice(places(len(data)))] ^= 1 << random.randrange(8)
    return [*held[:place], (bytes(data), None), *held[place + 1 :]]


def _split(held: list[Piece], at: int) -> tuple[list[Piece], list[Piece]]:
    """The pieces before and behind a position; one that it divides is whole in neither."""
    before: list[Piece] = []
    after: list[Piece] = []
    for data, number in held:
        if at >= len(data):
            before.append((data, number))
        elif at <= 0:
            after.append((data, number))
        else:
            before.append((data[:at], None))
            after.append((data[at:], None))
        at -= len(data)
    return before, after
