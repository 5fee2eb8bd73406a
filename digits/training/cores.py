"""How many cores there are for us. No torch."""

from __future__ import annotations


def cores() -> int:
    """The cores that this process may use, by its affinity and its container's share."""
    from joblib import cpu_count  # 0.1 s, where it is asked

    return int(cpu_count())
