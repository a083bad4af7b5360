"""Everything that is wrong with a component, found at once and said in words.

An *error* makes a push be refused. A *warning* is told and kept with the component version: real repositories hold
keys that other platforms or people put there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from headrace.components.descriptor import (
    DEFAULT_TYPE,
    FILE,
    GRANTS,
    SEMVER,
    TRIGGER_TYPES,
    Language,
    kind_of,
    main_file,
    parse,
)
from headrace.components.variables import is_settable
from headrace.errors import Problem

__all__ = ["LARGEST", "language", "lint"]

LARGEST = 1024 * 1024
"""Bytes a ``component.json`` may have."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)

ANYTHING, TEXT, TRUTH, NUMBER, OBJECT, LIST = "anything", "text", "true or false", "a number", "an object", "a list"

ROOT = {
    "$schema": TEXT, "name": TEXT, "title": TEXT, "description": TEXT, "version": TEXT, "docsUrl": TEXT,
    "help": ANYTHING, "buildType": TEXT, "credentials": OBJECT, "authClientTypes": LIST, "triggers": OBJECT,
    "actions": OBJECT, "deprecated": TRUTH, "consumesRawData": TRUTH, "envVars": OBJECT, "service": TEXT,
    "language": TEXT, "sailor_version": ANYTHING, "icon": ANYTHING, "is_latest": ANYTHING, "short_revision": ANYTHING,
}  # fmt: skip
OFFER = {
    "title": TEXT, "description": TEXT, "main": TEXT, "fields": OBJECT, "metadata": ANYTHING,
    "dynamicMetadata": ANYTHING, "deprecated": TRUTH, "help": ANYTHING, "order": NUMBER,
    "autoResolveObjectReferences": TRUTH, "sideEffects": TRUTH,
}  # fmt: skip
TRIGGER = {**OFFER, "type": TEXT}
FIELD = {
    "label": TEXT, "viewClass": TEXT, "required": TRUTH, "model": ANYTHING, "prompt": TEXT, "placeholder": TEXT,
    "note": TEXT, "prefix": TEXT, "suffix": TEXT, "require": ANYTHING, "order": NUMBER, "type": TEXT,
    "help": ANYTHING, "default": ANYTHING, "grants": TEXT,
}  # fmt: skip
CREDENTIALS = {
    "fields": OBJECT, "verifier": TEXT, "oauth1": OBJECT, "oauth2": OBJECT, "help": ANYTHING, "type": TEXT,
}  # fmt: skip
OAUTH2 = {
    "client_id": TEXT, "client_secret": TEXT, "auth_uri": TEXT, "token_uri": TEXT, "scopes": ANYTHING,
    "scope": ANYTHING, "client_auth": TEXT, "grant_type": TEXT,
}  # fmt: skip
"""Any other key goes to the provider as it is."""
HELP = {"description": TEXT, "link": TEXT}
VARIABLE = {"required": TRUTH, "description": TEXT}
MATTERS = {
    "triggers", "actions", "credentials", "fields", "main", "type", "model", "metadata", "grants", "oauth2", "envVars",
    "token_uri", "auth_uri", "client_id",
}  # fmt: skip
"""Keys whose value of a wrong kind refuses a push. Of others it is left out, as real repositories have such, too."""
WITHOUT_EFFECT = {
    "verifier": "only `verifyCredentials` of the component verifies credentials",
    "oauth1": "OAuth 1 is not supported; write the tokens into fields",
    "consumesRawData": "bodies of webhooks come as described in the how-to about webhooks",
    "autoResolveObjectReferences": "large bodies are always there when a step is called",
}
"""What components rely on elsewhere and will not find here."""
VIEWS = (
    "TextFieldView", "TextFieldWithNoteView", "TextAreaView", "CheckBoxView", "SelectView", "MultiSelectView",
    "PasswordFieldView", "OAuthFieldView", "HTTPAuthView", "WebhookAuthView", "JSONataView", "MapperView",
    "RESTAPIView", "CodeEditorView",
)  # fmt: skip
AUTH_TYPES = ("oauth2", "basic", "api_key", "noauth", "oauth2_instagram")


def language(files: Collection[str]) -> Language:
    """What a repository with these files is written in."""
    return "node" if "package.json" in files else "python"


def lint(document: bytes | str | None, files: Collection[str] = ()) -> tuple[Problem, ...]:
    """All problems of a component: its ``component.json`` (`None`: there is none), and its files' paths.

    Never raises.
    """
    if document is None:
        near = _near(FILE, files)
        return (Problem("", "no-descriptor", f"there is no {FILE} at the root of the repository", near),)
    if len(document) > LARGEST:
        return (Problem("", "too-large", f"{FILE} has more than {LARGEST} bytes"),)
    written, problems = parse(document)
    if written is None:
        return problems
    return (*problems, *_component(written, frozenset(files)))


def _component(written: Mapping[str, Any], files: frozenset[str]) -> Iterator[Problem]:
    yield from _keys("", written, ROOT)
    yield from _version(written.get("version"))
    yield from _credentials(written.get("credentials"))
    yield from _auth_types(written.get("authClientTypes"))
    yield from _help("help", written.get("help"))
    yield from _without_effect("", written, {"consumesRawData": True})
    yield from _environment(written.get("envVars"))
    offers = [
        (f"{kind}s.{name}" if name else f"{kind}s", kind, name, each)
        for kind in ("trigger", "action")
        for name, each in _mapping(written.get(f"{kind}s")).items()
    ]
    if not offers and all(isinstance(written.get(kind), dict | None) for kind in ("triggers", "actions")):
        yield Problem(
            "", "no-offers", "has no triggers and no actions", 'add at least one under "triggers" or "actions"'
        )
    for path, kind, name, each in offers:
        yield from _offer(path, kind, name, each, files)


def _version(version: object) -> Iterator[Problem]:
    if isinstance(version, str) and not SEMVER.fullmatch(version):
        yield _warning(
            "version", "bad-version", f"{version!r} is not a semantic version and is left out", "write 1.2.3"
        )


def _credentials(written: object) -> Iterator[Problem]:
    if isinstance(written, dict):
        yield from _keys("credentials", written, CREDENTIALS)
        yield from _fields("credentials.fields", written.get("fields"))
        yield from _help("credentials.help", written.get("help"))
        yield from _oauth2(written)
        yield from _without_effect("credentials", written, {"verifier": None, "oauth1": None})


def _oauth2(credentials: Mapping[str, Any]) -> Iterator[Problem]:
    """The block that gets tokens, and the field that keeps them."""
    block, path = credentials.get("oauth2"), "credentials.oauth2"
    views = [_mapping(each).get("viewClass") for each in _mapping(credentials.get("fields")).values()]
    if isinstance(block, dict):
        known = {key: each for key, each in block.items() if key in OAUTH2}
        yield from _keys(path, known, OAUTH2)
        for key in ("client_id", "token_uri"):
            if not block.get(key):
                yield _warning(f"{path}.{key}", "missing", "is missing, so no token can be got", _near(key, block))
        if "OAuthFieldView" not in views:
            where = "the token is kept in the field `oauth`"
            yield _warning(path, "no-token-field", f"no field has the viewClass OAuthFieldView: {where}")
    elif "OAuthFieldView" in views and not credentials.get("oauth1"):
        yield _warning("credentials.oauth2", "missing", "is missing, so nobody can get the token of its OAuthFieldView")


def _help(path: str, written: object) -> Iterator[Problem]:
    if isinstance(written, dict):
        yield from _keys(path, written, HELP)
    elif written is not None and not isinstance(written, str):
        yield _wrong(path, "text or an object with description and link", written, severity="warning")


def _without_effect(path: str, written: Mapping[str, Any], keys: Mapping[str, object]) -> Iterator[Problem]:
    """A warning for each of the keys that asks for something (with a value: for that) that does not happen here."""
    for key, asks in keys.items():
        value = written.get(key)
        if value is not None and value != {} and (asks is None or value is asks):
            where = f"{path}.{key}" if path else key
            yield _warning(where, "no-effect", f"has no effect here: {WITHOUT_EFFECT[key]}")


def _auth_types(written: object) -> Iterator[Problem]:
    for index, each in enumerate(written if isinstance(written, list) else ()):
        if each not in AUTH_TYPES:
            known = ", ".join(AUTH_TYPES)
            yield _warning(f"authClientTypes[{index}]", "unknown-value", f"{_shown(each)} is not one of {known}")


def _environment(written: object) -> Iterator[Problem]:
    for name, each in _mapping(written).items():
        if not is_settable(name):
            told = "is the platform's own, or no name of a variable: nobody can set it"
            yield _warning(f"envVars.{name}", "no-effect", told)
        if isinstance(each, dict):
            yield from _keys(f"envVars.{name}", each, VARIABLE)
        elif each is not None:
            yield _wrong(f"envVars.{name}", OBJECT, each, severity="warning")


def _offer(path: str, kind: str, name: str, written: object, files: frozenset[str]) -> Iterator[Problem]:
    if not NAME.fullmatch(name):
        better = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:100]
        rule = "letters, digits, _, - and . only, beginning with a letter, a digit or _"
        yield Problem(path, "bad-name", f"{name!r} cannot be a name: {rule}", f"for example {better}" if better else "")
    if not isinstance(written, dict):
        yield _wrong(path, OBJECT, written)
        return
    yield from _keys(path, written, TRIGGER if kind == "trigger" else OFFER)
    yield from _main(f"{path}.main", written.get("main"), files)
    if kind == "trigger":
        yield from _trigger_type(f"{path}.type", written)
    yield from _fields(f"{path}.fields", written.get("fields"))
    yield from _metadata(path, written, files)
    yield from _help(f"{path}.help", written.get("help"))
    yield from _without_effect(path, written, {"autoResolveObjectReferences": False})


def _main(path: str, main: object, files: frozenset[str]) -> Iterator[Problem]:
    if main is None or main == "":
        yield Problem(path, "no-main", "is missing", "name the file with the code, like actions/create_order.py")
    elif isinstance(main, str):
        if main.startswith("/") or "\\" in main or ".." in main.split("/"):
            yield Problem(path, "bad-main", f"{main!r} must be a path inside the repository, with /")
            return
        yield from _main_exists(path, main, files)


def _main_exists(path: str, main: str, files: frozenset[str]) -> Iterator[Problem]:
    if language(files) == "node":
        found = main_file(main, "node")
        if not any(found + end in files for end in ("", ".js", ".cjs", ".mjs", "/index.js")):
            # Components in TypeScript are compiled by their build.
            yield _warning(
                path, "main-not-found", f"there is no file {found} in this commit", "fine if the build makes it"
            )
        return
    found = main_file(main, "python")
    if found not in files:
        modules = [file for file in files if file.endswith(".py")]
        yield Problem(path, "main-not-found", f"there is no file {found} in this commit", _near(found, modules))


def _trigger_type(path: str, written: Mapping[str, Any]) -> Iterator[Problem]:
    kinds = ", ".join(TRIGGER_TYPES)
    if "type" not in written:
        yield _warning(path, "no-type", f"is missing, so {DEFAULT_TYPE} is taken", f"write one of {kinds}")
    elif isinstance(written["type"], str) and written["type"] not in TRIGGER_TYPES:
        near = _near(written["type"], TRIGGER_TYPES)
        yield Problem(path, "unknown-type", f"{written['type']!r} is not one of {kinds}", near)


def _metadata(path: str, written: Mapping[str, Any], files: frozenset[str]) -> Iterator[Problem]:
    metadata = written.get("metadata")
    if metadata is not None and written.get("dynamicMetadata"):
        yield _warning(
            f"{path}.metadata", "two-metadata", "is ignored, as there is dynamicMetadata", "keep one of them"
        )
    if isinstance(metadata, str):
        yield from _schema(f"{path}.metadata", metadata, files)
        return
    if metadata is not None and not isinstance(metadata, dict):
        yield _wrong(f"{path}.metadata", OBJECT, metadata)
    for side, schema in _mapping(metadata).items():
        if side not in ("in", "out"):
            yield _warning(f"{path}.metadata.{side}", "unknown-key", "is not known here", _near(side, ("in", "out")))
        else:
            yield from _schema(f"{path}.metadata.{side}", schema, files)


def _schema(path: str, schema: object, files: frozenset[str]) -> Iterator[Problem]:
    if isinstance(schema, str):
        name = main_file(schema, "node")
        if name in files:
            return
        if language(files) == "node":  # as with `main`
            told = f"there is no file {schema} in this commit"
            yield _warning(path, "schema-not-found", told, "fine if the build makes it")
        else:
            yield Problem(path, "schema-not-found", f"there is no file {schema} in this commit", _near(name, files))
    elif schema is not None and not isinstance(schema, dict):
        yield Problem(path, "wrong-type", f"must be a JSON Schema or the path of one, not {kind_of(schema)}")


def _fields(path: str, fields: object) -> Iterator[Problem]:
    for name, written in _mapping(fields).items():
        where = f"{path}.{name}"
        if not name.strip():
            yield Problem(path, "bad-name", "a field needs a name")
        if not isinstance(written, dict):
            yield _wrong(where, OBJECT, written)
            continue
        yield from _keys(where, written, FIELD)
        yield from _view(where, written)
        yield from _grants(f"{where}.grants", written.get("grants"))
        yield from _help(f"{where}.help", written.get("help"))
        yield from _require(f"{where}.require", written.get("require"), _mapping(fields))


def _view(path: str, written: Mapping[str, Any]) -> Iterator[Problem]:
    view, model = written.get("viewClass"), written.get("model")
    if view is None:
        yield _warning(f"{path}.viewClass", "no-view", "is missing, so TextFieldView is taken")
    elif isinstance(view, str) and view not in VIEWS:
        yield _warning(f"{path}.viewClass", "unknown-view", f"{view!r} is shown as a text field", _near(view, VIEWS))
    if written.get("label") is None:
        yield _warning(f"{path}.label", "no-label", "is missing, so the field's name is shown")
    if model is not None and not isinstance(model, dict | str):
        yield Problem(f"{path}.model", "wrong-type", f"must be an object or a function's name, not {kind_of(model)}")
    elif model is None and view in ("SelectView", "MultiSelectView"):
        told = f"is missing: a {view} needs its choices, so a text field is shown"
        yield _warning(f"{path}.model", "no-model", told, 'like {"eu": "Europe"}')


def _grants(path: str, grants: object) -> Iterator[Problem]:
    if isinstance(grants, str) and grants not in GRANTS:
        yield Problem(path, "unknown-grant", f"{grants!r} is not one of {', '.join(GRANTS)}", _near(grants, GRANTS))


def _require(path: str, require: object, fields: Mapping[str, Any]) -> Iterator[Problem]:
    if require is None or require == "":
        return
    names = [require] if isinstance(require, str) else require
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        yield _wrong(path, "a list of field names", require, severity="warning")
        return
    for name in names:
        if name not in fields:
            yield _warning(path, "unknown-field", f"there is no field {name!r}", _near(name, fields))


# What all objects have in common.


def _keys(path: str, written: Mapping[str, Any], known: Mapping[str, str]) -> Iterator[Problem]:
    """Keys nobody knows, and values of another kind than their key's. A null counts as left out."""
    for key, value in written.items():
        where = f"{path}.{key}" if path else key
        if key not in known:
            yield _warning(where, "unknown-key", "is not known here and is ignored", _near(key, known))
        elif value is not None and known[key] not in (ANYTHING, kind_of(value)):
            yield _wrong(where, known[key], value, severity="error" if key in MATTERS else "warning")


def _wrong(path: str, wanted: str, value: object, *, severity: Literal["error", "warning"] = "error") -> Problem:
    ignored = ", and is ignored" if severity == "warning" else ""
    message = f"must be {wanted}, not {kind_of(value)}{ignored}"
    return Problem(path, "wrong-type", message, _converted(wanted, value), severity=severity)


def _converted(wanted: str, value: object) -> str:
    if wanted == TRUTH and value in ("true", "false"):
        return f"write {value} without quotes"
    if wanted == NUMBER and isinstance(value, str) and value.strip().isdecimal():
        return f"write {value.strip()} without quotes"
    if wanted == TEXT and isinstance(value, int | float) and not isinstance(value, bool):
        return f'write "{value}"' if len(str(value)) < 30 else ""
    return ""


def _warning(path: str, reason: str, message: str, suggestion: str = "") -> Problem:
    return Problem(path, reason, message, suggestion, severity="warning")


def _near(word: str, known: Collection[str]) -> str:
    lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower()[:200], list(lower)[:5000], n=1)
    return f"did you mean {lower[near[0]]}?" if near else ""


def _shown(value: object) -> str:
    return repr(value)[:60]


def _mapping(written: object) -> Mapping[str, Any]:
    return written if isinstance(written, dict) else {}
