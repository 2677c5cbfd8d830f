"""Tables made ready for the page: equal neighbours as one row, nothing lost without a word."""

from __future__ import annotations

from reportgen.render.tables import view
from reportgen.report import Column, Row, Table


def tree(*rows: tuple[str, int, str, str]) -> Table:
    """Rows of (name, level, id, same_as)."""
    made = tuple(Row(cells=(name,), level=level, id=key, same_as=same) for name, level, key, same in rows)
    return Table(columns=(Column(name="Layer"),), rows=made)


BLOCKS = tree(
    ("Net", 0, "root", ""),
    ("0", 1, "0", ""),
    ("conv", 2, "0.conv", ""),
    ("1", 1, "1", "0"),
    ("conv", 2, "1.conv", ""),
    ("2", 1, "2", "0"),
    ("conv", 2, "2.conv", ""),
    ("head", 1, "head", ""),
)


def names(table: Table, limit: int, *, printed: bool) -> list[str]:
    return [row.cells[0].text for row in view(table, limit, {}, printed=printed).rows]


def test_equal_neighbours_and_all_under_them_are_one_row_on_paper() -> None:
    assert names(BLOCKS, 60, printed=True) == ["Net", "0 – 2 × 3", "conv", "head"]
    shown = view(BLOCKS, 60, {}, printed=True)
    assert (shown.folded, shown.left_out) == (4, 0)


def test_on_a_screen_every_row_stands_where_there_is_room() -> None:
    assert names(BLOCKS, 8, printed=False) == ["Net", "0", "conv", "1", "conv", "2", "conv", "head"]
    assert view(BLOCKS, 8, {}, printed=False).folded == 0


def test_on_a_screen_without_room_neighbours_are_folded_before_anything_is_left_out() -> None:
    assert names(BLOCKS, 7, printed=False) == ["Net", "0 – 2 × 3", "conv", "head"]
    shown = view(BLOCKS, 3, {}, printed=False)
    assert (len(shown.rows), shown.folded, shown.left_out) == (3, 4, 1)


def test_rows_that_equal_no_row_that_is_shown_stay() -> None:
    odd = tree(("a", 0, "a", "nowhere"), ("b", 0, "b", "b"), ("c", 0, "", ""), ("d", 0, "d", ""))
    assert names(odd, 60, printed=True) == ["a", "b", "c", "d"]


def test_of_a_flat_table_of_paths_the_shallow_rows_stay_and_of_a_ranking_the_first() -> None:
    rows = ("stem", *(f"layers.{at}.linear" for at in range(6)), "head")
    flat = Table(columns=(Column(name="Layer"),), rows=tuple(Row(cells=(name,)) for name in rows), paths=True)
    assert names(flat, 4, printed=True) == ["stem", "layers.0.linear", "layers.5.linear", "head"]
    assert names(flat.model_copy(update={"paths": False}), 4, printed=True) == list(rows[:4])


def test_repeats_inside_repeats_are_folded_once() -> None:
    nested = tree(
        ("0", 0, "0", ""),
        ("0", 1, "0.0", ""),
        ("1", 1, "0.1", "0.0"),
        ("1", 0, "1", "0"),
        ("0", 1, "1.0", ""),
        ("1", 1, "1.1", "1.0"),
    )
    assert names(nested, 60, printed=True) == ["0 – 1 × 2", "0 – 1 × 2"]
