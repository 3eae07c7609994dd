"""What a clean-up says when it cannot go on."""

from __future__ import annotations


class CleanupError(Exception):
    """A clean-up could not do what it should. The message says what, and what to do."""
