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
_PLACES = "global[_ ]step|step|iteration|iter|update|batch(?:[_ ](?:idx|index))?|epoch|it(?=[:=])"
_PLACE = re.compile(
    rf"\b(?:{_PLACES})s?[ \t:=#\[(]{{0,9}}\d{{1,18}}(?:\s{{0,3}}(?:/|of)\s{{0,3}}\d{{1,18}})?[\])]?",
    re.IGNORECASE,
)
_NO_METRICS = ("step", "epoch", "v_num", "eta", "global_step", "iter", "iteration", "batch", "it")
METRICS = "loss|acc|err|ppl|perplexity|reward|score|mse|mae|nll|auc|iou|bleu|f1"


@dataclass(frozen=True)
class Pattern:
    """The lines of one program.

    `row` is searched for in a line: its groups are `rest`, where the metrics stand, and where they are there
    `step`, `epoch`, `split` (train, val) and `steps`, how many steps an epoch has, so that `step` starts
    again in each; `at` is a batch within an epoch, and `of` how many steps there are in one, if they start
    again in each at all. `context` is a line that says the epoch of those below it, and behind `recap` comes a
    line that was printed before. With `bar` the lines are states of a progress bar, whose last one of an epoch
    stands; with `repainted` that of each step does. `first` is the number of the first epoch.
    """

    name: str
    row: re.Pattern[str]
    context: re.Pattern[str] | None = None
    bar: bool = False
    first: int = 1
    recap: re.Pattern[str] | None = None
    repainted: bool = False


_BAR = r"(?:\d{1,3}%\|[^|]{0,200}\||[━╸╺─]{1,200})\s{0,9}(?P<step>\d{1,15})/(?P<steps>\d{1,15})"
_STEP_OF = r"\[\s{0,9}(?P<step>\d{1,15})/(?P<steps>\d{1,15})"
_HEADING = re.compile(
    r"^\W{0,9}Epoch:?\s{0,3}\[?(?P<epoch>\d{1,15})(?:\s?/\s?\d{1,15})?\W{0,40}$", re.IGNORECASE
)
_METRIC_AHEAD = rf"(?=.{{0,4000}}?(?:{METRICS}))"

_AT = (
    r"(?<![a-z/])(?:{})[ \t:=#\[(]{{0,9}}(?P<{}>\d{{1,15}})(?:\s{{0,3}}(?:/|of)\s{{0,3}}(?P<{}>\d{{1,15}}))?"
)
# Where a line of any program says its place: each is looked for by itself.
_LOOSE = tuple(
    re.compile(_AT.format(*said), re.IGNORECASE)
    for said in (
        ("epochs?", "epoch", "epochs"),
        ("global[_ ]step|step|iteration|iter|update|it(?=[:=])", "step", "of"),
        (r"batch(?:[_ ](?:idx|index))?", "at", "steps"),
    )
)

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
    Pattern("tqdm", re.compile(
        r"^(?:\W{0,9}(?P<split>train|val|valid|test|eval)(?:ing|uation|idation|uating|idating)?\b)?[^|%]{0,80}?" + _BAR
        + r"\s{0,9}\[(?P<rest>[^\]]{0,300}\w[=:][^\]]{0,2000})\]", re.IGNORECASE), context=_HEADING, repainted=True),
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
    Pattern("torch quickstart", re.compile(
        r"^\s{0,9}(?:(?=(?P<part>Accuracy): .{1,40}Avg loss)|(?=loss: .{1,40}" + _STEP_OF + r"\]))(?P<rest>[^\[]*)"),
        context=_HEADING),
    Pattern("torch CIFAR tutorial", re.compile(
        r"^\[(?P<epoch>\d{1,15}),\s{1,9}(?P<at>\d{1,15})\]\s{0,9}(?P<rest>loss.*)")),
    Pattern("torch transfer tutorial", re.compile(
        r"^(?P<split>train|val) (?P<rest>Loss: \S{1,40} Acc: .*)"), context=_HEADING, first=0),
    Pattern("XGBoost or LightGBM", re.compile(
        r"^\s{0,9}\[(?P<step>\d{1,15})\]\s{1,9}(?P<rest>\w[\w.@-]{0,80}(?:'s [\w.@-]{1,80})?:.*)"),
        recap=re.compile(r"[Bb]est iteration is:?\s{0,9}$")),
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
    Pattern("[1/10]", re.compile(
        r"^[^A-Za-z\[]{0,40}(?:(?:INFO|DEBUG)\W{0,9})?" + _STEP_OF + rf"\]\W{{0,9}}{_METRIC_AHEAD}(?P<rest>.*)",
        re.IGNORECASE), context=_HEADING),
    Pattern(ANY, re.compile(METRICS, re.IGNORECASE), context=_HEADING),
)  # fmt: skip
_SPLITS = {
    "validate": "val",
    "valid": "val",
    "Test": "val",
    "Accuracy": "val",
    "training": "train",
    "validation": "val",
}  # timm and the torch examples test on validation data
EVALUATIONS = ("val", "test", "eval", "validation")
_OWNED = re.compile(r"(?P<set>[\w.-]{1,80})'s (?=\w)")  # LightGBM: valid_0's auc
_NUMBERED = re.compile(r"valid_\d{1,9}")
_SET = re.compile(  # of any program's line: [val], Train Epoch 3
    r"(?<![\w./-])(train|training|val|valid|validation|test|eval)"
    r"(?:\s{0,3}[\])|]|\s{1,3}(?:set|epoch|step|iter|iteration|batch)\b)",
    re.IGNORECASE,
)
_AVERAGE = re.compile(r"(?:avg|average)[ _](?=\w)", re.IGNORECASE)


class Row(NamedTuple):
    """What one line says. `step` counts within the epoch where `steps` says how many there are in one.

    It may do so where `within` is set, and then there are `of` in one, if that is known.
    `wall` is in seconds since 1970, `bad` what a group of the user's holds that is no number, with its name.
    """

    metrics: dict[str, float]
    step: int | None = None
    epoch: int | None = None
    steps: int | None = None
    split: str = ""
    wall: float | None = None
    bad: tuple[tuple[str, str], ...] = ()
    of: int | None = None
    within: bool = False


def row_of(pattern: Pattern, line: str) -> Row | None:
    """What a line says by a pattern; None where it is no line of that program."""
    found = pattern.row.search(line)
    if found is None:
        return None
    loose = pattern.name == ANY
    groups = _places(line) if loose else found.groupdict()
    given = whole(groups.get("step"))
    step = whole(groups.get("at")) if given is None else given
    epoch = whole(groups.get("epoch"))
    steps = whole(groups.get("steps"))
    if loose and step is None and epoch is None:
        return None
    if loose and given is not None:  # beside a step of the run a batch says nothing more
        steps = None
    said = _set(line) if loose else groups.get("split") or groups.get("part") or ""
    split = _SPLITS.get(said, said.lower())
    rest = _PLACE.sub("|", line) if loose else _owned(groups["rest"] or "")
    metrics = _metrics(rest, mean=split in EVALUATIONS)
    if not metrics:
        return None
    updates = metrics.pop("num_updates", None)
    if updates is not None and step is None:
        step = int(updates)
    within = steps is None and (loose or given is None) and step is not None
    return Row(metrics, step, epoch, steps, split, of=whole(groups.get("of")), within=within)


def _places(line: str) -> dict[str, str | None]:
    """Epoch, step and batch as a line of any program names them."""
    groups: dict[str, str | None] = {}
    for place in _LOOSE:
        found = place.search(line)
        groups.update(found.groupdict() if found is not None else {})
    return groups


def _metrics(text: str, *, mean: bool) -> dict[str, float]:
    """The named numbers in a text; `1.2 (1.3)` is a value and its running mean, which an evaluation ends with.

    What an evaluation calls an average is the metric itself.
    """
    metrics = {}
    for key, value, last in _PAIR.findall(text):
        name = key.strip(" -(.")
        if name.lower() not in _NO_METRICS:
            metrics[name] = float((last if mean and last else value).replace(",", ""))
    for key, part, whole_ in _SHARE.findall(text):  # Accuracy: 9750/10000 (98%)
        if key.lower() not in _NO_METRICS and int(whole_):
            metrics[key] = int(part) / int(whole_)
    return _bare(metrics) if mean else metrics


def _bare(metrics: dict[str, float]) -> dict[str, float]:
    """Without the word "average" in names, where that leaves them apart."""
    out: dict[str, float] = {}
    for name, value in metrics.items():
        bare = _AVERAGE.sub("", name, count=1)
        out[name if bare in metrics or bare in out else bare] = value
    return out


def _set(line: str) -> str:
    """Which set a line is of, where it names one; "" where it names none or several."""
    named = {name.lower() for name in _SET.findall(line)}
    return named.pop() if len(named) == 1 else ""


def _owned(text: str) -> str:
    """LightGBM's `valid_0's auc` as `val/auc`; its sets keep their numbers where there are several."""
    sets = set(_OWNED.findall(text)) if "'s " in text else set()
    if not sets:
        return text
    several = sum(_NUMBERED.fullmatch(one) is not None for one in sets) > 1

    def path(found: re.Match[str]) -> str:
        name = found["set"]
        if _NUMBERED.fullmatch(name):
            return f"{name.replace('valid', 'val') if several else 'val'}/"
        return "train/" if name == "training" else f"{name}/"

    return _OWNED.sub(path, text)


def whole(text: str | None) -> int | None:
    """The whole number in digits and thousands commas; None where there is none."""
    digits = (text or "").replace(",", "")
    return int(digits) if digits.isascii() and digits.isdigit() else None
