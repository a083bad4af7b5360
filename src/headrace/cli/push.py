"""Pushing a folder as a component: real git to the platform's own remote, whatever the folder is.

A clean git repository pushes its HEAD. Anything else (no git, uncommitted changes, a folder inside another
repository, a HEAD whose build failed and is to be tried again) is committed as a snapshot in a temporary repository
on top of what the remote has, so the user's own repository is never touched and the component's history stays one
line.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.cli.client import Client, at
from headrace.cli.git import Git, access, lines
from headrace.errors import Invalid, NotFound, Refused, Unavailable

__all__ = ["Tell", "component_name", "push", "wait_built"]

Tell = Callable[[str], None]

NAME = re.compile(r"[a-z][a-z0-9-]*")
BUILD_WITHIN = 900.0
RECEIVED_WITHIN = 30.0
PAUSE = 0.1
TRIES = 5
NEVER_PUSHED = (
    *("__pycache__/", "*.pyc", ".venv/", "venv/", "node_modules/"),
    *(".DS_Store", ".mypy_cache/", ".ruff_cache/", ".pytest_cache/"),
)
"""Left out of snapshots besides what the folder's own ``.gitignore`` says."""
DEFAULT_AUTHOR = ("Headrace", "headrace@localhost")


class _Overtaken(Refused):
    """Another push has moved the remote's branch between our look and our push."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What the platform has of the component before the push."""

    url: str
    tip: str | None
    """The commit of its ``main``."""
    version: dict[str, Any] | None
    """The component version of that commit."""

    @property
    def failed(self) -> bool:
        return self.version is not None and self.version["state"] == "failed"


def component_name(folder: Path, name: str | None) -> str:
    """``name``, else the descriptor's ``name``, else the folder's. `Invalid` when it cannot be a component's name."""
    descriptor = folder / "component.json"
    if not descriptor.is_file():
        raise Invalid(
            "no-descriptor",
            f"there is no component.json in {folder}",
            next_step="push the folder that holds component.json; docs/tutorial/first-component.md makes one",
        )
    chosen = name or _written_name(descriptor) or folder.name.lower().replace("_", "-")
    if not NAME.fullmatch(chosen):
        raise Invalid(
            "bad-name",
            f"{chosen!r} cannot be a component's name: lower-case letters, digits and -, beginning with a letter",
            next_step="give another with --name",
        )
    return chosen


def push(client: Client, folder: Path, name: str, *, message: str | None, tell: Tell) -> dict[str, Any]:
    """Push ``folder`` as component ``name``, wait for the build and return the component version (an API object).

    The component is created when it is new. The same content as before is not pushed again unless its build
    failed. ``tell`` gets a line for everything that happens, the remote's own lines included.
    """
    folder = folder.resolve()
    _ensure_component(client, name, tell)
    own = Git(folder, access(client))
    for tries_left in range(TRIES - 1, -1, -1):
        try:
            commit = _push_once(client, own, name, message=message, tell=tell)
            break
        except _Overtaken:
            if not tries_left:
                raise
            tell("Somebody else pushed at the same moment; trying again.")
    return wait_built(client, name, commit)


def _push_once(client: Client, own: Git, name: str, *, message: str | None, tell: Tell) -> str:
    """Push the folder's content as it is now, on top of what the platform has now; the commit."""
    folder = own.folder
    remote = _look(client, name, own)
    with ExitStack() as stack:
        git, commit = _commit(stack, own, remote, message)
        if commit == remote.tip:
            tell(f"Nothing changed in {folder} since the last push.")
        else:
            what = "HEAD" if git is own else "a snapshot"
            tell(f"Pushing {what} of {folder} ({commit[:7]}) as {name}.")
            _send(git, remote.url, commit, tell)
    return commit


def wait_built(client: Client, name: str, commit: str) -> dict[str, Any]:
    """Wait until the version of ``commit`` is ready or failed and return it."""
    start = time.monotonic()
    while True:
        version = _version_of(client, name, commit)
        if version is not None and version["state"] in ("ready", "failed"):
            return version
        waited = time.monotonic() - start
        if waited > (BUILD_WITHIN if version else RECEIVED_WITHIN):
            raise Unavailable(
                "build-slow",
                f"component {name} at {commit[:7]} is still {version['state'] if version else 'not received'}",
                next_step=f"headrace component log {name}",
            )
        time.sleep(PAUSE)


def _ensure_component(client: Client, name: str, tell: Tell) -> None:
    try:
        client.get(at("components", name))
    except NotFound:
        try:
            client.post("/components", {"name": name})
        except Refused as error:
            if error.reason != "component-exists":  # somebody else has made it meanwhile
                raise
        else:
            tell(f"Created component {name}.")


def _written_name(descriptor: Path) -> str | None:
    """The descriptor's ``name``; a broken descriptor is for the server to complain about, completely."""
    try:
        written = json.loads(descriptor.read_bytes())
    except ValueError:
        return None
    name = written.get("name") if isinstance(written, dict) else None
    return name if isinstance(name, str) else None


def _look(client: Client, name: str, git: Git) -> Remote:
    url = f"{client.url}/git/{name}.git"
    listed = git("ls-remote", url, "refs/heads/main")
    tip = listed.split()[0] if listed else None
    return Remote(url, tip, _version_of(client, name, tip) if tip else None)


def _version_of(client: Client, name: str, commit: str) -> dict[str, Any] | None:
    for version in client.items(at("components", name, "versions")):
        if version["commit"] == commit:
            return dict(version)
    return None


def _commit(stack: ExitStack, own: Git, remote: Remote, message: str | None) -> tuple[Git, str]:
    """The repository and the commit in it that hold the folder's content; the remote's tip when that is the same."""
    head = _clean_head(own)
    if head is not None and not (head == remote.tip and remote.failed):
        return own, head
    git = _temporary_repository(stack, own)
    _stage(git, own)
    tree = git("write-tree")
    if remote.tip is not None:
        git("fetch", "--quiet", "--no-tags", remote.url, "refs/heads/main")
        if git("rev-parse", f"{remote.tip}^{{tree}}") == tree and not remote.failed:
            return git, remote.tip
    parent = ("-p", remote.tip) if remote.tip else ()
    return git, git("commit-tree", tree, *parent, "-m", message or f"Snapshot of {own.folder.name}")


def _clean_head(git: Git) -> str | None:
    """HEAD, when the folder is the top of a git repository with nothing uncommitted."""
    top = git.ask("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != git.folder:
        return None
    if git.ask("status", "--porcelain") != "":
        return None
    return git.ask("rev-parse", "--verify", "--quiet", "HEAD")


def _temporary_repository(stack: ExitStack, own: Git) -> Git:
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-push-"))) / "git"
    name, email = _author(own)
    identity = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
    here = {"GIT_DIR": str(place), "GIT_WORK_TREE": str(own.folder)}
    git = Git(own.folder, {**own.extra, **identity, **here})
    git("init", "--quiet", "--initial-branch=main")
    (place / "info").mkdir(exist_ok=True)
    (place / "info" / "exclude").write_text("\n".join(NEVER_PUSHED) + "\n")
    return git


def _author(git: Git) -> tuple[str, str]:
    name, email = git.ask("config", "user.name"), git.ask("config", "user.email")
    return (name, email) if name and email else DEFAULT_AUTHOR


def _stage(git: Git, own: Git) -> None:
    """Stage the folder's files; inside another repository, those that its ignore files leave."""
    skip = [f"--exclude={pattern}" for pattern in NEVER_PUSHED]
    listed = own.run("ls-files", "-z", "--cached", "--others", "--exclude-standard", *skip, "--", ".")
    if listed.returncode:
        git("add", "--all", ".")
        return
    names = {name for name in listed.stdout.split(b"\0") if name}
    present = [name for name in sorted(names) if os.path.lexists(os.fsencode(git.folder) + b"/" + name)]
    git("update-index", "--add", "-z", "--stdin", given=b"\0".join(present))


def _send(git: Git, url: str, commit: str, tell: Tell) -> None:
    """Push ``commit`` to the remote's main, whatever was there: every pushed commit keeps its revision anyway."""
    said: list[str] = []
    with subprocess.Popen(
        ["git", "push", "--force", url, f"{commit}:refs/heads/main"],
        cwd=git.folder,
        env=git.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        for line in lines(process.stderr):
            said.append(line)
            if line.startswith("remote:"):
                tell(line)
    if process.returncode:
        raise _push_failed(said)


def _push_failed(said: list[str]) -> Refused:
    if any("cannot lock ref" in line for line in said):
        return _Overtaken("push-refused", "others push to it all the time", next_step="try again in a moment")
    if any("[remote rejected]" in line for line in said):
        return Refused(
            "push-refused",
            "the push was refused",
            next_step="correct what the lines after remote: say and push again",
        )
    own = [line for line in said if not line.startswith("remote:")]
    return Refused(
        "push-failed",
        f"the push broke off: {' '.join(own) or 'git gave no reason'}",
        next_step="headrace status tells whether the server is up; then push again",
    )
