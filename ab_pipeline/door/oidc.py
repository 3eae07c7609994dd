"""Logging in by OpenID Connect: the provider says who it is and in which groups, the settings say what those may do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from anyio import to_thread
from authlib.integrations.starlette_client import OAuth, OAuthError, StarletteOAuth2App
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ab_pipeline.door.audit import NOBODY, Audit, Deed
from ab_pipeline.door.identity import address_of, begin, stamp_of
from ab_pipeline.door.login import inside, login_page
from ab_pipeline.door.roles import Role, strongest
from ab_pipeline.settings import Settings, roles_by_group

_CALLBACK = "/oidc/callback"
# Authlib takes the provider's word for how tokens are signed, also for `none`, which is not at all
_SIGNED_BY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
_PATIENCE_SECONDS = 10
_LEEWAY_SECONDS = 120
_logger = logging.getLogger("ab_pipeline.door")


class OidcError(Exception):
    """Nobody is let in by this. The message says why."""


@dataclass(frozen=True)
class Person:
    """Whom the provider vouches for."""

    name: str
    subject: str
    groups: tuple[str, ...]
    role: Role


def person_of(claims: Mapping[str, Any], groups_claim: str, roles: Mapping[str, str]) -> Person:
    """What the claims of an ID token say.

    Raises:
        OidcError: they name nobody, or nobody who may come in.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip():
        raise OidcError("the provider does not say who it is")
    email = claims.get("email")
    # somebody else's address may stand there as long as it is not verified
    is_verified = claims.get("email_verified") is True and isinstance(email, str) and bool(email)
    groups = claims.get(groups_claim)
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    named = tuple(group for group in listed if isinstance(group, str))
    role = strongest(Role(roles[group]) for group in named if group in roles)
    if role is None:
        raise OidcError(f"none of your groups may come in: ask for one of {', '.join(sorted(roles))}")
    return Person(email if is_verified and isinstance(email, str) else subject, subject, named, role)


@dataclass(frozen=True)
class Oidc:
    """Its routes."""

    provider: StarletteOAuth2App
    issuer: str
    public_url: str
    groups_claim: str
    roles: Mapping[str, str]
    stamp: str
    audit: Audit

    @classmethod
    def of(cls, settings: Settings, audit: Audit) -> Oidc | None:
        """As the settings have it; None where they have none."""
        if not settings.oidc_issuer or not settings.oidc_client_secret:
            return None
        issuer, public_url = settings.oidc_issuer, settings.dagster_url.rstrip("/")
        provider = OAuth().register(
            "oidc",
            client_cls=_provider_of(issuer),
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            server_metadata_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": _PATIENCE_SECONDS,
            },
        )
        assert isinstance(provider, StarletteOAuth2App)
        roles = roles_by_group(settings.oidc_roles)
        stamp = stamp_of(issuer, settings.oidc_client_id, settings.oidc_groups_claim, settings.oidc_roles)
        return cls(provider, issuer, public_url, settings.oidc_groups_claim, roles, stamp, audit)

    def routes(self) -> list[BaseRoute]:
        """To the provider, and back."""
        return [
            Route("/oidc/login", self.log_in, methods=["GET"]),
            Route(_CALLBACK, self.come_back, methods=["GET"]),
        ]

    async def log_in(self, request: Request) -> Response:
        """On to the provider."""
        request.session["next"] = inside(request.query_params.get("next"))
        try:
            return await self.provider.authorize_redirect(request, f"{self.public_url}{_CALLBACK}")
        except Exception as error:
            return await self._refused(request, error)

    async def come_back(self, request: Request) -> Response:
        """From the provider, with a code for an ID token."""
        next_page = inside(request.session.get("next"))
        try:
            token = await self.provider.authorize_access_token(request, leeway=_LEEWAY_SECONDS)
            claims = token.get("userinfo")
            if not claims:
                raise OidcError("its answer holds no ID token")
            person = person_of(claims, self.groups_claim, self.roles)
        except Exception as error:
            return await self._refused(request, error)
        about = f"sub {person.subject}, groups {', '.join(person.groups)}"
        deed = Deed(person.name, str(person.role), "oidc", address_of(request), "log in", about, "done")
        await to_thread.run_sync(self.audit.write, deed)
        begin(request.session, person.name, person.role, "oidc", self.stamp)
        return RedirectResponse(next_page, 303, {"Cache-Control": "no-store"})

    async def _refused(self, request: Request, error: Exception) -> Response:
        """Whatever a provider answers, it is a sentence; whoever was logged in before is not any more."""
        problem, status = self._explained(error)
        # its details may hold what the provider was sent
        _logger.warning("a login by %s was refused: %s: %s", self.issuer, type(error).__name__, problem)
        deed = Deed(NOBODY, "", "oidc", address_of(request), "log in", result=f"refused: {problem}")
        await to_thread.run_sync(self.audit.write, deed)
        request.session.clear()
        return login_page(problem=problem, status=status, has_oidc=True)

    def _explained(self, error: Exception) -> tuple[str, int]:
        if isinstance(error, OidcError):
            return f"You are not let in: {error}.", 403
        if isinstance(error, httpx2.HTTPError):
            return f"The provider {self.issuer} does not answer as it should: try again, or tell who runs it.", 502
        if isinstance(error, OAuthError) and error.error == "mismatching_state":
            return "This login was not begun in this browser, or too long ago: begin again.", 401
        if isinstance(error, OAuthError) and error.error == "access_denied":
            return "The provider says that access was denied.", 401
        if type(error).__name__ in ("ExpiredTokenError", "InvalidTokenError"):
            return (
                "The provider's answer is not of this moment: begin again; if it says so each time, this machine's"
                " clock or the provider's is wrong."
            ), 401
        return f"The answer of the provider {self.issuer} is not valid, so nobody is let in by it.", 401


def _provider_of(issuer: str) -> type[StarletteOAuth2App]:
    class Provider(StarletteOAuth2App):
        """What the provider says of itself counts only as far as it cannot make things worse."""

        async def load_server_metadata(self) -> Any:
            metadata = await super().load_server_metadata()
            try:
                _check_metadata(metadata, issuer)
            except OidcError:
                # Authlib would not ask again
                metadata.clear()
                raise
            metadata["id_token_signing_alg_values_supported"] = _SIGNED_BY
            return metadata

    return Provider


def _check_metadata(metadata: Mapping[str, Any], issuer: str) -> None:
    if str(metadata.get("issuer")).rstrip("/") != issuer.rstrip("/"):
        raise OidcError("the provider calls itself by another name than AB_PIPELINE_OIDC_ISSUER")
    scheme = issuer.partition("://")[0]
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not str(metadata.get(name)).startswith(("https://", f"{scheme}://")):
            raise OidcError(f"the provider names no {name} that could be asked")
