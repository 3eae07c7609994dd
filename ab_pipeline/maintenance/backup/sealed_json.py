"""JSON that carries its own SHA-256: a single changed bit anywhere in it is found."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ab_pipeline.errors import UserError


class DamagedError(UserError):
    """Something in a backup is not what was written. The message says what."""


def seal(payload: dict[str, Any]) -> bytes:
    """The payload as a file that `unseal` accepts."""
    body = json.dumps(payload, indent=1, sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return (json.dumps({"sha256": digest, "payload": payload}, indent=1, sort_keys=True) + "\n").encode()


def unseal(content: bytes) -> dict[str, Any]:
    """The payload.

    Raises:
        DamagedError: the content is not byte for byte what `seal` made.
    """
    try:
        payload = json.loads(content)["payload"]
        # the digest is compared with the rest: nothing stands in the file that is not made from the payload
        whole = seal(payload) == content
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"it is no sealed file: {error}") from error
    if not whole:
        raise DamagedError("its checksum does not fit")
    return payload
