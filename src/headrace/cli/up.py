"""``up``, ``down`` and ``status``: the platform on this machine as a whole."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.options import Data, Json

if TYPE_CHECKING:
    import subprocess

    from headrace.cli.client import Client
    from headrace.cli.place import Place
    from headrace.cli.server import Started

__all__ = ["down", "status", "up"]

TRIES = 10
"""Ports tried, at most: with several servers starting at once, only one of them gets the next free one."""

ORDER = '{"number": 1042, "customer": "Ada", "lines": [{"item": "wheel", "price": 12.5, "qty": 4}]}'


def up(
    data: Data = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            envvar="HEADRACE_PORT",
            show_envvar=False,
            help="The port to listen on. Default: the last one used here, or 7475, or the next free one.",
            show_default=False,
        ),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Install and start the demo flows, once.")] = True,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Keep the server in this terminal; ctrl-C stops everything.")
    ] = False,
) -> None:
    """Start Headrace, or say that it is up."""
    from headrace.cli import place, server

    here = place.find(data)
    here.make()
    if foreground:
        signal.signal(signal.SIGTERM, _interrupt)
    with server.locked(here):
        started, client = _started(here, port, foreground=foreground)
        try:
            with client:
                _install(client, here, demo=demo)
                _greet(client, here, demo=demo, was_up=started is None)
        except BaseException:
            if foreground and started is not None:
                server.stop(here, lambda _line: None)
            raise
    if foreground and started is not None:
        _attend(here, started.process)


def down(data: Data = None) -> None:
    """Stop flows, server and broker. Queues, history and the wish to run stay for the next up."""
    from headrace.cli import place, server
    from headrace.cli.output import out

    here = place.find(data)
    if not here.run.is_dir():
        out().print(f"Headrace was not up in {here.data}.")
        return
    with server.locked(here), out().status("Stopping") as shown:
        stopped = server.stop(here, shown.update)
    out().print("Headrace is down." if stopped else f"Headrace was not up in {here.data}.")


def status(data: Data = None, as_json: Json = False) -> None:
    """Show the server, its parts and all flows."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get("/status")
        if as_json:
            print_json(found)
        else:
            _print_status(client, found)


def _start(here: Place, port: int | None, *, foreground: bool) -> Started | None:
    """The process just started, or `None` when a server runs here already."""
    from headrace.cli import server
    from headrace.errors import Refused

    running = here.server()
    if running is None:
        return server.spawn(here, server.choose_port(here, port), foreground=foreground)
    if port is not None and not running.url.endswith(f":{port}"):
        raise Refused(
            "already-up",
            f"Headrace is up in {here.data} at {running.url}, not on port {port}",
            next_step="headrace down, then up with the other port",
        )
    return None


def _started(here: Place, port: int | None, *, foreground: bool) -> tuple[Started | None, Client]:
    """The process just started, if any, and a client of a server that is ready.

    A port chosen here may be taken by someone else in the same moment; then another one is chosen.
    """
    from headrace.cli import server
    from headrace.errors import Unavailable

    for tries_left in reversed(range(TRIES)):
        started = _start(here, port, foreground=foreground)
        try:
            return started, _ready(here, started)
        except Unavailable as error:
            if not tries_left or port is not None or error.reason != "port-taken":
                raise
        except BaseException:
            if foreground and started is not None:
                server.stop(here, lambda _line: None)
            raise
    raise AssertionError("the last try returns or raises")


def _ready(here: Place, started: Started | None) -> Client:
    from headrace.cli import server
    from headrace.cli.output import err

    with err().status("Starting the server") as shown:
        return server.wait_ready(here, started, shown.update)


def _install(client: Client, here: Place, *, demo: bool) -> None:
    """Put in what ships with Headrace; a part that fails is told and does not stop the rest."""
    from headrace.cli import shipped
    from headrace.cli.output import err

    with err().status("Looking at the library") as shown:
        results = shipped.install_library(client, here, shown.update)
        if demo:
            results += shipped.install_demo(client, here, shown.update)
    for result in results:
        if result.error:
            err().print(f"warning: {result.name} was not installed: {result.error}", style="yellow", soft_wrap=True)


def _greet(client: Client, here: Place, *, demo: bool, was_up: bool) -> None:
    from headrace.cli.output import out, print_fields

    out().print(f"Headrace is already up ({here.data})." if was_up else f"Headrace is up ({here.data}).")
    fields: dict[str, object] = {"Sign in": f"{client.url}/signin?token={client.token}"}
    there = {flow["name"] for flow in client.items("/flows") if flow["version"]} if demo else set()
    if "demo-webhook" in there:
        fields["Send an event"] = (
            f"curl -H 'content-type: application/json' -d '{ORDER}' {client.url}/hooks/demo-webhook"
        )
    if "demo-folder" in there:
        fields["Watched folder"] = f"{here.demo / 'in'}  (drop a JSON or CSV file, e.g. examples/demo/orders.csv)"
        fields["What came of it"] = f"headrace executions; {here.demo / 'out'}"
    print_fields(fields)


def _attend(here: Place, process: subprocess.Popen[bytes]) -> None:
    """Wait for the server in the foreground; the first ctrl-C or SIGTERM stops everything in order."""
    from headrace.cli import server
    from headrace.cli.output import err

    try:
        code = process.wait()
    except KeyboardInterrupt:
        with server.locked(here), err().status("Stopping") as shown:
            server.stop(here, shown.update)
        process.wait()
        return
    raise typer.Exit(1 if code else 0)


def _interrupt(*_: Any) -> None:
    """SIGTERM is as good as ctrl-C."""
    raise KeyboardInterrupt


def _print_status(client: Client, found: dict[str, Any]) -> None:
    from headrace.cli.flow import flow_rows
    from headrace.cli.output import out, print_fields, print_table, printable, when

    broker, sandbox = found["broker"], found["sandbox"]
    fields: dict[str, object] = {
        "Headrace": f"{found['version']} at {found['url']}, since {when(found['started_at'])}",
        "Data": found["data"],
        "Broker": f"{broker['state']}, nats-server {broker['version']}{', embedded' if broker['embedded'] else ''}",
        "Database": found["database"],
        "Sandbox": "bubblewrap" if sandbox["available"] else f"none: {sandbox['reason']}",
        "Open errors": found["errors_open"] or None,
    }
    print_fields(fields)
    for trouble in found["troubles"]:
        out().print(f"trouble: {printable(trouble)}", style="yellow", soft_wrap=True)
    out().print()
    rows = flow_rows(client.items("/flows"))
    print_table(("FLOW", "STATE", "VERSION", "WISH", "NOTE"), rows, empty="No flows yet.")
