"""What git runs in a component's repository when somebody pushes; its stderr is the pusher's terminal.

``pre-receive`` refuses a push of a broken component, with every mistake. ``post-receive`` tells the server what came
and shows the build. Both start for every push, so this module imports little. What they need comes in the environment,
from `headrace.api.git`; nothing is written to disk.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headrace.components import tree
from headrace.components.descriptor import FILE
from headrace.components.lint import lint
from headrace.errors import Problem

__all__ = ["Update", "environment", "main", "post_receive", "pre_receive"]

BRANCHES = ("refs/heads/main", "refs/heads/master")
ANSWER_TIMEOUT = 60.0
QUIET_TIMEOUT = 1800.0
"""Seconds a build may say nothing."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Update:
    """One ref that is pushed: all zeros for ``new`` deletes it."""

    old: str
    new: str
    ref: str

    @property
    def deletes(self) -> bool:
        return not self.new.strip("0")


@dataclass(frozen=True, slots=True)
class Place:
    """What the server says about this push."""

    component: str
    url: str
    token: str
    tree_limit: int
    new: bool

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Place:
        return cls(
            component=environ["HEADRACE_COMPONENT"],
            url=environ["HEADRACE_HOOK_URL"],
            token=environ["HEADRACE_HOOK_TOKEN"],
            tree_limit=int(environ["HEADRACE_TREE_LIMIT"]),
            new=environ.get("HEADRACE_COMPONENT_NEW") == "1",
        )


def environment(component: str, *, url: str, token: str, tree_limit: int, new: bool) -> dict[str, str]:
    """What git must have in its environment for the hooks to work."""
    packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    return {
        "HEADRACE_PYTHON": sys.executable,
        "PYTHONPATH": packages,
        "HEADRACE_COMPONENT": component,
        "HEADRACE_HOOK_URL": url,
        "HEADRACE_HOOK_TOKEN": token,
        "HEADRACE_TREE_LIMIT": str(tree_limit),
        "HEADRACE_COMPONENT_NEW": "1" if new else "",
    }


# Before anything is stored.


def pre_receive(updates: Sequence[Update], place: Place, say: Say) -> int:
    """0 to accept the push, 1 to refuse it as a whole."""
    refused = False
    for update in updates:
        if update.ref in BRANCHES:
            refused |= not (_may_delete(update, say) if update.deletes else _may_build(update, place, say))
    return 1 if refused else 0


def _may_delete(update: Update, say: Say) -> bool:
    if update.ref != BRANCHES[0] and _git_says_yes("show-ref", "--verify", "--quiet", BRANCHES[0]):
        return True
    branch = update.ref.removeprefix("refs/heads/")
    say(f"{branch} is the component, so it cannot be deleted; `headrace component remove` removes a component")
    return False


def _may_build(update: Update, place: Place, say: Say) -> bool:
    problems = _problems(update.new, place.tree_limit)
    errors = [problem for problem in problems if problem.severity == "error"]
    for problem in problems:
        if problem.severity == "warning":
            say(f"warning: {_named(problem)}")
    if errors:
        count = f"{len(errors)} mistakes" if len(errors) > 1 else "one mistake"
        say(f"{update.new[:7]} cannot become a version of component {place.component}: {count}")
        for problem in errors:
            say(f"  {_named(problem)}")
        say("nothing was stored; correct that, commit, and push again")
    return not errors


def _problems(commit: str, tree_limit: int) -> list[Problem]:
    files = tree.parse(_git(*tree.LIST_TREE, commit))
    targets = {link.path: os.fsdecode(_git("cat-file", "blob", link.id)) for link in files.links}
    found = files.find(FILE)
    document = _git("cat-file", "blob", found.id) if found is not None and not found.is_submodule else None
    return [*files.problems(targets, tree_limit), *lint(document, files.files)]


def _named(problem: Problem) -> str:
    """The problem with the name of its file, unless it already begins with it."""
    about_a_file = problem.reason in ("link-outside", "submodule", "too-large", "no-descriptor")
    return str(problem) if about_a_file else f"{FILE}: {problem}"


# After it was stored.


def post_receive(updates: Sequence[Update], place: Place, say: Say) -> int:
    """Tell the server and show the build. Always 0: git would ignore anything else."""
    pushed = {update.ref: update for update in updates if not update.deletes}
    update = next((pushed[ref] for ref in BRANCHES if ref in pushed), None)
    if update is None:
        names = ", ".join(sorted(pushed)) or "no refs"
        say(f"stored {names}; only main or master becomes a component version")
        return 0
    _point_head_at(update.ref)
    try:
        _receive(update, place, say)
    except (OSError, http.client.HTTPException, ValueError) as error:
        say(f"the commit is stored, but the server did not answer ({error or type(error).__name__})")
        say(f"it will be built all the same: see `headrace component versions {place.component}`")
    return 0


def _receive(update: Update, place: Place, say: Say) -> None:
    began = time.monotonic()
    body = {"commit": update.new, "ref": update.ref}
    status, answer = _ask(place, "POST", f"/components/{place.component}/received", body)
    if status >= 400:
        say(f"the commit is stored, but the server refused it: {answer.get('detail') or status}")
        if answer.get("next_step"):
            say(str(answer["next_step"]))
        return
    revision = int(answer["revision"])
    if place.new:
        say(f"created component {place.component}")
    if answer.get("state") == "ready":
        say(f"{update.new[:7]} was built before: revision {revision} is latest again")
        return
    say(f"{update.new[:7]} is revision {revision} of component {place.component}; building it")
    last = _follow(place, revision, say)
    _tell_result(place, revision, last, time.monotonic() - began, say)


def _follow(place: Place, revision: int, say: Say) -> str:
    """Show the build log; return its last line, empty when the connection broke before it."""
    last = ""
    with contextlib.suppress(OSError, http.client.HTTPException):
        path = f"/components/{place.component}/versions/{revision}/log?follow=true"
        for line in _lines(place, path):
            if line == "ready" or line.startswith("failed:"):
                last = line
            else:
                say(line)
    return last


def _tell_result(place: Place, revision: int, last: str, seconds: float, say: Say) -> None:
    log = f"headrace component log {place.component} {revision}"
    if not last:
        say(f"the connection to the server broke; the build goes on: see `{log} --follow`")
        return
    latest = _latest(place)
    if last == "ready":
        now = "it is latest now" if latest in (revision, None) else f"latest is revision {latest}, pushed after it"
        say(f"built revision {revision} ({seconds:.1f} s); {now}")
        return
    say(f"revision {revision} {last.replace(':', ' to build:', 1)}")
    kept = f"latest still is revision {latest}" if latest else "the component has no built version yet"
    say(f"{kept}; see `{log}`, correct it and push again")


def _latest(place: Place) -> int | None:
    try:
        _, answer = _ask(place, "GET", f"/components/{place.component}")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    latest = answer.get("latest")
    return latest if isinstance(latest, int) else None


# The two things hooks talk to.


def _ask(place: Place, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    with contextlib.closing(_connection(place, ANSWER_TIMEOUT)) as connection:
        data = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1{path}", data, _headers(place))
        response = connection.getresponse()
        answer = json.loads(response.read() or b"{}")
        return response.status, answer if isinstance(answer, dict) else {}


def _lines(place: Place, path: str) -> Iterator[str]:
    with contextlib.closing(_connection(place, QUIET_TIMEOUT)) as connection:
        connection.request("GET", f"/api/v1{path}", headers=_headers(place))
        response = connection.getresponse()
        if response.status == 200:
            while line := response.readline():
                yield line.decode(errors="replace").rstrip("\r\n")


def _connection(place: Place, timeout: float) -> http.client.HTTPConnection:
    parts = urlsplit(place.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "127.0.0.1", parts.port, timeout=timeout)


def _headers(place: Place) -> dict[str, str]:
    return {"Authorization": f"Bearer {place.token}", "Content-Type": "application/json"}


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], stdout=subprocess.PIPE, check=True).stdout


def _git_says_yes(*arguments: str) -> bool:
    return subprocess.run(["git", *arguments], capture_output=True, check=False).returncode == 0


def _point_head_at(ref: str) -> None:
    """Let clones check out the pushed branch when the one HEAD names does not exist."""
    if not _git_says_yes("rev-parse", "--verify", "--quiet", "HEAD"):
        _git_says_yes("symbolic-ref", "HEAD", ref)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the pusher's terminal


def main(arguments: Sequence[str]) -> int:
    """Run the hook that git named."""
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    updates = [Update(*line.split(maxsplit=2)) for line in sys.stdin.read().splitlines() if line]
    hook = {"pre-receive": pre_receive, "post-receive": post_receive}[arguments[0]]
    return hook(updates, Place.of(os.environ), _say)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
