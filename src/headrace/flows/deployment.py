"""The compiled form of one deployment: all that a worker needs, with nothing left to look up or decide.

`headrace.flows.publish.compile_deployment` makes it from a flow document and resolved component versions; it is
stored in the bus bucket ``deployments`` under ``<flow id>.<epoch>`` and read by the worker.
Times are seconds, sizes are bytes unless the name says otherwise.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from headrace.ids import flow_of_test

__all__ = ["CARRY_ALL", "Code", "DeploymentSpec", "Grants", "Retry", "StepSpec"]

CARRY_ALL = "*"
"""In `StepSpec.carry`: an expression downstream cannot be analysed, so every earlier output is carried."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often a failing message is tried: ``attempts`` in all, the n-th wait being first * factor**(n-1)."""

    attempts: int = 1
    first: float = 1.0
    factor: float = 2.0
    max: float = 300.0

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the failed attempt number ``attempt`` (1 is the first)."""
        exponent = min(attempt - 1, 60)
        return min(self.first * self.factor**exponent, self.max)


REBOUND = Retry(attempts=21, first=15.0, factor=2.0, max=86_400.0)


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """Host paths (absolute) a step may see, besides its own code."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """Where the built code of one component version is on this machine."""

    component: str
    revision: int
    commit: str
    language: Literal["python", "node"] = "python"
    root: str
    """Folder with the component's files, read-only."""
    interpreter: str
    """The program that runs the host: the component's own python or node."""
    visible: tuple[str, ...] = ()
    """Further folders the code needs to see read-only: its virtualenv, the interpreter's installation."""
    uid: int | None = None
    """User the host drops to when the platform was started as root."""

    def host(self, hosts: str, memory: int) -> tuple[list[str], str]:
        """Arguments that start the host, and the folder with its program, one of those in ``hosts``.

        V8 is told of the step's ``memory`` (bytes), so that it collects garbage before the limit rather than die at it;
        a quarter is left for buffers and V8 itself.
        """
        folder = f"{hosts}/{self.language}"
        if self.language == "python":
            return [self.interpreter, "-I", f"{folder}/headrace_host"], folder
        heap = max(memory * 3 // 4 >> 20, 32)
        return [self.interpreter, f"--max-old-space-size={heap}", f"{folder}/host.js"], folder


class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One step, ready to run."""

    id: str
    kind: Literal["trigger", "action"]
    function: str
    """Name of the trigger or action in the descriptor."""
    main: str
    """Its module: a path relative to ``code.root``."""
    code: Code
    trigger_type: Literal["polling", "webhook", "listener"] | None = None
    fields: dict[str, Any] = {}
    credential: str = ""
    """Id of the credential whose values the component gets; its values are not here but in bucket ``credentials``."""
    variables: str = ""
    """Id of the entry in that bucket that holds the component's environment variables; empty: it has none."""
    after: tuple[str, ...] = ()
    when: str | None = None
    input: str | None = None
    carry: tuple[str, ...] = ()
    """Ids of earlier steps whose outputs this step's outputs carry along; ``("*",)`` carries all."""
    successors: tuple[str, ...] = ()
    concurrency: int = 1
    order: Literal["relaxed", "strict"] = "relaxed"
    retry: Retry = Retry()
    timeout: float = 60.0
    queue_limit: int = 10_000
    memory: int = 512 * 1024 * 1024
    grants: Grants = Grants()
    log_level: Literal["trace", "debug", "info", "warn", "error", "fatal"] = "info"
    poll_interval: float = 1.0
    quiet_after: float = 10.0
    call_max: float = 30.0
    reply: Literal["none", "wait"] = "none"

    @property
    def runs(self) -> str:
        """``component/function``: what its snapshot goes with, whatever the component version."""
        return f"{self.code.component}/{self.function}"


class DeploymentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment of one flow version."""

    flow_id: str
    flow: str
    workspace: str = "default"
    version: int
    epoch: int
    steps: tuple[StepSpec, ...]
    journal_bytes: int = 256 * 1024 * 1024
    journal_keep: float = 86_400.0
    ready_within: float = 60.0
    """A host that has not said ``ready`` after this long has failed."""
    rebound: Retry = REBOUND
    """When a message is tried again that its component asked to have again later."""
    drain_within: float = 60.0
    """Time a step waits, behind a switch, for its predecessor to drain."""
    stop_within: float = 10.0
    """Time a host has to stop by itself before it is terminated, and again before it is killed."""
    message_limit: int = 16 * 1024 * 1024
    """Largest body, in bytes of JSON, a message may have."""
    inline_limit: int = 1024 * 1024
    """Bytes of an envelope beyond which its largest bodies become objects; also the largest snapshot."""
    object_bytes: int = 1024**3
    """What the flow's objects may take."""
    leak_guard: Literal["warn", "stop"] = "warn"
    """Whether a trigger that opens more and more is stopped, or only told so."""
    private: tuple[str, ...] = ()
    """Folders of the platform's own, which no document can grant."""
    sandbox: Literal["auto", "off", "require"] = "auto"
    webhook_url: str = ""
    """Where callers reach the flow's webhook; empty: it has none."""
    storage_url: str = ""
    """Where component code reaches the objects of its flow, over HTTP; empty: nowhere."""
    storage_token: str = ""
    """With what it does so."""
    storage_cipher: tuple[str, str] = ("", "")
    """Password and initialisation vector for objects that it encrypts; the same in all deployments of a flow."""
    runtime_folder: str = ""
    """A scratch folder of this deployment's own."""

    @property
    def test(self) -> bool:
        """Whether it tries a draft: its trigger is called when it is asked for only, and its hooks never run."""
        return flow_of_test(self.flow_id) is not None

    @property
    def trigger(self) -> StepSpec:
        """The one step that starts executions."""
        return next(step for step in self.steps if step.kind == "trigger")

    def step(self, step_id: str) -> StepSpec:
        """The step of that id; `KeyError` when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)
