"""Asking components outside of flows: a loop starts a short-lived host for each question, a few at a time.

Request handlers only ask and wait; one that stops waiting ends its host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import msgspec
import structlog

from headrace.components.descriptor import Descriptor
from headrace.components.design_time import Question, Terms, ask, verdict
from headrace.components.hosts import Hosts
from headrace.control.environment import for_design
from headrace.control.variables import Variables
from headrace.errors import HeadraceError, NotFound, Refused, Unavailable
from headrace.flows.catalog import Described
from headrace.flows.deployment import Code
from headrace.flows.redaction import Redaction
from headrace.settings import Settings
from headrace.store.components import ComponentVersion

__all__ = ["Design", "Verdict"]

AT_ONCE = 4
IN_NODE = {"verify_credentials": "verifyCredentials", "meta_model": "getMetaModel"}
Kind = Literal["trigger", "action"]
WroteBack = Callable[[Mapping[str, Any]], Awaitable[None]]

log = structlog.get_logger("design")


@dataclass(frozen=True, slots=True)
class Verdict:
    """``good`` is `None` when the component has no way to tell."""

    good: bool | None
    reason: str = ""


@dataclass(slots=True)
class _Asked:
    question: Question
    terms: Terms
    answer: asyncio.Future[Any]


class Design:
    """`run` it; `stop` ends it, and every question."""

    def __init__(self, settings: Settings, hosts: Hosts, variables: Variables) -> None:
        self._settings = settings
        self._variables = variables
        self._hosts = hosts
        self._asked: asyncio.Queue[_Asked | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._stopping = False

    def stop(self) -> None:
        """Ask `run` to return; whoever waits for an answer gets `Unavailable`."""
        self._stopping = True
        self._asked.put_nowait(None)

    async def run(self) -> None:
        """Answer questions until `stop`."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            while not self._stopping and (asked := await self._asked.get()) is not None:
                task = asyncio.create_task(self._answer(asked), name=f"ask {asked.question.hook}")
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                asked.answer.add_done_callback(partial(_nobody_waits, task))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def verify(self, version: ComponentVersion, values: Mapping[str, Any]) -> Verdict:
        """Whether these are good, as ``verifyCredentials`` of the component sees it. Raises `Unavailable` only."""
        offers = tuple(_described(version).offers.values())
        question = Question("verify_credentials", offers, values)
        try:
            return Verdict(*verdict(await self._ask(version, question, values, None)))
        except NotFound:
            return Verdict(None, f"the component has no {_called(question.hook, version)}")
        except Unavailable as error:
            if error.reason != "component-slow":
                raise
            return Verdict(False, error.message)
        except HeadraceError as error:
            return Verdict(False, error.message)

    async def meta_model(
        self,
        version: ComponentVersion,
        kind: Kind,
        function: str,
        cfg: Mapping[str, Any],
        *,
        secrets: Mapping[str, Any],
        wrote_back: WroteBack | None = None,
    ) -> dict[str, Any]:
        """What ``getMetaModel`` says a step takes and gives: ``{in, out}``. Raises as `ask` does."""
        offer = _described(version).offers[kind, function]
        question = Question("meta_model", (offer,), cfg)
        found = await self._ask(version, question, secrets, wrote_back)
        if not isinstance(found, dict) or not all(isinstance(found.get(side) or {}, dict) for side in ("in", "out")):
            told = f'{_called(question.hook, version)} did not answer {{"in": {{…}}, "out": {{…}}}}'
            raise Refused("component-failed", told)
        return {side: found.get(side) for side in ("in", "out")}

    async def choices(
        self,
        version: ComponentVersion,
        kind: Kind,
        function: str,
        model: str,
        cfg: Mapping[str, Any],
        *,
        secrets: Mapping[str, Any],
        wrote_back: WroteBack | None = None,
    ) -> dict[str, Any]:
        """What the select model ``model`` offers: value → label. Raises as `ask` does."""
        offer = _described(version).offers[kind, function]
        question = Question("select_model", (offer,), cfg, model)
        found = await self._ask(version, question, secrets, wrote_back)
        if not isinstance(found, dict):
            raise Refused("component-failed", f"{model} did not answer an object of values and labels")
        return found

    async def _ask(
        self, version: ComponentVersion, question: Question, secrets: Mapping[str, Any], wrote_back: WroteBack | None
    ) -> Any:
        if self._stopping:
            raise _ending()
        which = {"component": version.component, "revision": version.revision, "hook": question.hook}

        def tell(line: str) -> None:
            log.info("the component said", **which, text=line)

        code = msgspec.convert(version.build, Code)
        variables = await self._variables.values(version.component_id)
        terms = Terms(
            command=partial(self._hosts.command, code, for_design(self._settings, version, variables)),
            within=self._settings.design_within,
            memory=self._hosts.memory,
            tell=tell,
            wrote_back=wrote_back,
            redaction=Redaction({**variables, **secrets}),
        )
        asked = _Asked(question, terms, asyncio.get_running_loop().create_future())
        self._asked.put_nowait(asked)
        return await asked.answer

    async def _answer(self, asked: _Asked) -> None:
        answer = asked.answer
        try:
            async with self._room:
                value = await ask(asked.question, asked.terms)
            if not answer.done():
                answer.set_result(value)
        except asyncio.CancelledError:
            if not answer.done():
                answer.set_exception(_ending())
            raise
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)


def _described(version: ComponentVersion) -> Described:
    code = msgspec.convert(version.build, Code)
    return Descriptor(version.descriptor).described(version.component, version.revision, code.language)


def _called(hook: str, version: ComponentVersion) -> str:
    """What the component's language calls it."""
    return IN_NODE[hook] if (version.build or {}).get("language") == "node" else hook


def _nobody_waits(task: asyncio.Task[None], answer: asyncio.Future[Any]) -> None:
    if answer.cancelled():
        task.cancel()


def _ending() -> Unavailable:
    return Unavailable("stopping", "the server is stopping", next_step="ask again when it is up")
