"""Small text models that were not trained, and tokenizers made here, for tests of texts."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

SENTENCES = (
    "The players were playing quietly in the garden.",
    "Nobody played the piano, not even the player!",
    "المساواة في الحقوق",
    "人人生而自由 在尊严和权利上一律平等",
)
WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *(
        "the",
        "play",
        "##ers",
        "##er",
        "##ing",
        "##ed",
        "were",
        "quiet",
        "##ly",
        "in",
        "garden",
        ".",
        ",",
        "!",
    ),
    *("nobody", "piano", "not", "even", "المساواة", "في", "الحقوق", "人", "生", "而", "自", "由"),
]


def wordpiece() -> Tokenizer:
    """A WordPiece tokenizer of a few words that frames a text by [CLS] and [SEP] and pads."""
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.add_special_tokens(WORDS[:5])
    made.normalizer = None
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.enable_padding(pad_id=0, pad_token="[PAD]")
    return made


def rows(tokenizer: Tokenizer, texts: tuple[str, ...] = SENTENCES) -> list[dict[str, Any]]:
    """Samples as Hugging Face's data sets hold them: the mask first, labels beside it."""
    encoded = tokenizer.encode_batch([text.lower() for text in texts])
    return [
        {
            "attention_mask": torch.tensor(one.attention_mask),
            "token_type_ids": torch.tensor(one.type_ids),
            "input_ids": torch.tensor(one.ids),
            "labels": torch.tensor(i % 2),
        }
        for i, one in enumerate(encoded)
    ]


def bert(classes: int = 2) -> nn.Module:
    """A BERT of two small layers, as it is initialised."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=classes, initializer_range=0.5,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.BertForSequenceClassification(config).eval()


class Bag(nn.Module):
    """A hidden layer on the sum of the vectors of the tokens at even places."""

    def __init__(self, words: int = 50) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, 6)
        self.head = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(ids)[:, ::2].sum(dim=1))
