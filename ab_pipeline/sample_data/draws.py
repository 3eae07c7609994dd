"""Random draws as SQL expressions: functions of seed, stream and keys, whatever the thread or the order."""

from __future__ import annotations


def uniform(seed: int, stream: str, *keys: str) -> str:
    """SQL for a double in [0, 1) that depends on the seed, the stream's name and the key columns.

    Streams are independent of each other, and so are rows whose keys differ.
    """
    # DuckDB combines several hashed values by xor, so two streams of one key would differ by a constant
    # and be perfectly dependent. The outer hash breaks that.
    return f"((hash(hash('{seed}/{stream}', {', '.join(keys)})) >> 11) * 1.1102230246251565e-16)"


def standard_normal(seed: int, stream: str, *keys: str) -> str:
    """SQL for a standard normal double (Box-Muller)."""
    radius = uniform(seed, f"{stream} radius", *keys)
    angle = uniform(seed, f"{stream} angle", *keys)
    return f"(sqrt(-2 * ln(1 - {radius})) * cos(2 * pi() * {angle}))"
