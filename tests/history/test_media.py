"""Pictures and texts of a log: shown as they are, bounded, and nothing but pixels left of a picture."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from series import run

from reportgen.history.media import MOST_PICTURES, SIDE, pictures, texts
from reportgen.history.model import Logged

PIXELS = (np.arange(12 * 16 * 3) % 251).astype(np.uint8).reshape(12, 16, 3)


def encoded(pixels, kind="PNG", **more):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **more)
    return out.getvalue()


def logged(*contents):
    return replace(run(), images={"digit": [Logged(at, 0.0, one) for at, one in enumerate(contents)]})


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.raster.data))).convert("RGB"))


def test_a_picture_is_shown_pixel_by_pixel():
    block = pictures(logged(encoded(PIXELS)))
    assert (pixels(block.pictures[0]) == PIXELS).all()
    assert block.row_titles == ("digit",)
    assert block.pictures[0].caption == "step 0"


def test_the_latest_pictures_are_shown_and_the_others_counted():
    block = pictures(logged(*[encoded(PIXELS)] * 9))
    assert [one.caption for one in block.pictures] == [f"step {at}" for at in range(9 - MOST_PICTURES, 9)]
    assert block.caption.startswith(f"{MOST_PICTURES} of 9 pictures read")


def test_a_large_picture_is_made_smaller():
    block = pictures(logged(encoded(np.zeros((1000, 500, 3), np.uint8))))
    assert (block.pictures[0].raster.width, block.pictures[0].raster.height) == (SIDE // 2, SIDE)


def test_transparent_ground_is_white():
    clear = np.zeros((4, 4, 4), np.uint8)
    assert (pixels(pictures(logged(encoded(clear))).pictures[0]) == 255).all()


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", encoded(PIXELS)[:60], "text", b"<svg onload='alert(1)'/>", encoded(PIXELS)[:-40]],
)
def test_what_is_no_picture_says_why_and_costs_none_of_the_others(content):
    block = pictures(logged(content, encoded(PIXELS)))
    assert block.pictures[0].missing.startswith("not shown")
    assert block.pictures[1].raster is not None


def test_a_picture_that_claims_to_be_huge_is_not_opened():
    bomb = encoded(np.zeros((1, 1), np.uint8)).replace(
        (1).to_bytes(4, "big") + (1).to_bytes(4, "big"), (60_000).to_bytes(4, "big") * 2
    )
    assert pictures(logged(bomb)).pictures[0].missing


def test_texts_are_cut_where_they_are_long_and_say_so():
    one = replace(run(), texts={"note": [Logged(3, 0.0, "first"), Logged(7, 0.0, "x" * 9000)]})
    (block,) = texts(one)
    assert len(block.text) == 4000
    assert block.caption == "Step 7, the last of 2 texts read. The first 4,000 of 9,000 characters."
    assert block.folded
