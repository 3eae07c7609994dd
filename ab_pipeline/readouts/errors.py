"""What can be wrong with a question to the read-out."""

from ab_pipeline.errors import UserError


class ReadoutError(UserError):
    """There is no such read-out. The message says which there are."""
