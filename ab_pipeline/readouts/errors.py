"""What can be wrong with a question to the read-out."""


class ReadoutError(Exception):
    """There is no such read-out. The message says which there are."""
