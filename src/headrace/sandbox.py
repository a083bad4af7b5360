"""Running other people's code where it sees and can change little: bubblewrap where it works, else a plain process.

Under bubblewrap a process has mount, PID, IPC and UTS namespaces of its own; sees the system's programs and
libraries, read-only, a made-up ``/etc``, a private ``/tmp`` and the paths it was given, each under its own name; and
starts with no environment but the one it was given. Started as root, the platform makes the mounts as root, so a
folder inside a closed one can be shown, and the process then drops to a user of its own for good.

Without bubblewrap only the empty environment, the change of user and the end with its parent are left.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import psutil

from headrace.errors import Refused, Unavailable

__all__ = ["Command", "Mode", "Probe", "barrier", "command", "family", "grant", "probe", "resident", "used"]

Mode = Literal["auto", "off", "require"]

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Beside ``/usr``: links into it on most systems, folders on some."""
ETC = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "gai.conf", "hosts", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "pki", "protocols", "resolv.conf",
    "services", "ssl", "timezone",
)  # fmt: skip
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}
USER_NAME = "headrace"
TMP_SIZE = 256 * 1024 * 1024
"""Most that fits into the private ``/tmp``, which is memory."""
PROBE_TIMEOUT = 10.0
NO_SETPRIV = "setpriv (of util-linux) is not installed, which root needs to give its rights away"
ENOUGH_FOR_SIZE = (0, 7)
"""The first bubblewrap that can limit the size of a ``/tmp``."""

_SOCKET_SHELL = ("/bin/sh", "-c", 'exec 3<&0 0</dev/null; exec "$@"', "sh")


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether bubblewrap works here; if not, why, in words for `doctor`."""

    available: bool
    reason: str = ""
    version: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A process ready to start: ``Popen(command.argv, **command.options)``, or the same with asyncio."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    sandboxed: bool

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for `subprocess.Popen` and `asyncio.create_subprocess_exec`."""
        return {"env": dict(self.env), "cwd": self.cwd, "start_new_session": True}


def command(
    argv: Sequence[str],
    *,
    cwd: str = "/",
    read: Iterable[str] = (),
    write: Iterable[str] = (),
    network: bool = True,
    uid: int | None = None,
    env: Mapping[str, str] | None = None,
    mode: Mode = "auto",
    socket: bool = False,
) -> Command:
    """How to start ``argv`` so that it sees ``read`` and ``write`` (absolute host paths) and the system, no more.

    ``uid`` is the user it runs as; needed, and not 0, when the platform runs as root, ignored otherwise. ``env`` is
    added to a minimal environment. With ``socket`` the socket given as ``stdin`` becomes file descriptor 3 and stdin
    is empty; descriptors given by ``pass_fds`` pass through in any case.

    Under bubblewrap the process started is its monitor. Any signal that ends it kills everything inside at once, as
    does the end of the thread that started it (a plain process ends with that thread, too): stop a process gently by
    its own protocol. When the inner program ends, so does the monitor, with the same exit status (128 + signal number
    when a signal ended it).

    Raises `Unavailable` (``no-sandbox``) for mode ``require`` where bubblewrap does not work, and as root where setpriv
    is missing; `Refused` (``path-missing``) for a path that does not exist.
    """
    if _is_root() and not uid:
        raise ValueError("as root a uid other than 0 is needed: component code never runs as root")
    user = uid if _is_root() else None
    full = {**ENVIRONMENT, "USER": USER_NAME, "LOGNAME": USER_NAME, **(env or {})}
    boxed = used(mode)
    bwrap = _bwrap(cwd, read, write, network=network, user=user, version=probe().version) if boxed else ()
    inner = (*bwrap, *_drop(user), *argv) if boxed else (*_mortal(_drop(user)), *argv)
    return Command((*_SOCKET_SHELL, *inner) if socket else inner, full, None if boxed else cwd, sandboxed=boxed)


def probe() -> Probe:
    """Try bubblewrap once and remember the answer for the life of this process."""
    return _probe()


@cache
def _probe() -> Probe:
    if shutil.which("bwrap") is None:
        return Probe(False, "bubblewrap is not installed (on Debian: apt-get install bubblewrap)")
    version = _bwrap_version()
    user = 65_534 if _is_root() else None
    if user is not None and shutil.which("setpriv") is None:
        return Probe(False, NO_SETPRIV, version)
    trial = (*_bwrap("/", user=user, version=version), *_drop(user), "/bin/sh", "-c", "exit 0")
    try:
        done = subprocess.run(
            trial, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PROBE_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Probe(False, f"bubblewrap does not start: {error}", version)
    if done.returncode == 0:
        return Probe(True, "", version)
    return Probe(False, _why(done.stderr.decode(errors="replace").strip()), version)


def _why(said: str) -> str:
    if re.search(r"namespace|uid map|not permitted|permission denied", said, re.IGNORECASE):
        return (
            f"this system forbids user namespaces ({said}); allow them: sysctl kernel.unprivileged_userns_clone=1, "
            "or kernel.apparmor_restrict_unprivileged_userns=0, or a less strict container profile"
        )
    return f"bubblewrap failed: {said or 'it gave no reason'}"


def _bwrap_version() -> tuple[int, ...]:
    try:
        done = subprocess.run(["bwrap", "--version"], capture_output=True, check=False, timeout=PROBE_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(part) for part in re.findall(rb"\d+", done.stdout))


def barrier(path: str, uid: int) -> str | None:
    """The first folder on the way to ``path`` that a plain process of the user could not enter, if there is one."""
    for folder in reversed(Path(os.path.realpath(path)).parents):
        found = folder.stat()
        shift = 6 if found.st_uid == uid else 3 if found.st_gid == uid else 0
        if not (found.st_mode >> shift) & os.X_OK:
            return str(folder)
    return None


def _is_root() -> bool:
    return os.geteuid() == 0


def used(mode: Mode) -> bool:
    """Whether commands made with this mode run under bubblewrap. Raises as `command` does."""
    if mode == "off":
        return False
    found = probe()
    if mode == "require" and not found.available:
        raise Unavailable(
            "no-sandbox",
            f"the setting `sandbox` is `require`, but {found.reason}",
            next_step="make bubblewrap work, or set HEADRACE_SANDBOX=auto",
        )
    return found.available


def _drop(user: int | None) -> tuple[str, ...]:
    """Become the user for good. Not by `subprocess`'s ``user``, which uvloop does not have."""
    if user is None:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Unavailable("no-sandbox", NO_SETPRIV, next_step="install util-linux, or do not run Headrace as root")
    return (
        setpriv, f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs", "--inh-caps=-all",
        "--bounding-set=-all",
    )  # fmt: skip


def _mortal(drop: tuple[str, ...]) -> tuple[str, ...]:
    """Ends with the thread that starts it, as bubblewrap's monitor does, whatever the code is busy with."""
    setpriv = drop[0] if drop else shutil.which("setpriv")
    return (setpriv, *drop[1:], "--pdeathsig=KILL") if setpriv is not None else ()


def _bwrap(
    cwd: str,
    read: Iterable[str] = (),
    write: Iterable[str] = (),
    *,
    network: bool = True,
    user: int | None,
    version: tuple[int, ...],
) -> tuple[str, ...]:
    """The sandbox, up to and including ``--``. ``user`` is set when root makes the mounts."""
    argv = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session"]
    argv += ["--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    argv += ["--unshare-cgroup-try", "--hostname", USER_NAME]
    if user is None:
        argv += ["--unshare-user"]
    if not network:
        argv += ["--unshare-net"]
    argv += ["--ro-bind", "/usr", "/usr"]
    for folder in SYSTEM:
        argv += _system(folder)
    argv += ["--proc", "/proc", "--dev", "/dev"]
    size = ["--size", str(TMP_SIZE)] if version >= ENOUGH_FOR_SIZE else []
    for place in ("/tmp", "/dev/shm"):
        argv += [*size, "--perms", "1777", "--tmpfs", place]
    argv += ["--dir", "/etc", "--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--dir", "/run"]
    for name in ETC:
        argv += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name, file in _identity(os.geteuid() if user is None else user).items():
        argv += ["--ro-bind", str(file), f"/etc/{name}"]
    argv += _binds(read, write)
    argv += ["--remount-ro", "/", "--chdir", cwd, "--"]
    return tuple(argv)


def _system(folder: str) -> list[str]:
    path = Path(folder)
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), folder]
    return ["--ro-bind", folder, folder] if path.is_dir() else []


def _binds(read: Iterable[str], write: Iterable[str]) -> list[str]:
    """Mounts of paths under their own names, outer ones first; of a path given twice, writing wins."""
    wanted = {_plain(path): "--ro-bind" for path in read} | {_plain(path): "--bind" for path in write}
    argv: list[str] = []
    made = {"/", "/usr", "/etc", "/tmp", "/run", "/var", "/dev"}
    for path in sorted(wanted):
        if not Path(path).exists():
            raise Refused("path-missing", f"{path} does not exist", next_step="create it, or correct the path")
        for parent in reversed([str(each) for each in PurePosixPath(path).parents]):
            if parent not in made and not any(_inside(parent, outer) for outer in wanted):
                argv += ["--dir", parent]  # made by bubblewrap itself, a parent would be closed to other users
            made.add(parent)
        argv += [wanted[path], path, path]
    return argv


def _plain(path: str) -> str:
    if not path.startswith("/"):
        raise Refused("path-not-absolute", f"{path!r} is not an absolute path", next_step="write it from / on")
    return os.path.normpath(path)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


# A name for the user inside: without an entry in /etc/passwd, getpwuid and programs that use it fail.


def _identity(uid: int) -> dict[str, Path]:
    """``passwd`` and ``group`` files that know this one user; made when they are not there."""
    contents = {
        "passwd": f"root:x:0:0:root:/:/bin/false\n{USER_NAME}:x:{uid}:{uid}::/tmp:/bin/sh\n",
        "group": f"root:x:0:\n{USER_NAME}:x:{uid}:\n",
    }
    folder = _identity_folder()
    return {name: _written(folder / f"{name}-{uid}", text) for name, text in contents.items()}


def _identity_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"headrace-identities-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return _private_folder()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022:
        return folder
    return _private_folder()


@cache
def _private_folder() -> Path:
    """For a machine where someone else holds the usual name."""
    return Path(tempfile.mkdtemp(prefix="headrace-identities-"))


def _written(file: Path, text: str) -> Path:
    try:
        if file.read_text() == text:
            return file
    except OSError:
        pass
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_text(text)
    new.chmod(0o644)
    new.replace(file)
    return file


# Paths that a flow document grants.


def grant(read: Iterable[str], write: Iterable[str], *, uid: int | None = None, private: Iterable[str] = ()) -> None:
    """Make sure that the host paths granted to a step are there and that its user may use them.

    What does not exist yet is created when its parent exists: a folder for a name that ends in ``/`` or has no
    ending; for ``write`` only, an empty file for any other name. As root the new thing belongs to ``uid``. Nothing
    inside ``private`` folders can be granted, nor a folder around one. A second call changes nothing.

    Raises `Refused`: ``path-not-absolute``, ``path-private``, ``path-missing``, ``path-forbidden``.
    """
    owner = uid if _is_root() else None
    closed = [os.path.realpath(folder) for folder in private]
    for path, writing in [*((each, False) for each in read), *((each, True) for each in write)]:
        _grant_one(path, writing, owner, closed)


def _grant_one(path: str, writing: bool, owner: int | None, closed: Sequence[str]) -> None:
    plain = _plain(path)
    real = os.path.realpath(plain)
    for folder in closed:
        if _inside(real, folder) or _inside(folder, real):
            raise Refused(
                "path-private",
                f"{path} cannot be granted: it is, or holds, part of the platform's own folder {folder}",
                next_step="use a folder of its own for what a flow reads and writes",
            )
    if not os.path.lexists(plain):
        _create(Path(plain), path.endswith("/") or "." not in Path(plain).name[1:], writing, owner)
    if not Path(plain).exists():
        raise Refused("path-missing", f"{path} points to {real}, which does not exist", next_step="create it")
    if not _may(real, writing, owner):
        who = f"user {owner}" if owner is not None else "the user that runs Headrace"
        verb = "write to" if writing else "read"
        raise Refused(
            "path-forbidden",
            f"{who} may not {verb} {path}",
            next_step=f"chown {owner} {path}" if owner is not None else f"give that user the right to {verb} it",
        )


def _create(path: Path, folder: bool, writing: bool, owner: int | None) -> None:
    kind = "folder" if folder else "file"
    if not path.parent.is_dir():
        raise Refused(
            "path-missing",
            f"{path} does not exist, nor does the folder {path.parent}",
            next_step=f"mkdir -p {path.parent}",
        )
    if not folder and not writing:
        raise Refused("path-missing", f"the file {path} does not exist", next_step="create it, or correct the path")
    try:
        if folder:
            path.mkdir()
        else:
            path.touch()
        if owner is not None:
            os.chown(path, owner, owner)
    except OSError as error:
        raise Refused(
            "path-forbidden", f"cannot create the {kind} {path}: {error.strerror}", next_step="create it yourself"
        ) from error


def _may(path: str, writing: bool, owner: int | None) -> bool:
    """Whether a user with that number, in no further groups (`None`: this process), may use the path."""
    found = Path(path).stat()
    folder = stat.S_ISDIR(found.st_mode)
    needed = (os.W_OK if writing else 0) | os.R_OK | (os.X_OK if folder else 0)
    if owner is None:
        return os.access(path, needed)
    shift = 6 if found.st_uid == owner else 3 if found.st_gid == owner else 0
    return (found.st_mode >> shift) & needed == needed


# What runs behind a process that was started by a `Command`.


def resident(pid: int) -> int:
    """Resident memory, in bytes, of what runs behind ``pid``, without bubblewrap's own; 0 when it is gone."""
    total = 0
    for process in family(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def family(pid: int) -> list[psutil.Process]:
    """The processes behind ``pid``, itself included, without bubblewrap's two; the inner program is the first."""
    try:
        root = psutil.Process(pid)
        found = [root, *_descendants(root)]
        return [process for process in found if not _is_bwrap(process)]
    except psutil.Error:
        return []


def _descendants(process: psutil.Process) -> Iterator[psutil.Process]:
    """Children, depth first, from the kernel's own lists where it has them: psutil reads every process there is."""
    try:
        tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
        pids = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        yield from process.children(recursive=True)
        return
    for pid in pids:
        try:
            child = psutil.Process(pid)
        except psutil.Error:
            continue
        yield child
        yield from _descendants(child)


def _is_bwrap(process: psutil.Process) -> bool:
    try:
        return process.name() == "bwrap"
    except psutil.Error:
        return True
