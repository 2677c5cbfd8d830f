"""What an event file holds beside scalars: pictures, texts, histograms and hyper-parameters, in bounded memory."""

from __future__ import annotations

import copy
from typing import Any

from reportgen.history.budget import SERIES
from reportgen.history.histograms import Evenly, histogram
from reportgen.history.kept import Latest
from reportgen.history.model import Histogram, Logged, Reading, Setting
from reportgen.history.tensors import STRING, shape
from reportgen.units import plural

_IMAGES, _TEXTS = 8, 20  # kept of a tag: the last ones
_IMAGE_BYTES, _TEXT_BYTES = 32 << 20, 4 << 20  # of all tags together
_MOST_TAGS = 1000  # of pictures, of texts, of histograms
_MOST_SETTINGS = 2000
_MEDIA = (b"histograms", b"images", b"text")
_LONGEST = 1 << 16  # characters of a text
_TEXT_SUFFIX = "/text_summary"  # what torch and tensorboardX put behind the name
_STATES = {1: "finished", 2: "failed", 3: "running"}


class Extras:
    """What has been found so far; `event` and `session` are the message classes."""

    def __init__(self, event: Any, session: Any) -> None:
        self._event, self._session = event, session
        self._plugins: dict[str, bytes] = {}
        self._images = Latest(_IMAGES, _IMAGE_BYTES)
        self._texts = Latest(_TEXTS, _TEXT_BYTES)
        self._histograms = Evenly()
        self._settings: dict[str, Setting] = {}
        self._state = ""
        self._unknown = self._cut = self._further = 0
        self._tags: set[str] = set()

    def take(self, tag: str, value: Any, event: Any, payload: bytes) -> None:
        """Look at one summary value of an event that is no scalar."""
        plugin = self._plugin(tag, value)
        kind = value.WhichOneof("value")
        media = kind in ("histo", "image") or (kind == "tensor" and plugin in _MEDIA)
        if media and tag not in self._tags and len(self._tags) >= _MOST_TAGS:
            self._further += 1
            return
        if media:
            self._tags.add(tag)
        if kind == "histo" or (kind == "tensor" and plugin == b"histograms"):
            self._histograms.add(tag, payload)
        elif kind == "image":
            self._image(tag, event, value.image.encoded_image_string)
        elif kind == "tensor" and value.tensor.dtype == STRING and plugin == b"images":
            for image in value.tensor.string_val[2:]:  # behind width and height
                self._image(tag, event, image)
        elif kind == "tensor" and value.tensor.dtype == STRING and plugin == b"text":
            self._text(tag.removesuffix(_TEXT_SUFFIX), event, value.tensor)

    def _plugin(self, tag: str, value: Any) -> bytes:
        """The plugin that a tag belongs to: only its first event need say so."""
        data = value.metadata.plugin_data
        if data.plugin_name and (tag in self._plugins or len(self._plugins) < SERIES):
            self._plugins[tag] = data.plugin_name
        if data.plugin_name == b"hparams":
            self._hyperparameters(data.content)
        return self._plugins.get(tag, b"")

    def _hyperparameters(self, content: bytes) -> None:
        try:
            said = self._session.FromString(content)
        except Exception:  # noqa: BLE001 - protobuf's DecodeError differs between its backends
            self._unknown += 1
            return
        for entry in said.start.hparams[:_MOST_SETTINGS]:
            self._settings[entry.key.decode("utf-8", "replace")] = _setting(entry.value)
        # add_hparams says "success" as soon as it is called, but without the time of the end.
        if said.end.end_time_secs or said.end.status > 1:
            self._state = _STATES.get(said.end.status, self._state)

    def _image(self, tag: str, event: Any, content: bytes) -> None:
        if _is_image(content):
            self._images.add(tag, Logged(event.step, event.wall_time, content))
        else:
            self._unknown += 1

    def _text(self, tag: str, event: Any, tensor: Any) -> None:
        cells = [cell.decode("utf-8", "replace") for cell in tensor.string_val]
        sizes = shape(tensor)
        if len(sizes) == 2 and sizes[1] > 0:
            rows = [cells[at : at + sizes[1]] for at in range(0, len(cells), sizes[1])]
            cells = [" | ".join(row) for row in rows]
        text = "\n".join(cells)
        self._cut += len(text) > _LONGEST
        self._texts.add(tag, Logged(event.step, event.wall_time, text[:_LONGEST]))

    def fork(self) -> Extras:
        """A copy that may be added to."""
        other = copy.copy(self)
        for name in ("_plugins", "_tags", "_images", "_texts", "_histograms", "_settings"):
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        return other

    def reading(self, reading: Reading) -> dict[str, Any]:
        """What is to be replaced in a reading of the scalars, its warnings among it."""
        histograms: dict[str, list[Histogram]] = {}
        odd = self._unknown
        for tag, payloads in self._histograms.kept().items():
            found = [histogram(self._event.FromString(payload), tag) for payload in payloads]
            histograms[tag] = [one for one in found if one is not None]
            odd += len(found) - len(histograms[tag])
        notes = [
            self._images.note("image", "the last of each tag are kept"),
            self._texts.note("text", "the last of each tag are kept"),
            self._histograms.note(),
            f"{plural(self._further, 'value')} of more than {_MOST_TAGS:,} tags left out"
            if self._further
            else "",
            f"{plural(self._cut, 'text')} cut to {_LONGEST:,} characters" if self._cut else "",
        ]
        wrong = f"left out, as not understood: {odd:,} of the logged images and histograms"
        return {
            "warnings": (*reading.warnings, wrong) if odd else reading.warnings,
            "notes": tuple(note for note in notes if note),
            "histograms": {tag: tuple(held) for tag, held in histograms.items() if held},
            "images": self._images.items(),
            "texts": self._texts.items(),
            "settings": dict(self._settings),
            "state": self._state,
        }


def _setting(value: Any) -> Setting:
    kind = value.WhichOneof("kind")
    if kind == "text":
        return value.text.decode("utf-8", "replace")
    if kind in ("number", "truth"):
        return getattr(value, kind)
    return "None" if kind == "null" else "(not a plain value)"


def _is_image(content: bytes) -> bool:
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return webp or content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8"))
