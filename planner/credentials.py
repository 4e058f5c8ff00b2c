"""Logins and tokens in URLs: needed for fetching, and never to be shown, saved or compared.

Channels are written with them (`https://user:password@host/channel`, `https://host/t/TOKEN/channel`), in configuration
as on command lines and in specs. Text in, text out.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"/t/[^/\s]*")
_LOGIN = re.compile(r"(://)[^/\s]*@")
_QUERY = re.compile(r"(://[^\s?#]*)[?#][^\s'\"]*")


def masked(text: str) -> str:
    """A text for people: logins, tokens and queries in its URLs are replaced by `***`."""
    return _QUERY.sub(r"\1?***", _TOKEN.sub("/t/***", _LOGIN.sub(r"\1***@", text)))


def without_credentials(url: str) -> str:
    """A URL without login and token, as conda's own records carry it."""
    return _TOKEN.sub("", _LOGIN.sub(r"\1", url))


def has_credentials(url: str) -> bool:
    """Whether a URL carries a login or a token."""
    return without_credentials(url) != url
