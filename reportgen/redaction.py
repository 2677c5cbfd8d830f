"""What a report must not tell, for it is shown around: secrets are masked, and paths shortened.

A value is a secret by the name it stands under, by its shape, or by where in an address it stands. Numbers of
everyday size and yes or no are none, nor is what models call keys and tokens (`key_dim`, `max_tokens`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MASK = "***"
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ALWAYS = re.compile(
    r"^(?:.*passw(?:or)?d?s?|.*passphrase|secrets?|.*secretkey|.*clientsecret|.*credentials?|pwd|bearer|oauth\d?|"
    r"authoriz\w*|authenticat\w*|cookies?|dsn|sas|webhook|.*(?:api|access|private|account|ssh|signing|encryption|"
    r"license|master|service|storage|admin|deploy|hf|wandb|openai|aws|azure|gcp)keys?(?:id)?|"
    r".*(?:api|auth|access|bearer|refresh|session|hf|github|gitlab|slack|bot|wandb)tokens?)$"
)
_WORDS = ("key", "token", "auth")  # secrets unless a word beside them says that they are a model's
_HOSTS = ("host", "hosts", "hostname", "hostnames")
_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0", "::1")
_OF_MODELS = frozenset(
    (  # noqa: SIM905
        "dim dims size sizes width length len num n max min count total value values head heads query padding "
        "pad mask proj projection bias layer layers norm frame frames point points sort primary foreign label "
        "labels image images text input inputs output outputs feature features target targets monitor metric "
        "metrics data column index batch state map error errors press board word words type types embedding "
        "embeddings embed id ids level per drop dropout prob eos bos unk cls sep special begin end start stop "
        "new extra first last loss rank chunk window ratio rate keep prune merge mixing shift pos position "
        "cross self attn attention encoder decoder patch register prompt class memory cache scale"
    ).split()
)
_HARMLESS = frozenset(
    "none null true false yes no auto default basic off on nan str int float bool tensor any dict list value".split()  # noqa: SIM905
)
# What stands under a model's key or token, too, is a secret where it looks drawn at random.
_RANDOM = re.compile(r"(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[A-Za-z0-9+/_=-]{24,}")
_SMALL = 10_000  # a number below it is no secret
_SHAPES = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|sk-(?=[\w-]*\d)[\w-]{20,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}|"
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|ya29\.[\w-]{20,}|local-[0-9a-f]{40}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)
_BEARER = re.compile(
    r"(?i)(\bbearer\s+(?=[^\s'\"]*[\d=+/._-])|\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:[a-z]{1,20}\s+)?)"
    r"[\w+/.=~-]{6,4000}"
)
_USER = re.compile(r"(?<=://)[^/@\s'\"]{1,400}@")
_SIGNED = re.compile(
    r"(?i)([?&;](?:x-(?:amz|goog|ms)-[\w-]{1,40}|sig|signature|se|sp|sv|st|sr|code|awsaccesskeyid|policy|key-pair-id|"
    r"[\w.-]{0,60}(?:key|token|secret|passw\w{0,10}|auth|credential)\w{0,10})=)[^&#\s'\"]{1,4000}"
)
_SAID = re.compile(
    r"(?P<name>[A-Za-z_][\w.-]{0,80})(?P<close>[\"']?)(?P<sign>\s{0,3}(?:=>|:=|=|:)\s{0,3})"
    r"(?P<value>\"[^\"\n]{1,4000}\"|'[^'\n]{1,4000}'|[^\s\"',;&<>|)}\]]{1,4000})"
)
_FLAG = re.compile(
    r"(?<![\w-])(?P<flag>--?[A-Za-z][\w-]{0,60})(?P<space>\s+)(?P<value>'[^']*'|\"[^\"]*\"|[^\s'\"-][^\s]*)"
)
_CELLS = re.compile(
    r"(?P<open>\|\s*)(?P<name>[A-Za-z_][\w.-]{0,80})(?P<between>\s*\|\s*)(?P<value>[^|\n]{1,4000}?)(?P<close>\s*\|)"
)
_PATH = re.compile(r"(?<![\w.~…/<-])(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'\"<>|;,()\[\]{}*?=`]{1,255}){2,60}[\\/]?")
_HOME = re.compile(
    r"(?<![\w.])(?:/home/[^/\s:'\"]+|/Users/[^/\s:'\"]+|/root|[A-Za-z]:[\\/]Users[\\/][^\\/\s:'\"]+)(?=[\\/]|$)"
)
_LAST = 2  # parts of a path that are shown where it lies below neither the working folder nor a home


def is_secret(name: str) -> bool:
    """Whether what stands under this name is a secret: `api_key`, `wandb.token`, `dbPassword`, but not `key_dim`."""
    return any(_secret_part(part) for part in re.split(r"[./\[\]:]+", name) if part)


def _secret_part(part: str) -> bool:
    words = [word.lower() for word in _PARTS.findall(part)]
    if any(_ALWAYS.match(word) for word in (*words, "".join(words))):
        return True
    return any(word in _WORDS for word in words) and not _OF_MODELS.intersection(words)


def _named_alike(name: str) -> bool:
    return any(word.lower() in _WORDS for word in _PARTS.findall(name))


def _is_host(name: str) -> bool:
    words = [word.lower() for word in _PARTS.findall(name)]
    return bool(words) and words[-1] in _HOSTS


def value(name: str, given: Any) -> Any:
    """The value of a setting as it may be told: masked under a secret's name, else a text without secrets and paths."""
    if _is_masked(name, given):
        return MASK
    return text(given) if isinstance(given, str) else given


def _is_masked(name: str, given: Any) -> bool:
    if is_secret(name):
        return _tells(given)
    if isinstance(given, str) and _RANDOM.fullmatch(given.strip("'\" ")) and _named_alike(name):
        return True
    host = isinstance(given, str) and _is_host(name)
    return host and given.strip("'\" ").lower().partition(":")[0] not in ("", MASK, *_LOCAL, *_HARMLESS)


def _tells(given: Any) -> bool:
    """Whether a value can be a secret at all: no yes or no, no small number, not nothing."""
    if given is None or isinstance(given, bool):
        return False
    if isinstance(given, int | float):
        return abs(given) >= _SMALL and given == given // 1
    word = str(given).strip().strip("'\"")
    if word.lower() in _HARMLESS or word in ("", MASK) or re.fullmatch(r"[<\[][/|\w]{1,30}[>\]]", word):
        return False
    return not re.fullmatch(r"[-+]?\d{1,4}(?:\.\d*)?", word)


def text(given: str) -> str:
    """A text without secrets, its paths shortened: messages, tracebacks, command lines, texts of logs."""
    return paths(_masked(given))


def _masked(given: str) -> str:
    made = _SHAPES.sub(MASK, given)
    made = _USER.sub(f"{MASK}@", made)
    made = _SIGNED.sub(rf"\g<1>{MASK}", made)
    made = _BEARER.sub(rf"\g<1>{MASK}", made)
    made = _said(made)
    made = _FLAG.sub(_masked_flag, made)
    made = _CELLS.sub(_masked_cell, made)
    return made


def shapes(given: str) -> str:
    """A text without what is a secret by its shape alone, and with homes as `~`: any text of a report."""
    made = _USER.sub(f"{MASK}@", _SHAPES.sub(MASK, given)) if "://" in given else _SHAPES.sub(MASK, given)
    made = _SIGNED.sub(rf"\g<1>{MASK}", made) if "://" in made else made
    return _HOME.sub("~", made) if "/" in made or "\\" in made else made


def secrets(given: str) -> str:
    """A text without secrets, with its paths as they are: for the user's own terminal."""
    return _masked(given)


def _said(given: str) -> str:
    """With what is said of secrets masked: `name=value`, `name: value`, `"name": "value"`.

    Behind a name that is no secret's the search goes on: `env=API_KEY=...`.
    """
    made, place = [], 0
    while (found := _SAID.search(given, place)) is not None:
        secret = _is_said(found)
        end = found.end() if secret else found.end("sign")
        made.append(given[place : found.start("value")] if secret else given[place:end])
        made += [_like(found["value"])] if secret else []
        place = end
    return "".join([*made, given[place:]])


def _is_said(found: re.Match[str]) -> bool:
    name, given = found["name"], found["value"]
    loose = "=" not in found["sign"] or " " in found["sign"]
    if name.lower() in _WORDS and loose and not found["close"]:  # "unexpected key: fc.weight" is prose
        return False
    code = given[0] not in "'\"" and re.search(r"[(\[{]", given) is not None
    said = given.strip("'\"")
    if code or said.startswith("//") or (_is_host(name) and loose and not found["close"]):
        return False
    return _is_masked(name, said)


def _masked_flag(found: re.Match[str]) -> str:
    if not is_secret(found["flag"].lstrip("-")) or not _tells(found["value"]):
        return found[0]
    return f"{found['flag']}{found['space']}{_like(found['value'])}"


def _masked_cell(found: re.Match[str]) -> str:
    if not _is_masked(found["name"], found["value"]):
        return found[0]
    return f"{found['open']}{found['name']}{found['between']}{MASK}{found['close']}"


def _like(given: str) -> str:
    """The mask, in the quotes of what it stands for."""
    return f"{given[0]}{MASK}{given[0]}" if given[:1] in ("'", '"') else MASK


def command(words: Sequence[str]) -> list[str]:
    """The words of a command line, each as it may be told; what follows upon a secret's flag is masked."""
    made: list[str] = []
    secret = False
    for word in words:
        flag, sign, given = word.partition("=")
        if secret and not word.startswith("-") and _tells(word):
            made.append(MASK)
        elif word.startswith("-") and sign and is_secret(flag.lstrip("-")) and _tells(given):
            made.append(f"{flag}={MASK}")
        else:
            made.append(text(word))
        secret = word.startswith("-") and not sign and is_secret(word.lstrip("-"))
    return made


def paths(given: str) -> str:
    """A text whose paths begin at the working folder (`.`) or a home (`~`); of others the last parts are left."""
    if "/" not in given and "\\" not in given:
        return given
    for folder, name in ((_folder(os.getcwd), "."), (_folder(Path.home), "~")):
        if len(folder) > 1:
            given = re.sub(rf"(?<![\w.~-]){re.escape(folder)}(?=[\\/]|$|[\s'\":;,)])", name, given)
    return _PATH.sub(_shortened, _HOME.sub("~", given))


def _folder(ask: Any) -> str:
    """Where a folder is; nothing where there is none (deleted, no home for this user)."""
    try:
        return str(ask())
    except (OSError, RuntimeError, KeyError):
        return ""


def _shortened(found: re.Match[str]) -> str:
    parts = [part for part in re.split(r"[\\/]", found[0]) if part and not part.endswith(":")]
    if len(parts) < _LAST:
        return found[0]
    return "…/" + "/".join(parts[-_LAST:])
