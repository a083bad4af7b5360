"""All commands in one tree."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli import bench, component, credential, design, doctor, execution, flow, logs, token, up

__all__ = ["app"]

app = typer.Typer(
    name="headrace",
    help="Real-time flows that never stop while you change them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import headrace

        typer.echo(headrace.__version__)
        raise typer.Exit


@app.callback()
def headrace(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Real-time flows that never stop while you change them.

    Commands find the server by the data folder (--data, HEADRACE_DATA, ./data), or, for a server elsewhere, by
    HEADRACE_URL and HEADRACE_TOKEN.
    """


app.command("up")(up.up)
app.command("down")(up.down)
app.command("status")(up.status)
app.command("doctor")(doctor.doctor)
component.app.command("schema")(design.schema)
component.app.command("choices")(design.choices)
app.add_typer(component.app, name="component")
app.add_typer(credential.app, name="credential")
app.add_typer(flow.app, name="flow")
app.command("executions")(execution.executions)
app.add_typer(execution.app, name="execution")
app.command("errors")(execution.errors)
app.command("retry")(execution.retry)
app.command("logs")(logs.logs)
app.add_typer(token.app, name="token")
app.command("bench", context_settings=bench.PASS_THROUGH)(bench.bench)
