"""``/flows/{name}/draft/seat``: who edits a draft in a browser, and taking that over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.seat import Seat
from headrace.api.shapes import THING_ID, Answer, FlowName, Moment, Request
from headrace.store import flows

__all__ = ["router"]

router = APIRouter(prefix="/flows", tags=["flows"])
Holder = Annotated[str, Field(pattern=THING_ID, description="An id that the page has made up for itself.")]


class Ask(Request):
    holder: Holder
    take: bool = Field(default=False, description="Also when somebody else has it.")


class Leave(Request):
    holder: Holder


class SeatView(Answer):
    """Who edits a draft."""

    mine: bool = Field(description="Whoever asked has it.")
    author: str = Field(description="The name of the token of whoever has it.")
    since: Moment
    onlookers: list[str] = Field(description="The names of the tokens of other pages that show the draft.")


@router.put("/{name}/draft/seat", operation_id="askForSeat")
async def ask_for_seat(parts: PartsOf, caller: Caller, name: FlowName, who: Ask) -> SeatView:
    """Say that one edits the draft, and hear who does. Free again half a minute after it was last asked for.

    Nobody is kept from saving by it: that is what the draft's tag is for.
    """
    flow_id = await _flow_id(parts, name)
    before = parts.seats.of(flow_id), parts.seats.onlookers(flow_id)
    seat = parts.seats.ask(flow_id, who.holder, caller, take=who.take)
    onlookers = parts.seats.onlookers(flow_id)
    if before[0] is None or (before[0].holder, before[1]) != (seat.holder, onlookers):
        _tell(parts, name, seat)
    mine = seat.holder == who.holder
    return SeatView(mine=mine, author=seat.author, since=seat.since, onlookers=list(onlookers))


@router.delete("/{name}/draft/seat", status_code=204, operation_id="leaveSeat")
async def leave_seat(parts: PartsOf, name: FlowName, who: Annotated[Leave, Query()]) -> None:
    """Edit no longer. Nothing happens when somebody else does."""
    flow_id = await _flow_id(parts, name)
    if parts.seats.leave(flow_id, who.holder):
        _tell(parts, name, parts.seats.of(flow_id))


async def _flow_id(parts: Parts, name: str) -> str:
    async with parts.db.read() as conn:
        return (await flows.get(conn, name)).id


def _tell(parts: Parts, name: str, seat: Seat | None) -> None:
    parts.announce("seat", {"flow": name, "author": seat.author if seat is not None else None})
