"""What a tag's name says: which metric, of training or validation, and whether less or more is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["", "train", "validation", "test"]
Direction = Literal["min", "max", ""]

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("train", "training", "tr", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_LESS = (
    "loss", "losses", "error", "err", "mse", "rmse", "mae", "mape", "nll", "perplexity", "ppl", "cer", "wer", "bpc",
    "bpb", "brier", "ece", "crossentropy", "xent", "fid", "logloss", "kl",
)  # fmt: skip
_MORE = (
    "acc", "accuracy", "f", "f1", "fbeta", "auc", "auroc", "auprc", "roc", "ap", "map", "iou", "miou", "dice",
    "precision", "recall", "bleu", "rouge", "rougel", "rougelsum", "meteor", "r2", "top", "psnr", "ssim", "mcc",
    "kappa", "jaccard", "sensitivity", "specificity", "ndcg", "mrr", "exactmatch",
)  # fmt: skip
_NEITHER = (
    "scale",
    "scaler",
    "weight",
    "weights",
    "coef",
    "coefficient",
    "lambda",
    "ratio",
    "count",
    "std",
    "time",
)
_AXES = ("epoch", "epochs", "step", "steps", "global_step", "iteration", "iterations", "iter")
_UPKEEP = ("runtime", "samples_per_second", "steps_per_second", "total_flos", "hp_metric", "time")
_ACC = re.compile(r"(?<![a-z0-9])acc(?![a-z0-9])")
_MEASURED: dict[Role, str] = {"": "training", "train": "training"}
_ULTRALYTICS = re.compile(r"metrics/(.+)\(([A-Z])\)$")


@dataclass(frozen=True)
class Name:
    """A tag taken apart: `val_loss_epoch` is metric "loss", role "validation", each "epoch"."""

    metric: str
    role: Role
    each: str
    kind: Literal["metric", "lr", "axis", "upkeep"]
    direction: Direction

    @property
    def key(self) -> str:
        """The metric by one spelling, so that runs that name it differently agree: `Acc` is "accuracy"."""
        return _ACC.sub("accuracy", self.metric.lower())

    @property
    def measure(self) -> str:
        """What was measured, on what: "validation accuracy" of `val_acc` and of `eval/accuracy`."""
        return f"{_MEASURED.get(self.role, self.role)} {self.key}"

    @property
    def loss(self) -> bool:
        """Whether it is a loss: smaller is better, and training minimises it."""
        return self.kind == "metric" and self.direction == "min" and "loss" in _words(self.metric)


def parse(tag: str) -> Name:
    """Take a tag apart. An unknown name has role "" and direction "": nothing is guessed."""
    text = tag.strip()
    found = _ULTRALYTICS.match(text)
    if found:  # its results.csv names the validation metrics so
        return Name(f"{found[1]}({found[2]})", "validation", "", "metric", _direction(found[1]))
    if text.lower().rpartition("/")[2] in _AXES:
        return Name(text, "", "", "axis", "")
    role: Role = ""
    each = ""
    parts = []
    for part in text.split("/"):
        rest, part_role, part_each = _strip(part)
        role, each = role or part_role, each or part_each
        if rest:
            parts.append(rest)
    metric = "/".join(parts) or text
    return Name(metric, role, each, _kind(metric), _direction(metric))


def _strip(part: str) -> tuple[str, Role, str]:
    """One part of a path without the words at its ends that say train or validation, epoch or step."""
    pieces = re.split(r"([_\-. ]+)", part.strip())
    role: Role = ""
    each = ""
    stripped = True
    while stripped and pieces:
        stripped = False
        for end in (0, -1):
            word = pieces[end].lower() if pieces else ""
            if word in _ROLES and not role:
                role, stripped = _ROLES[word], True
            elif word in ("epoch", "step") and not each:
                each, stripped = word, True
            elif not word and pieces:
                stripped = True
            else:
                continue
            pieces = pieces[2:] if end == 0 else pieces[:-2]
    return "".join(pieces), role, each


def _words(metric: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", metric.lower()) if word]


def _kind(metric: str) -> Literal["metric", "lr", "axis", "upkeep"]:
    words = _words(metric)
    joined = "_".join(words)
    if "lr" in words or "learning_rate" in joined or "learningrate" in words:
        return "lr"
    return "upkeep" if joined.endswith(_UPKEEP) else "metric"


def _direction(metric: str) -> Direction:
    """By the last word that says something: `accuracy_loss` is a loss, `loss_scale` neither."""
    for word in reversed(_words(metric)):
        bare = word if word in ("f1", "r2") else word.rstrip("0123456789")
        if bare in _NEITHER:
            return ""
        if bare in _LESS or bare.endswith("loss"):
            return "min"
        if bare in _MORE or bare.endswith("accuracy"):
            return "max"
    return ""
