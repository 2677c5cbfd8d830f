"""Pictures: scaled whole, maps on one scale, and nothing decoded that is not what it says it is."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from reportgen.render.pictures import grid
from reportgen.report import Images, Map, Picture, Raster


def pixels(src: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(src.split(",")[1]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def only(picture: Picture, width: int = 900):
    return grid(Images(pictures=(picture,)), width).rows[0][1][0]


def test_a_small_picture_is_enlarged_by_a_whole_number_with_its_pixels_seen():
    shown = only(Picture(raster=Raster.from_array(np.zeros((8, 8), np.uint8))))
    assert shown.pixelated
    assert shown.width == shown.height
    assert shown.width % 8 == 0


def test_a_large_picture_is_made_smaller_and_keeps_its_shape():
    shown = only(Picture(raster=Raster.from_array(np.zeros((200, 400), np.uint8))))
    assert not shown.pixelated
    assert shown.width == 2 * shown.height
    assert shown.width <= 150


def test_zero_is_the_same_pale_and_signs_are_told_apart_and_limits_are_common():
    field = np.array([[-1.0, 0.0, 1.0]])
    row = pixels(only(Picture(map=Map.from_array(field, signed=True))).src)[0]
    assert row[1].min() > 240
    assert row[0][2] > row[0][0]  # negative: blue
    assert row[2][0] > row[2][2]  # positive: red
    half = pixels(only(Picture(map=Map.from_array(field, signed=True, limit=2.0))).src)[0]
    assert half[2].sum() > row[2].sum()


def test_a_map_over_a_picture_leaves_the_picture_grey_where_nothing_speaks():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = 255
    field = np.zeros((2, 2))
    field[0, 0] = 1.0
    seen = pixels(
        only(Picture(raster=Raster.from_array(picture), map=Map.from_array(field, signed=True))).src
    )
    assert seen.shape == (4, 4, 3)
    assert len(set(seen[3, 3])) == 1
    assert seen[0, 0, 0] > seen[0, 0, 2]
    assert (seen[:2, :2] == seen[0, 0]).all()


def test_the_scale_names_its_ends_only_where_all_maps_share_them():
    ones = [Map.from_array(np.eye(2), signed=True, limit=limit) for limit in (1.5, 1.5, 3.0)]
    assert grid(Images(pictures=tuple(Picture(map=one) for one in ones[:2])), 900).scale == (
        "−1.5",
        "0",
        "1.5",
    )
    assert "each picture" in grid(Images(pictures=tuple(Picture(map=one) for one in ones)), 900).scale[0]
    assert grid(Images(pictures=(Picture(missing="none"),)), 900).scale == ()


def test_a_missing_picture_gives_its_reason():
    assert (
        only(Picture(missing="The network has no convolution.")).missing == "The network has no convolution."
    )
    assert only(Picture()).missing == "no picture was kept"


def raster(content: bytes, width: int = 4, height: int = 4, media_type: str = "image/webp") -> Picture:
    data = base64.b64encode(content).decode()
    return Picture(raster=Raster(media_type=media_type, width=width, height=height, data=data))


WEBP = base64.b64decode(Raster.from_array(np.zeros((4, 4), np.uint8)).data)


@pytest.mark.parametrize(
    "picture",
    [
        raster(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        raster(b""),
        raster(WEBP[:20]),
        raster(WEBP, width=5),
        raster(WEBP, media_type="image/png"),
        raster(WEBP, width=100_000, height=100_000),
        Picture(map=Map(width=2, height=2, limit=1, signed=True, data="AAAA")),
    ],
)
def test_what_is_not_the_picture_it_says_it_is_is_not_shown(picture):
    shown = only(picture)
    assert shown.src == ""
    assert shown.missing.startswith("this picture does not decode")
