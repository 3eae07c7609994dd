"""An OpenID provider over HTTP whose answers a test makes as wrong as it likes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from ab_pipeline_tests.http_server import http_server

CLIENT = "ab"
_KEYS = {name: RSAKey.generate_key(2048, {"kid": name}) for name in ("right", "wrong")}


@dataclass
class Provider:
    """What it answers next. As it is made, all is right."""

    url: str
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    key: str = "right"
    signing: str = "RS256"
    token: dict[str, Any] | None = None
    """The whole answer of the token endpoint, if not the one that is made."""
    status: int = 200
    body: bytes | None = None
    """For every path but the metadata's."""
    metadata_body: bytes | None = None
    metadata_status: int = 200

    def reset(self) -> None:
        """All is right again."""
        self.__init__(self.url)

    def id_token(self) -> str:
        """As the test has it."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "1234",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "email": "ann@example.com",
            "email_verified": True,
            "groups": ["data-eng"],
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if name not in self.without}
        header = {"alg": self.signing, "kid": self.key, **self.header}
        if self.signing == "none":
            key: Any = OctKey.import_key("x")
        elif self.signing == "HS256":
            # the mistake of one who takes the public key for a password
            key = OctKey.import_key(_KEYS["right"].as_pem(private=False))
        else:
            key = _KEYS[self.key]
        return jwt.encode(header, claims, key, algorithms=[self.signing])

    def answer(self, path: str) -> tuple[int, bytes]:
        if path.startswith("/.well-known/"):
            told = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                **self.metadata,
            }
            return self.metadata_status, self.metadata_body or json.dumps(told).encode()
        if self.body is not None or self.status != 200:
            return self.status, self.body or b"{}"
        if path.startswith("/jwks"):
            return 200, json.dumps({"keys": [_KEYS["right"].as_dict(private=False)]}).encode()
        made = {"access_token": "opaque", "token_type": "Bearer"}
        return 200, json.dumps(self.token or {**made, "id_token": self.id_token()}).encode()


@contextmanager
def wrong_provider() -> Iterator[Provider]:
    """It, on loopback."""

    with http_server(lambda asked: provider.answer(asked.path)) as url:
        provider = Provider(url)
        yield provider
