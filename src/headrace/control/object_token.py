"""With what component code reaches the objects of its flow: a signed token, and signed addresses of single objects.

    token       hro_<flow id>.<epoch>.<signature>      in the environment of a deployment's hosts
    address     …?flow=…&expires=…&signature=…         for one object and one method, until a moment

A token counts for as long as its deployment has anything to do: the API looks for its spec. It opens nothing but the
objects of that flow. The key is in the data folder; deleting its file makes all tokens and addresses worthless.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = ["Holder", "ObjectTokens"]

PREFIX = "hro_"

Method = Literal["GET", "PUT"]


class Holder(NamedTuple):
    """The deployment a token was made for. Without a flow: a host that is asked or tried while no flow runs it."""

    flow_id: str
    epoch: int


class ObjectTokens:
    """Makes and checks them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def kept_in(cls, path: Path) -> ObjectTokens:
        """With the key in that file, which is made when it is missing. Two at once end up with the same key."""
        try:
            return cls(path.read_bytes())
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            made.touch(0o600)
            made.write_bytes(secrets.token_bytes(32))
            try:
                path.hardlink_to(made)
            except FileExistsError:
                pass  # another was quicker
            finally:
                made.unlink()
            return cls(path.read_bytes())

    def issue(self, flow_id: str, epoch: int) -> str:
        """The token of a deployment: always the same."""
        return f"{PREFIX}{flow_id}.{epoch}.{self._signature('token', flow_id, str(epoch))}"

    def issue_for_design(self) -> str:
        """One that is held by no deployment, and opens nothing."""
        return self.issue("", 0)

    def check(self, token: str) -> Holder | None:
        """For whom the token was made; `None` when it is none of ours."""
        flow_id, _, rest = token.removeprefix(PREFIX).partition(".")
        epoch, _, signature = rest.partition(".")
        if not token.startswith(PREFIX) or not (epoch.isascii() and epoch.isdigit()):
            return None
        wanted = self._signature("token", flow_id, epoch)
        return Holder(flow_id, int(epoch)) if hmac.compare_digest(signature.encode(), wanted.encode()) else None

    def cipher(self, flow_id: str) -> tuple[str, str]:
        """Password and initialisation vector (16 characters) with which component code encrypts objects of a flow.

        Always the same: what one deployment has stored, a later one reads.
        """
        return self._signature("cipher-password", flow_id), self._signature("cipher-vector", flow_id)[:16]

    def sign(self, method: Method, flow_id: str, name: str, expires: int) -> dict[str, str]:
        """The query of an address that lets anybody ``method`` the object until ``expires`` (s since the epoch)."""
        signature = self._signature(method, flow_id, name, str(expires))
        return {"flow": flow_id, "expires": str(expires), "signature": signature}

    def signed(self, method: str, name: str, query: dict[str, str], *, now: float | None = None) -> str | None:
        """The flow id of a signed address; `None` when it is not signed, changed, or has expired."""
        flow_id, expires = query.get("flow", ""), query.get("expires", "")
        if not (expires.isascii() and expires.isdigit()) or int(expires) < (time.time() if now is None else now):
            return None
        wanted = self._signature("GET" if method == "HEAD" else method, flow_id, name, expires)
        return flow_id if hmac.compare_digest(query.get("signature", "").encode(), wanted.encode()) else None

    def _signature(self, *parts: str) -> str:
        digest = hmac.digest(self._key, "\0".join(parts).encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:18]).decode()
