"""A stand-in whose import starts a thread, as some libraries do: no template can be made of it."""

from __future__ import annotations

import threading

from headrace.testing.stub_worker import run

__all__ = ["run"]

threading.Thread(target=threading.Event().wait, daemon=True).start()
