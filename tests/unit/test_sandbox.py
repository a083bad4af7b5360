"""Real bubblewrap where it is present; the plain process everywhere."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from headrace import sandbox
from headrace.errors import Refused, Unavailable

UID = 210_999
PYTHON = getattr(sys, "_base_executable", sys.executable)
INSTALLATION = (sys.base_prefix, os.path.realpath(sys.base_prefix))

bwrap = pytest.mark.needs("bwrap")


def run(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options.setdefault("uid", UID)
    options["read"] = (*options.get("read", ()), *INSTALLATION)
    made = sandbox.command((PYTHON, "-I", "-c", code), **options)
    return subprocess.run(
        made.argv, capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL, **made.options
    )


def answer(code: str, **options: Any) -> str:
    done = run(code, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def no_bwrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without bubblewrap."""
    monkeypatch.setattr("shutil.which", lambda name: None if name == "bwrap" else f"/usr/bin/{name}")
    sandbox._probe.cache_clear()
    yield
    sandbox._probe.cache_clear()


# What is seen.


@bwrap
def test_only_the_given_paths_are_seen(tmp_path: Path) -> None:
    (tmp_path / "data" / "keys").mkdir(parents=True)
    (tmp_path / "data" / "builds").mkdir()
    (tmp_path / "data" / "keys" / "token").write_text("secret")
    code = f"import os; print(os.listdir({str(tmp_path / 'data')!r}), os.path.exists({str(tmp_path / 'data/keys')!r}))"
    assert answer(code, read=[str(tmp_path / "data" / "builds")]) == "['builds'] False"


@bwrap
def test_the_home_of_the_platforms_user_is_not_seen() -> None:
    home = str(Path.home())
    inside = answer(f"import os; print(sorted(os.listdir({home!r})) if os.path.isdir({home!r}) else [])")
    on_the_way = {part for folder in INSTALLATION for part in Path(folder).parts}
    assert set(cast(list[str], eval(inside))) <= on_the_way


@bwrap
def test_a_folder_inside_a_closed_one_can_be_shown(tmp_path: Path) -> None:
    shown = tmp_path / "closed" / "shown"
    shown.mkdir(parents=True)
    (shown / "file").write_text("hello")
    (tmp_path / "closed").chmod(0o700)
    assert answer(f"print(open({str(shown / 'file')!r}).read())", read=[str(shown)]) == "hello"


@bwrap
def test_what_is_readable_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for place in (tmp_path / "x", Path("/x"), Path("/usr/x"), Path("/etc/x")):
        done = run(f"open({str(place)!r}, 'w')", read=[str(tmp_path)])
        assert done.returncode != 0
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr
    assert not (tmp_path / "x").exists()


@bwrap
def test_a_writable_folder_inside_a_readable_one_stays_writable(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    tmp_path.chmod(0o755)
    inner.chmod(0o777)
    answer(f"open({str(inner / 'x')!r}, 'w').write('1')", read=[str(tmp_path)], write=[str(inner)])
    assert (inner / "x").read_text() == "1"


@bwrap
def test_tmp_is_private_and_writable(tmp_path: Path) -> None:
    mine = f"headrace-sandbox-{os.getpid()}"
    seen = Path(f"/tmp/{mine}-outside")
    seen.touch()
    try:
        said = answer(
            f"import os; [open(f'{{d}}/{mine}', 'w') for d in ('/tmp', '/dev/shm')]; print(os.listdir('/tmp'))"
        )
        assert said == f"['{mine}']"
        assert not Path(f"/tmp/{mine}").exists()
    finally:
        seen.unlink()


@bwrap
def test_other_processes_are_not_seen() -> None:
    pids = [int(pid) for pid in answer("import os; print(*[p for p in os.listdir('/proc') if p.isdigit()])").split()]
    assert len(pids) <= 3
    assert max(pids) < 20


@bwrap
def test_without_network_nothing_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        assert run(code).returncode == 0
        assert "refused" in run(code, network=False).stderr


@bwrap
def test_the_user_has_a_name_and_no_rights() -> None:
    code = (
        "import os, pwd, re; status = open('/proc/self/status').read();"
        "print(os.getuid(), pwd.getpwuid(os.getuid()).pw_name, os.getgroups() or os.getgid(),"
        " int(re.search(r'CapEff:\\s*(\\w+)', status)[1], 16), re.search(r'NoNewPrivs:\\s*(\\d)', status)[1])"
    )
    uid, name, _, capabilities, no_new = answer(code).split()
    assert (int(uid) == UID) if os.geteuid() == 0 else (int(uid) == os.geteuid())
    assert (name, capabilities, no_new) == ("headrace", "0", "1")


def test_no_environment_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_SECRET", "secret")
    made = sandbox.command(("/usr/bin/env",), uid=65_534, env={"GIVEN": "yes"})
    said = subprocess.run(made.argv, capture_output=True, text=True, check=True, **made.options).stdout
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert "GIVEN=yes" in said.splitlines()
    assert names <= {*sandbox.ENVIRONMENT, "USER", "LOGNAME", "GIVEN", "PWD"}


@bwrap
@pytest.mark.skipif(os.geteuid() != 0, reason="root only: becomes an ordinary user, which this test is anyway")
def test_an_ordinary_user_has_the_same_sandbox(tmp_path: Path) -> None:
    """With the system's Python, as this one may be closed to other users."""
    python = shutil.which("python3", path="/usr/bin")
    if python is None or not _reads_our_packages(python):
        pytest.skip("needs a Python of the system's that can import this package")
    code = (
        "import os, subprocess; from headrace import sandbox;"
        "assert sandbox.probe().available, sandbox.probe();"
        "made = sandbox.command(('/bin/sh', '-c', 'id -u; ls /; ls /tmp; touch /x /usr/x || true'));"
        "done = subprocess.run(made.argv, text=True, capture_output=True, **made.options);"
        "print(made.sandboxed, done.stdout.split())"
    )
    said = subprocess.run([*NOBODY, python, "-c", code], env=OURS, capture_output=True, text=True, check=True).stdout
    assert said.startswith("True ['65534', 'bin', 'dev', 'etc',")
    assert "root" not in said
    assert "home" not in said


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
OURS = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}


def _reads_our_packages(python: str) -> bool:
    trial = [*NOBODY, python, "-c", "import headrace.sandbox"]
    return subprocess.run(trial, env=OURS, capture_output=True, check=False).returncode == 0


# How it starts and ends.


@pytest.mark.parametrize("mode", [pytest.param("auto", marks=bwrap), "off"])
def test_the_socket_arrives_as_descriptor_three(mode: sandbox.Mode) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        made = sandbox.command(
            ("/bin/sh", "-c", "read line; echo stdin:$line >&3; head -c 5 <&3 >&3"), uid=65_534, mode=mode, socket=True
        )
        with theirs:
            process = subprocess.Popen(made.argv, stdin=theirs.fileno(), **made.options)
        ours.sendall(b"hello")
        said = b""
        while part := ours.recv(100):  # ends: nobody else holds the other end
            said += part
        assert said == b"stdin:\nhello"
        assert process.wait(10) == 0


@bwrap
def test_killing_the_monitor_kills_all_inside() -> None:
    made = sandbox.command(("/bin/sh", "-c", "sleep 1000 & echo started; sleep 1000"), uid=UID)
    with subprocess.Popen(made.argv, stdout=subprocess.PIPE, **made.options) as process:
        assert process.stdout is not None
        process.stdout.readline()
        inside = sandbox.family(process.pid)
        assert len(inside) >= 2
        process.terminate()
        assert process.stdout.read() == b""  # the pipe is closed: nobody is left to write
    _, left = psutil.wait_procs(inside, timeout=10)
    assert left == []


@bwrap
def test_the_exit_status_is_the_inner_programs() -> None:
    assert run("raise SystemExit(7)").returncode == 7


@bwrap
def test_resident_counts_the_inner_program_only() -> None:
    made = sandbox.command(
        (PYTHON, "-I", "-c", "block = bytearray(40_000_000); print('ready', flush=True); input()"),
        read=INSTALLATION,
        uid=UID,
    )
    with subprocess.Popen(made.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **made.options) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        assert 40_000_000 < sandbox.resident(process.pid) < 80_000_000
        assert "python" in sandbox.family(process.pid)[0].name()
        process.stdin.close()
    assert sandbox.resident(process.pid) == 0


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    if sandbox.probe().available:
        with pytest.raises(Refused, match="does not exist"):
            sandbox.command(("true",), read=[str(tmp_path / "nothing")], uid=UID)


def test_as_root_a_user_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for uid in (None, 0):
        with pytest.raises(ValueError, match="never runs as root"):
            sandbox.command(("true",), uid=uid)


# Without bubblewrap.


@pytest.mark.usefixtures("no_bwrap")
def test_without_bubblewrap_auto_is_a_plain_process_with_the_user_dropped(tmp_path: Path) -> None:
    made = sandbox.command(("/usr/bin/id", "-u"), cwd=str(tmp_path), uid=UID)
    assert made.sandboxed is False
    assert made.options["cwd"] == str(tmp_path)
    said = subprocess.run(made.argv, capture_output=True, text=True, check=True, **made.options).stdout
    assert int(said) == (UID if os.geteuid() == 0 else os.geteuid())


PARENT = """
import subprocess, sys
from headrace import sandbox
code = "print('here', flush=True)\\nwhile True: pass"
made = sandbox.command((sys.argv[1], "-I", "-c", code), uid=210_999, mode="off")
child = subprocess.Popen(made.argv, stdout=subprocess.PIPE, **made.options)
child.stdout.readline()
print(child.pid, flush=True)
input()
"""


def test_without_bubblewrap_a_process_ends_with_its_parent() -> None:
    parent = subprocess.Popen(
        (sys.executable, "-c", PARENT, "/usr/bin/python3"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(10)


@pytest.mark.usefixtures("no_bwrap")
def test_without_bubblewrap_require_is_refused_with_the_reason() -> None:
    assert sandbox.probe().reason.startswith("bubblewrap is not installed")
    with pytest.raises(Unavailable, match="not installed") as caught:
        sandbox.command(("true",), uid=UID, mode="require")
    assert caught.value.reason == "no-sandbox"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("bwrap: No permissions to create a new namespace, likely because …", "forbids user namespaces"),
        ("bwrap: setting up uid map: Permission denied", "forbids user namespaces"),
        ("bwrap: Can't find source path /usr", "Can't find source path"),
        ("", "gave no reason"),
    ],
)
def test_the_reason_is_told(said: str, told: str) -> None:
    assert told in sandbox._why(said)


def test_a_folder_that_bars_the_way_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not below pytest's own, which is closed
        inner = Path(folder) / "inner"
        inner.mkdir()
        Path(folder).chmod(0o755)
        assert sandbox.barrier(str(inner / "file"), UID) is None
        Path(folder).chmod(0o700)
        assert sandbox.barrier(str(inner / "file"), UID) == os.path.realpath(folder)


# Grants.


def test_missing_things_are_created_for_the_user(tmp_path: Path) -> None:
    file, folder, inbox = tmp_path / "out.jsonl", tmp_path / "out", tmp_path / "in.d"
    sandbox.grant([f"{inbox}/"], [str(file), str(folder)], uid=UID)
    assert file.read_bytes() == b""
    assert folder.is_dir()
    assert inbox.is_dir()
    owner = UID if os.geteuid() == 0 else os.geteuid()
    assert {path.stat().st_uid for path in (file, folder, inbox)} == {owner}


def test_granting_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    sandbox.grant([], [str(file)], uid=UID)
    file.write_text("kept")
    sandbox.grant([], [str(file)], uid=UID)
    assert file.read_text() == "kept"


@pytest.mark.parametrize(
    ("read", "write", "reason"),
    [
        (["missing.csv"], [], "path-missing"),
        (["no/such/folder"], [], "path-missing"),
        ([], ["no/such/out.jsonl"], "path-missing"),
        (["data"], [], "path-private"),
        ([], ["data/keys/x"], "path-private"),
        (["."], [], "path-private"),
        (["link"], [], "path-private"),
        (["dangling"], [], "path-missing"),
    ],
)
def test_what_cannot_be_granted_says_why(tmp_path: Path, read: list[str], write: list[str], reason: str) -> None:
    (tmp_path / "data" / "keys").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    absolute: Callable[[list[str]], list[str]] = lambda paths: [str(tmp_path / path) for path in paths]  # noqa: E731
    with pytest.raises(Refused) as caught:
        sandbox.grant(absolute(read), absolute(write), uid=UID, private=[str(tmp_path / "data")])
    assert caught.value.reason == reason
    assert caught.value.next_step


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(Refused, match="not an absolute path"):
        sandbox.grant(["out"], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: another user's files")
def test_a_file_the_user_may_not_write_is_refused_with_the_cure(tmp_path: Path) -> None:
    file = tmp_path / "roots.jsonl"
    file.touch(0o644)
    sandbox.grant([str(file)], [], uid=UID)
    with pytest.raises(Refused) as caught:
        sandbox.grant([], [str(file)], uid=UID)
    assert caught.value.next_step == f"chown {UID} {file}"


@bwrap
def test_granted_paths_work_inside(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("a,b")
    sandbox.grant([str(source)], [str(target)], uid=UID)
    code = f"open({str(target)!r}, 'a').write(open({str(source)!r}).read())"
    answer(code, read=[str(source)], write=[str(target)])
    assert target.read_text() == "a,b"
