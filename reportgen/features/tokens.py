"""What an embedding layer knows of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportgen.experiment import Experiment


def token_name(experiment: Experiment, token: int) -> str:
    """What a token is called, `token 12` where nothing says."""
    name = getattr(experiment, "token_name", None)
    return str(name(token)) if callable(name) else f"token {token}"
