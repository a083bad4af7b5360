"""Expressions tried out while a flow is designed, by the engine that workers use, on a message that is sent along."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import Field

from headrace.api.shapes import Answer, Request, StepName, Text
from headrace.flows.mapping import Expression, MappingError

__all__ = ["router"]

LONGEST = 100_000

router = APIRouter(prefix="/expressions", tags=["flows"])


class Content(Request):
    """What an expression sees of a message."""

    body: Any = None
    headers: dict[Text, Any] = Field(default_factory=dict)
    attachments: dict[Text, Any] = Field(default_factory=dict)


class Trial(Request):
    expression: Annotated[Text, Field(max_length=LONGEST, description="JSONata, as `input` or `when` of a step.")]
    message: Content = Field(description="The message that comes to the step.")
    steps: dict[StepName, Content] = Field(
        default_factory=dict, max_length=500, description="Outputs of earlier steps: what `$steps` holds."
    )


class ExpressionMistake(Answer):
    code: str = Field(description="JSONata's own code, such as `T2001`.")
    message: str
    position: int | None = Field(description="Where in the expression, in characters from 0; null when nowhere.")


class Evaluated(Answer):
    """``mistake``: it does not compile, or not work on this message."""

    defined: bool = Field(description="False: nothing was found; a step then receives `{}`.")
    result: Any
    mistake: ExpressionMistake | None


@router.post("/evaluate", operation_id="evaluateExpression")
async def evaluate_expression(trial: Trial) -> Evaluated:
    """What the expression makes of the message, within a second. Changes nothing."""
    try:
        result = await asyncio.to_thread(_evaluate, trial)
    except MappingError as error:
        mistake = ExpressionMistake(code=error.code, message=error.message, position=error.position)
        return Evaluated(defined=False, result=None, mistake=mistake)
    return Evaluated(defined=result is not None, result=msgspec.json.decode(result or b"null"), mistake=None)


def _evaluate(trial: Trial) -> bytes | None:
    steps = {step: content.model_dump() for step, content in trial.steps.items()}
    return Expression(trial.expression).evaluate(trial.message.model_dump_json(), steps)
