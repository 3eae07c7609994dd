"""The base of every error that a person can cause and mend."""

from __future__ import annotations


class UserError(Exception):
    """Something a person can put right: the message says what is wrong, where, and what to do."""
