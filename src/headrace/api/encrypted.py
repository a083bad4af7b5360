"""Objects that component code has encrypted: AES-256 in CBC mode, with the password and the vector of its environment.

So `elasticio-sailor-nodejs`' ``Encryptor`` does it, and components that answer a caller with a file use that.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from headrace.bus.objects import Objects
from headrace.errors import Invalid

__all__ = ["Encrypted"]

BLOCK = 16


class Encrypted:
    """The objects of one flow, as its component code encrypts them with ``password`` and ``vector``."""

    def __init__(self, objects: Objects, password: str, vector: str) -> None:
        self._objects = objects
        self._key = hashlib.sha256(password.encode()).digest()
        self._vector = vector.encode()

    async def open(self, name: str) -> AsyncGenerator[bytes]:
        """The object's content, in the clear, in chunks.

        Raises `NotFound` (``no-such-object``), and `Invalid` (``bad-reply``) for what cannot be decrypted. That shows
        only at the end, unless the size tells it.
        """
        info = await self._objects.find(name)
        if info.size == 0 or info.size % BLOCK or len(self._vector) != BLOCK:
            raise Invalid("bad-reply", f"the object {name} is not encrypted as ELASTICIO_MESSAGE_CRYPTO_PASSWORD says")
        return self._decrypted(self._objects.read(info))

    async def _decrypted(self, chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        decryptor = Cipher(algorithms.AES(self._key), modes.CBC(self._vector)).decryptor()
        unpadder = PKCS7(BLOCK * 8).unpadder()
        async with aclosing(chunks) as read:
            async for chunk in read:
                yield unpadder.update(decryptor.update(chunk))
        yield unpadder.update(decryptor.finalize()) + unpadder.finalize()
