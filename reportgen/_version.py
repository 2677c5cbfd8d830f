"""The version, where what the package itself imports when asked can have it."""

__version__ = "0.1.0"
