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


def test_a_map_lies_over_the_picture_that_it_names_which_is_kept_once():
    picture = Raster.from_array(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    field = Map.from_array(np.eye(8), signed=True)
    named = Images(pictures=(Picture(raster=picture), Picture(map=field, behind=0)))
    doubled = Images(pictures=(Picture(raster=picture), Picture(map=field, raster=picture)))
    assert grid(named, 900).rows[0][1][1].src == grid(doubled, 900).rows[0][1][1].src
    alone = grid(Images(pictures=(Picture(map=field),)), 900).rows[0][1][0].src
    assert grid(named, 900).rows[0][1][1].src != alone
    for behind in (-1, 1, 2):
        with pytest.raises(ValueError, match="behind must be the place of a picture with pixels"):
            Images(pictures=(Picture(raster=picture), Picture(map=field, behind=behind)))


def test_a_photograph_under_a_map_weighs_a_few_kilobytes_and_looks_the_same():
    from skimage import data, transform

    pixels = (transform.resize(data.astronaut(), (224, 224)) * 255).astype(np.uint8)
    kept = Raster.from_array(pixels, exact=False)
    assert len(kept.data) < len(Raster.from_array(pixels).data) / 4
    with Image.open(io.BytesIO(base64.b64decode(kept.data))) as image:
        seen = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(seen - pixels).mean() < 6
    field = Map.from_array(np.outer(np.hanning(56), np.hanning(56)), signed=True)
    shown = only(Picture(raster=kept, map=field))
    assert len(shown.src) < 30_000
    assert pixels_of_centre(shown.src)[0] > pixels_of_centre(shown.src)[2] + 60  # red where it speaks for


def pixels_of_centre(src: str) -> np.ndarray:
    return pixels(src)[108:116, 108:116].mean((0, 1))


def test_small_maps_keep_their_exact_colours():
    field = np.zeros((8, 8))
    field[0, 0] = 1.0
    shown = only(
        Picture(raster=Raster.from_array(np.zeros((8, 8), np.uint8)), map=Map.from_array(field, signed=True))
    )
    assert len({tuple(pixel) for row in pixels(shown.src) for pixel in row}) == 2
