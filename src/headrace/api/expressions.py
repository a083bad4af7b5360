"""Expressions tried out while a flow is designed, by the engine that workers use, on a message that is sent along."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import Field

from headrace.api.problems import Mistake, mistakes
from headrace.api.shapes import Answer, Request, StepName, Text
from headrace.flows.fit import misfits, unknown_reads
from headrace.flows.mapping import EMPTY_BODY, Expression, MappingError

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

    takes: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of what the step takes: the result is checked against it."
    )
    gives: dict[StepName, dict[str, Any] | None] = Field(
        default_factory=dict,
        max_length=500,
        description="JSON Schemas of the bodies that earlier steps emit: what the expression reads is looked up there.",
    )
    after: list[StepName] = Field(
        default_factory=list, max_length=500, description="The steps whose messages come to this one."
    )


class ExpressionMistake(Answer):
    code: str = Field(description="JSONata's own code, such as `T2001`.")
    message: str
    position: int | None = Field(description="Where in the expression, in characters from 0; null when nowhere.")
    cure: str = Field(description="What to do about it, where that can be said.")


class Evaluated(Answer):
    """``mistake``: it does not compile, or not work on this message."""

    defined: bool = Field(description="False: nothing was found; a step then receives `{}`.")
    result: Any
    mistake: ExpressionMistake | None
    misfits: list[Mistake] = Field(
        description="Where the result is not what the step takes (the path is that of the target field), and what the "
        "expression reads that no step says it gives (a warning; the path is the one that is read)."
    )


@router.post("/evaluate", operation_id="evaluateExpression")
async def evaluate_expression(trial: Trial) -> Evaluated:
    """What the expression makes of the message, within a second, and whether that fits. Changes nothing."""
    return await asyncio.to_thread(_evaluated, trial)


def _evaluated(trial: Trial) -> Evaluated:
    try:
        expression = Expression(trial.expression)
    except MappingError as error:
        return Evaluated(defined=False, result=None, mistake=_mistake(error), misfits=[])
    read = mistakes(unknown_reads(expression.reads, trial.gives, trial.after))
    steps = {step: content.model_dump() for step, content in trial.steps.items()}
    try:
        found = expression.evaluate(trial.message.model_dump_json(), steps)
    except MappingError as error:
        return Evaluated(defined=False, result=None, mistake=_mistake(error), misfits=read)
    result = msgspec.json.decode(found or b"null")
    made = msgspec.json.decode(EMPTY_BODY) if found is None else result
    built = mistakes(misfits(made, trial.takes)) if trial.takes is not None else []
    return Evaluated(defined=found is not None, result=result, mistake=None, misfits=[*built, *read])


def _mistake(error: MappingError) -> ExpressionMistake:
    return ExpressionMistake(code=error.code, message=error.message, position=error.position, cure=error.cure)
