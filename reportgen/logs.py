"""What may be given as logs: a file, a folder or an address, with or without its kind in front."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote

from reportgen.errors import InputError, one_line

_KIND = re.compile(r"([A-Za-z][\w.-]*)=(.+)", re.DOTALL)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")
# An address, its user's name and password, its path, and what signs it.
_SECRET = re.compile(r"(\w[\w+.-]*://)(?:[^/@\s'\"]*@)?([^\s'\"?]*)(?:\?[^\s'\"]*)?")
_WEB = ("http://", "https://")
DRIVERS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
           "abfss": "adlfs", "http": "aiohttp", "https": "aiohttp", "ssh": "paramiko", "sftp": "paramiko",
           "smb": "smbprotocol", "hf": "huggingface_hub"}  # fmt: skip


@dataclass(frozen=True)
class Log:
    """One of the logs as it was given: a path, or an address that fsspec knows.

    `kind` is the reader that the user named, as in `stdout=train.log`; "" where the content decides.
    """

    where: str
    kind: str = ""

    @classmethod
    def parse(cls, given: str | Path | Log) -> Log:
        """A log from what was given; a text that is a path as it stands has no kind in front."""
        if isinstance(given, Log):
            return given
        if isinstance(given, Path):
            return cls(str(given))
        found = _KIND.fullmatch(given)
        if found is None or exists(given):
            return cls(given)
        return cls(found[2], found[1])

    @property
    def is_address(self) -> bool:
        """Whether it is to be fetched: s3://, gs://, zip:// and what else fsspec knows."""
        return _ADDRESS.match(self.where) is not None

    @property
    def on_the_web(self) -> bool:
        """Whether it is a page's address, under which nothing can be listed."""
        return self.where.startswith(_WEB)

    @property
    def name(self) -> str:
        """Its last part, without what signs an address."""
        if not self.is_address:
            return Path(self.where).name or self.where
        last = public(self.where).partition("::")[0].rstrip("/").rpartition("/")[2]
        return unquote(last) or "logs"

    def below(self, folder: Path) -> str:
        """The same as a text, a relative path meant from `folder`."""
        where = self.where if self.is_address else str(folder / self.where)
        return f"{self.kind}={where}" if self.kind else where

    def check(self, kinds: Collection[str] | None = None) -> None:
        """Raise InputError where it can't be looked at: no such kind, no such path, no driver."""
        if self.kind:
            known = sorted(kinds or {point.name for point in entry_points(group="reportgen.readers")})
            if self.kind not in known:
                given, none = (
                    public(f"{self.kind}={self.where}"),
                    "" if self.is_address else "no such path, and ",
                )
                said = f"logs: {given!r}: {none}{self.kind!r} is no kind of log, expected one of "
                raise InputError(said + ", ".join(known), "or give the path alone: its content then decides")
        if self.is_address:
            _check_driver(self.where)
        elif not exists(self.where):
            said = f"logs: {self.where!r} does not exist"
            raise InputError(said, "give a folder or file of training logs")


def exists(path: str) -> bool:
    """Whether there is such a path; no for what can't be one at all."""
    try:
        return Path(path).exists()
    except PermissionError:
        return True  # it can't be told, and reading says why
    except (OSError, ValueError):
        return False


def public(text: str) -> str:
    """A text with addresses in it, without passwords and signatures: a report is shown around."""
    return _SECRET.sub(r"\1\2", text)


def _check_driver(address: str) -> None:
    from fsspec import get_filesystem_class

    for part in address.split("::"):
        protocol = part.partition("://")[0]
        try:
            get_filesystem_class(protocol)
        except (ImportError, ValueError) as error:
            known = DRIVERS.get(protocol)
            hint = f"pip install {known}" if known else "give a path, or an address that fsspec knows"
            said = f"logs: {public(address)!r} can't be opened: {one_line(error)}"
            raise InputError(said, hint) from None


def compiled(pattern: str) -> re.Pattern[str]:
    """The user's pattern for lines of text. Raises InputError where it is none, or names no value."""
    expected = r"named groups, as in (?P<step>\d+).*loss (?P<loss>\S+)"
    shown = f"log_pattern: '{' '.join(str(pattern).split())}'"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = re.compile(pattern)
    except (re.error, OverflowError, RecursionError, TypeError) as error:
        raise InputError(f"{shown} is no regular expression: {error}", f"expected {expected}") from None
    if not set(found.groupindex) - {"step", "epoch", "time"}:
        said = f"{shown} names no value, expected {expected}"
        raise InputError(said, "step, epoch and time say where a line belongs, any other group is a metric")
    return found
