"""What a clean-up says when it cannot go on."""

from __future__ import annotations

from ab_pipeline.errors import UserError


class CleanupError(UserError):
    """A clean-up could not do what it should. The message says what, and what to do."""
