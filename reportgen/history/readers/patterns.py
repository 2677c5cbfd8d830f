"""How the lines of well-known training programs look, as data, and how numbers are taken from one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_DIGITS = r"\d{1,3}(?:,\d{3}){1,5}|\d{1,18}"
_NUMBER = rf"[-+]?(?:(?:(?:{_DIGITS})(?:\.\d{{0,30}})?|\.\d{{1,30}})(?:e[-+]?\d{{1,4}})?|nan|inf(?:inity)?)"
_UNIT = r"(?:%|[mun]?s|sec|min|h|[kmgt]i?b|it/s|/s|s/it)?"
_END = r"(?=[\s,;|)\]}('\"]|$)"
# Each repeat is bounded, so that no line, however odd, takes long.
_PAIR = re.compile(
    rf"(?<![\w./@])(?P<key>[a-z_](?: ?[\w./@()-]){{0,40}}?)['\"]?(?:\s{{0,9}}[:=]\s{{0,20}}|\s{{1,20}})['\"]?"
    rf"(?P<value>{_NUMBER}){_UNIT}{_END}(?:['\"]?\s{{0,9}}\(\s{{0,9}}(?P<mean>{_NUMBER})\s{{0,9}}\))?",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"(?P<key>\b[a-z_]{1,40}):?\s{1,9}(\d{1,15})/(\d{1,15})\s{0,9}\(\d{1,3}(?:\.\d{0,9})?\s?%\)",
    re.IGNORECASE,
)
_PLACES = "global[_ ]step|step|iteration|iter|update|batch|epoch"
_PLACE = re.compile(
    rf"\b(?:{_PLACES})s?[ \t:=#\[(]{{0,9}}\d{{1,18}}(?:\s{{0,3}}(?:/|of)\s{{0,3}}\d{{1,18}})?[\])]?",
    re.IGNORECASE,
)
_NO_METRICS = ("step", "epoch", "v_num", "eta", "global_step", "iter", "iteration", "batch")
_METRICS = "loss|acc|err|ppl|perplexity|reward|score|mse|mae|nll|auc|iou|bleu|f1"


@dataclass(frozen=True)
class Pattern:
    """The lines of one program.

    `row` is searched for in a line: its groups are `rest`, where the metrics stand, and where they are there
    `step`, `epoch`, `split` (train, val) and `steps`, how many steps an epoch has, so that `step` starts
    again in each. `context` is a line that says the epoch of those below it. With `bar` the lines are states of
    a progress bar, whose last one of an epoch stands. `first` is the number of the first epoch.
    """

    name: str
    row: re.Pattern[str]
    context: re.Pattern[str] | None = None
    bar: bool = False
    first: int = 1


_BAR = r"(?:\d{1,3}%\|[^|]{0,200}\||[━╸╺─]{1,200})\s{0,9}(?P<step>\d{1,15})/(?P<steps>\d{1,15})"
_STEP_OF = r"\[\s{0,9}(?P<step>\d{1,15})/(?P<steps>\d{1,15})"

ANY = "step and values"
PATTERNS = (
    Pattern("torchtitan", re.compile(
        r"(?:(?P<split>validate)\s{1,9})?step:\s{0,9}(?P<step>[\d,]{1,15})\s{1,9}(?P<rest>[\w./]{1,60}:\s.*)")),
    Pattern("torchtune", re.compile(r"\bStep (?P<step>\d{1,15}) \| (?P<rest>\S{1,80}:.*)")),
    Pattern("Hugging Face Trainer", re.compile(r"\{(?P<rest>'[\w./@-]{1,80}': [^{}]*'epoch': [^{}]*)\}")),
    Pattern("Keras", re.compile(
        r"^\s{0,9}\d{1,15}/(?:\d{1,15}|Unknown)\b[^-]{0,300} - (?:[^-:]{0,40} - ){0,4}(?P<rest>\w[\w@ /-]{0,60}: .*)"),
        context=re.compile(r"^\s{0,9}Epoch (?P<epoch>\d{1,15})(?:/\d{1,15})?:?\s*$"), bar=True),
    Pattern("Lightning or tqdm, by epoch", re.compile(
        r"Epoch:? ?\[?(?P<epoch>\d{1,15})(?:/\d{1,15})?\]?:?\s{0,9}" + _BAR + r"(?P<rest>.*)"), bar=True, first=0),
    Pattern("tqdm", re.compile(r"^[^|%]{0,80}?" + _BAR.replace("(?P<steps>", "(?:")
                               + r"\s{0,9}\[(?P<rest>[^\]]{0,300}\w[=:][^\]]{0,2000})\]")),
    Pattern("timm", re.compile(
        r"(?P<split>Train|Test): ?(?:(?P<epoch>\d{1,15}) )?"
        + _STEP_OF + r"(?: {0,9}\([^)]{0,20}\))?\]\s{0,9}(?P<rest>.*)"),
        first=0),
    Pattern("torch examples", re.compile(
        r"(?:Epoch:?\s{0,9}\[(?P<epoch>\d{1,15})\]|(?P<split>Test):?)\s{0,9}" + _STEP_OF + r"\]\s{0,9}(?P<rest>.*)"),
        first=0),
    Pattern("torch MNIST example", re.compile(
        r"(?:(?P<split>Train) Epoch:\s{0,9}(?P<epoch>\d{1,15})\s{0,9}" + _STEP_OF
        + r"\s{0,9}\(\s{0,3}\d{1,3}%\)\s{0,3}\]|(?P<part>Test) set:(?: Average)?)\s{0,9}(?P<rest>.*)")),
    Pattern("mmengine", re.compile(
        r"(?:Iter\((?P<split>\w{1,20})\)\s{0,9}\[\s{0,9}(?P<step>\d{1,15})/\d{1,15}\]"
        r"|Epoch\((?P<part>\w{1,20})\)\s{0,9}\[(?P<epoch>\d{1,15})\]\[\s{0,9}(?P<at>\d{1,15})/(?P<steps>\d{1,15})\])"
        r"\s{0,9}(?P<rest>.*)")),
    Pattern("fairseq", re.compile(
        r"\|\s{0,9}(?P<split>train_inner|train|valid|test)\s{0,9}\|\s{0,9}epoch\s{0,9}(?P<epoch>\d{1,15})(?P<rest>.*)")),
    Pattern("nanoGPT", re.compile(r"^\s{0,9}(?:iter|step) (?P<step>\d{1,15}): (?P<rest>(?:train )?loss .*)")),
    Pattern("Epoch [1/10]", re.compile(
        r"Epoch:? ?\[(?P<epoch>\d{1,15})/\d{1,15}\](?:[\s,|-]{0,9}(?:Step|Batch|Iter|Iteration):? ?"
        + _STEP_OF + r"\])?(?P<rest>.*)")),
    Pattern(ANY, re.compile(
        rf"^(?=.{{0,4000}}?(?:{_METRICS}))"
        r"(?:(?=.{0,4000}?(?<![a-z/])epochs?[ \t:=#\[(]{0,9}(?P<epoch>\d{1,15})))?"
        r"(?:(?=.{0,4000}?(?<![a-z/])(?:global[_ ]step|step|iteration|iter|update)[ \t:=#\[(]{0,9}(?P<step>\d{1,15})))?"
        r"(?P<rest>.*)", re.IGNORECASE)),
)  # fmt: skip
_SPLITS = {
    "validate": "val",
    "valid": "val",
    "Test": "val",
}  # timm and the torch examples test on validation data
EVALUATIONS = ("val", "test", "eval", "validation")


class Row(NamedTuple):
    """What one line says. `step` counts within the epoch where `steps` says how many there are in one.

    `wall` is in seconds since 1970, `bad` what a group of the user's holds that is no number, with its name.
    """

    metrics: dict[str, float]
    step: int | None = None
    epoch: int | None = None
    steps: int | None = None
    split: str = ""
    wall: float | None = None
    bad: tuple[tuple[str, str], ...] = ()


def row_of(pattern: Pattern, line: str) -> Row | None:
    """What a line says by a pattern; None where it is no line of that program."""
    found = pattern.row.search(line)
    if found is None:
        return None
    groups = found.groupdict()
    step = whole(groups.get("step") or groups.get("at"))
    epoch, steps = whole(groups.get("epoch")), whole(groups.get("steps"))
    loose = pattern.name == ANY
    if loose and step is None and epoch is None:
        return None
    said = groups.get("split") or groups.get("part") or ""
    split = _SPLITS.get(said, said.lower())
    rest = _PLACE.sub("|", groups["rest"]) if loose else groups["rest"]
    metrics = _metrics(rest, mean=split in EVALUATIONS)
    if not metrics:
        return None
    updates = metrics.pop("num_updates", None)
    if updates is not None and step is None:
        step = int(updates)
    return Row(metrics, step, epoch, steps, split)


def _metrics(text: str, *, mean: bool) -> dict[str, float]:
    """The named numbers in a text; `1.2 (1.3)` is a value and its running mean, which an evaluation ends with."""
    metrics = {}
    for key, value, last in _PAIR.findall(text):
        name = key.strip(" -(.")
        if name.lower() not in _NO_METRICS:
            metrics[name] = float((last if mean and last else value).replace(",", ""))
    for key, part, whole_ in _SHARE.findall(text):  # Accuracy: 9750/10000 (98%)
        if key.lower() not in _NO_METRICS and int(whole_):
            metrics[key] = int(part) / int(whole_)
    return metrics


def whole(text: str | None) -> int | None:
    """The whole number in digits and thousands commas; None where there is none."""
    digits = (text or "").replace(",", "")
    return int(digits) if digits.isascii() and digits.isdigit() else None
