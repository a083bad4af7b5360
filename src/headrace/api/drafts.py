"""Drafts of flows, and lint. Saving a draft changes nothing that runs; a draft may have mistakes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.parts import Caller, PartsOf
from headrace.api.problems import Mistake, mistakes
from headrace.api.shapes import Answer, FlowName, Moment, Request, Text
from headrace.control.catalog import catalog_for
from headrace.errors import Invalid, NotFound, Problem
from headrace.flows import document
from headrace.flows.disabled import left_out, running
from headrace.flows.grants import grants
from headrace.flows.lint import lint
from headrace.store import flows

__all__ = ["lint_text", "router"]

LONGEST = 4 * 1024 * 1024

router = APIRouter(prefix="/flows", tags=["flows"])
DocumentText = Annotated[Text, Field(max_length=LONGEST, description="A flow document in YAML or JSON.")]


class Lint(Request):
    document: DocumentText
    name: FlowName | None = Field(default=None, description="The name the document must have.")


class StepSummary(Answer):
    id: str
    kind: Literal["trigger", "action"]
    component: str
    function: str
    version: str
    after: list[str]
    left_out: bool = Field(description="It does not run: it is disabled, or only a disabled step leads to it.")
    read: list[str] = Field(description="Paths of the machine that it is granted to read.")
    write: list[str] = Field(description="Paths that it is granted to read and change.")


class DocumentSummary(Answer):
    """What a document says, in short."""

    name: str
    type: str
    steps: list[StepSummary]
    step_count: int = Field(description="Visible steps that run, and their mappers.")


class Linted(Answer):
    """``ok``: it can be published."""

    ok: bool
    problems: list[Mistake]
    flow: DocumentSummary | None = Field(description="Null when the text cannot be read as a document.")


class SaveDraft(Request):
    document: DocumentText
    tag: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="The tag of the draft that was edited; refused when it is not."
    )


class SavedDraft(Answer):
    flow: str
    tag: int
    created: bool = Field(description="The flow is new.")
    problems: list[Mistake] = Field(description="A draft is saved with its mistakes.")


class EditedView(Answer):
    """Whose page edits a draft."""

    author: str = Field(description="The name of the token.")
    since: Moment


class DraftView(Answer):
    flow: str
    document: str
    tag: int
    saved_at: Moment
    author: str
    edited: EditedView | None = Field(description="Null while no page edits it.")
    problems: list[Mistake]


class DraftTag(Request):
    tag: int | None = Field(default=None, ge=0, le=2**31 - 1, description="Only when the draft has this tag.")


@router.post("/lint", operation_id="lintDocument")
async def lint_document(parts: PartsOf, what: Lint) -> Linted:
    """Look for mistakes in a document. Changes nothing."""
    async with parts.db.read() as conn:
        problems = await lint_text(conn, what.document, what.name)
        summary = await _summary(conn, what.document)
    ok = summary is not None and all(problem.severity != "error" for problem in problems)
    return Linted(ok=ok, problems=mistakes(problems), flow=summary)


@router.get("/{name}/draft", operation_id="getDraft")
async def get_draft(parts: PartsOf, name: FlowName) -> DraftView:
    """The draft, with its mistakes."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        if flow.draft is None:
            told = f"the flow `{name}` has no draft"
            raise NotFound("no-draft", told, next_step="`headrace flow export` prints its newest version.")
        problems = await lint_text(conn, flow.draft, name)
    seat = parts.seats.of(flow.id)
    return DraftView(
        flow=name,
        document=flow.draft,
        tag=flow.draft_tag,
        saved_at=flow.draft_at or flow.created_at,
        author=flow.draft_author or "",
        edited=EditedView(author=seat.author, since=seat.since) if seat is not None else None,
        problems=mistakes(problems),
    )


@router.put("/{name}/draft", operation_id="saveDraft")
async def save_draft(parts: PartsOf, caller: Caller, name: FlowName, draft: SaveDraft) -> SavedDraft:
    """Make a document the flow's draft, and the flow when it is new. The document's `flow` must be the same name."""
    async with parts.db.begin() as conn:
        flow, created = await _flow(conn, name, draft.document)
        saved = await flows.save_draft(conn, flow.name, draft.document, draft.tag, caller)
        problems = await lint_text(conn, draft.document, name)
    parts.announce("flow", {"flow": name, "draft_tag": saved.draft_tag})
    return SavedDraft(flow=name, tag=saved.draft_tag, created=created, problems=mistakes(problems))


@router.delete("/{name}/draft", status_code=204, operation_id="discardDraft")
async def discard_draft(parts: PartsOf, caller: Caller, name: FlowName, which: Annotated[DraftTag, Query()]) -> None:
    """Throw the draft away. Nothing happens when there is none."""
    async with parts.db.begin() as conn:
        flow = await flows.discard_draft(conn, name, which.tag, author=caller)
    parts.announce("flow", {"flow": name, "draft_tag": flow.draft_tag})


async def _flow(conn: AsyncConnection, name: str, text: str) -> tuple[flows.Flow, bool]:
    """The flow of that name, made when it is new; then the text must at least be a document of that name."""
    try:
        return await flows.get(conn, name), False
    except NotFound:
        parsed = document.parse(text)
    if parsed.flow != name:
        raise Invalid("wrong-name", f"the document is called `{parsed.flow}`", problems=_wrong_name(parsed.flow, name))
    return await flows.create(conn, name, type=parsed.type), True


async def lint_text(conn: AsyncConnection, text: str, name: str | None = None) -> tuple[Problem, ...]:
    """Every problem of a document that must be called ``name``."""
    problems = lint(text, await catalog_for(conn, text))
    parsed = _parsed(text)
    if name is not None and parsed is not None and parsed.flow != name:
        problems = (*_wrong_name(parsed.flow, name), *problems)
    return problems


def _wrong_name(found: str, name: str) -> tuple[Problem, ...]:
    told = f"the document is called `{found}`, the flow `{name}`"
    return (Problem("flow", "wrong-name", told, f"write `flow: {name}`"),)


def _parsed(text: str) -> document.Document | None:
    try:
        return document.parse(text)
    except Invalid:
        return None


async def _summary(conn: AsyncConnection, text: str) -> DocumentSummary | None:
    parsed = _parsed(text)
    if parsed is None:
        return None
    gone = left_out(parsed)
    granted = grants(parsed, await catalog_for(conn, text))
    steps = [
        StepSummary(
            id=step.id,
            kind=step.kind,
            component=step.component,
            function=step.function,
            version=str(step.version),
            after=list(step.after),
            left_out=step.id in gone,
            read=[each.path for each in granted[step.id] if each.access == "read"],
            write=[each.path for each in granted[step.id] if each.access == "write"],
        )
        for step in parsed.steps
    ]
    count = running(parsed).step_count
    return DocumentSummary(name=parsed.flow, type=parsed.type, steps=steps, step_count=count)
