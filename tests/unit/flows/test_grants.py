"""Which paths a step may see, and why."""

from __future__ import annotations

from tests.unit.flows.components import CATALOG

from headrace.flows.deployment import Grants
from headrace.flows.document import parse
from headrace.flows.grants import Granted, compiled, grants

DOCUMENT = parse("""
flow: f
steps:
  - {id: t, trigger: files/watch, fields: {folder: /srv//in/}}
  - {id: a, after: t, action: files/append, fields: {path: /srv/out.jsonl, header: /not/granted},
     paths: {read: /etc/ssl, write: [/var/log/../lib, relative]}}
  - {id: b, after: t, action: ghost/x, paths: {read: [/a, /b]}}
""")


def test_fields_and_paths_grant() -> None:
    assert grants(DOCUMENT, CATALOG) == {
        "t": (Granted("/srv/in", "read", "fields.folder"),),
        "a": (
            Granted("/srv/out.jsonl", "write", "fields.path"),
            Granted("/etc/ssl", "read", "paths.read"),
            Granted("/var/lib", "write", "paths.write[0]"),
        ),
        "b": (Granted("/a", "read", "paths.read[0]"), Granted("/b", "read", "paths.read[1]")),
    }


def test_the_wider_access_wins() -> None:
    granted = (
        Granted("/a", "read", "x"),
        Granted("/a", "write", "y"),
        Granted("/b", "read", "x"),
        Granted("/b", "read", "z"),
    )
    assert compiled(granted) == Grants(read=("/b",), write=("/a",))
