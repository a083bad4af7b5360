"""One deployment on a real broker with real hosts: what a message meets on its way."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from headrace.bus import subjects
from headrace.bus.control import WorkerState
from headrace.bus.times import quantile
from headrace.flows.deployment import DeploymentSpec, Retry, StepSpec
from headrace.testing.plane import Plane, RunningWorker, until

PASS = "async def process(ctx, msg, cfg, snapshot):\n    return msg.body\n"


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


def hook(plane: Plane, **options: Any) -> StepSpec:
    code = plane.component("hook", {"hook.py": PASS})
    return StepSpec(
        id="hook", kind="trigger", function="receive", main="hook.py", code=code, trigger_type="webhook", **options
    )


def listener(plane: Plane, source: str, **options: Any) -> StepSpec:
    options = {"trigger_type": "listener"} | options
    code = plane.component("source", {"source.py": source})
    return StepSpec(id="source", kind="trigger", function="listen", main="source.py", code=code, **options)


def action(plane: Plane, name: str, source: str = PASS, **options: Any) -> StepSpec:
    code = plane.component(name, {f"{name}.py": source})
    return StepSpec(id=name, kind="action", function=name, main=f"{name}.py", code=code, **options)


async def arrived(plane: Plane, spec: DeploymentSpec, step: str, count: int, within: float = 20.0) -> list[Any]:
    """The bodies ``step`` emitted, once there are ``count``."""

    async def enough() -> list[Any] | None:
        bodies = await plane.bodies(spec, step)
        return bodies if len(bodies) >= count else None

    found: list[Any] = await until(enough, within=within, what=f"{count} messages from {step}")
    return found


async def errors(plane: Plane, spec: DeploymentSpec, step: str, count: int = 1, within: float = 20.0) -> list[Any]:
    async def enough() -> list[Any] | None:
        found = await plane.errors(spec, step)
        return found if len(found) >= count else None

    found: list[Any] = await until(enough, within=within, what=f"{count} errors of {step}")
    return found


async def logged(plane: Plane, spec: DeploymentSpec, step: str, text: str) -> str:
    async def there() -> str | None:
        return next((line.text for line in await plane.log(spec, step) if text in line.text), None)

    found: str = await until(there, what=f"{text!r} in the log of {step}")
    return found


async def step_state(worker: RunningWorker, step: str) -> Any:
    return next(each for each in (await worker.state()).steps if each.id == step)


async def test_a_message_is_mapped_processed_and_passed_on(plane: Plane) -> None:
    mapped = action(plane, "double", input='{"n": body.n * 2, "from": headers.who}')
    spec = plane.chain(hook(plane), mapped, action(plane, "last"))
    await plane.live(spec)
    await plane.send(spec, {"n": 21})
    assert await arrived(plane, spec, "last", 1) == [{"n": 42}]


async def test_metadata_of_a_message_is_handed_on_past_the_mapping(plane: Plane) -> None:
    says = (
        "from headrace_sdk import Message\ndef process(msg):\n    return Message(msg.body, metadata={'by': 'says'})\n"
    )
    seen = "def process(msg):\n    return [msg.body, msg.metadata]\n"
    mapped = action(plane, "seen", seen, input='{"n": body.n + 1}')
    spec = plane.chain(hook(plane), action(plane, "says", says), mapped)
    await plane.live(spec)
    await plane.send(spec, {"n": 1})
    assert await arrived(plane, spec, "seen", 1) == [[{"n": 2}, {"by": "says"}]]


async def test_a_false_condition_ends_the_message_there(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "even", when="body.n % 2 = 0"))
    worker = await plane.live(spec)
    for number in range(4):
        await plane.send(spec, {"n": number})
    assert await arrived(plane, spec, "even", 2) == [{"n": 0}, {"n": 2}]
    await worker.stop()
    kinds = Counter(fact.kind for fact in await plane.facts(spec) if fact.step == "even")
    assert kinds == {"done": 2, "skipped": 2}


async def test_facts_of_an_execution_sum_to_zero_when_it_has_ended(plane: Plane) -> None:
    twice = "def process(msg):\n    yield msg.body\n    yield {'second': True}\n"
    spec = plane.chain(hook(plane), action(plane, "twice", twice), action(plane, "last", input="{'x': body}"))
    worker = await plane.live(spec)
    sent = [await plane.send(spec, {"n": number}) for number in range(3)]
    await arrived(plane, spec, "last", 6)
    await worker.stop()
    opened: dict[str, int] = defaultdict(lambda: 1)  # each was accepted once, by whoever sent it
    for fact in await plane.facts(spec):
        opened[fact.execution] += fact.opened
        assert (fact.map_us >= 0) == (fact.step == "last")
    assert opened == {message.execution: 0 for message in sent}


async def test_earlier_outputs_reach_later_steps_that_ask_for_them(plane: Plane) -> None:
    first = msgspec.structs.replace(hook(plane), carry=())
    middle = action(plane, "middle", "def process(msg):\n    return {'middle': 1}\n", carry=("hook",))
    last = action(plane, "last", input='{"event": $steps.hook.body.n, "before": $steps.middle.body}')
    spec = plane.chain(first, middle, last)
    await plane.live(spec)
    await plane.send(spec, {"n": 7})
    assert await arrived(plane, spec, "last", 1) == [{"event": 7, "before": {"middle": 1}}]
    (passed,) = await plane.outputs(spec, "middle")
    assert set(passed.passthrough) == {"hook"}
    assert (await plane.outputs(spec, "hook"))[0].passthrough == {}


async def test_an_exception_becomes_an_error_record_with_input_and_traceback(plane: Plane) -> None:
    broken = "def process(msg):\n    raise ValueError(f'no {msg.body[\"n\"]}')\n"
    spec = plane.chain(hook(plane), action(plane, "broken", broken))
    await plane.live(spec)
    sent = await plane.send(spec, {"n": 5})
    (error,) = await errors(plane, spec, "broken")
    assert (error.failure.name, error.failure.message, error.failure.reason) == ("ValueError", "no 5", "exception")
    assert "broken.py" in error.failure.stack and "headrace_host" not in error.failure.stack
    assert error.message.execution == sent.execution
    assert json.loads(bytes(error.message.body)) == {"n": 5}


async def test_a_mapping_that_fails_is_an_error_of_its_own_kind(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "sum", input='{"n": body.n + 1}', retry=Retry(attempts=5)))
    await plane.live(spec)
    await plane.send(spec, {"n": "text"})
    (error,) = await errors(plane, spec, "sum")
    assert error.failure.reason == "mapping"
    assert "body.n" in error.failure.message


async def test_a_failing_message_is_tried_again_and_others_pass_it(plane: Plane) -> None:
    flaky = (
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    tries = snapshot.get(str(msg.body['n']), 0) + 1\n"
        "    await ctx.update_snapshot({str(msg.body['n']): tries})\n"
        "    if msg.body['n'] == 0 and tries < 3:\n"
        "        raise RuntimeError('not yet')\n"
        "    return {'n': msg.body['n'], 'tries': tries}\n"
    )
    retry = Retry(attempts=4, first=1, factor=1)
    spec = plane.chain(hook(plane), action(plane, "flaky", flaky, retry=retry))
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 0})
    await plane.send(spec, {"n": 1})
    assert await arrived(plane, spec, "flaky", 2) == [{"n": 1, "tries": 1}, {"n": 0, "tries": 3}]
    await worker.stop()
    kinds = [(fact.kind, fact.attempt) for fact in await plane.facts(spec) if fact.step == "flaky"]
    assert sorted(kinds) == [("delayed", 1), ("delayed", 2), ("done", 1), ("done", 3)]
    assert (await plane.bus.api(f"STREAM.INFO.{subjects.DELAYS}"))["state"]["messages"] == 0


async def test_strict_order_holds_the_line_while_a_message_is_tried_again(plane: Plane) -> None:
    flaky = (
        "import time\n"
        "seen = []\n"
        "def process(msg):\n"
        "    seen.append(msg.body['n'])\n"
        "    if msg.body['n'] == 2 and seen.count(2) < 3:\n"
        "        raise RuntimeError('not yet')\n"
        "    return msg.body\n"
    )
    retry = Retry(attempts=5, first=0.1, factor=1)
    spec = plane.chain(hook(plane), action(plane, "strict", flaky, retry=retry, order="strict"))
    await plane.live(spec)
    for number in range(6):
        await plane.send(spec, {"n": number})
    assert await arrived(plane, spec, "strict", 6) == [{"n": number} for number in range(6)]


async def test_rebound_waits_fifteen_seconds_first(plane: Plane) -> None:
    rebound = "async def process(ctx, msg, cfg, snapshot):\n    await ctx.rebound('the other side sleeps')\n"
    spec = plane.chain(hook(plane), action(plane, "later", rebound))
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1})

    async def delayed() -> Any:
        return [fact for fact in await plane.facts(spec) if fact.kind == "delayed"]

    (fact,) = await until(delayed, what="a delayed fact")
    assert 14_900 < fact.until - fact.at // 1000 <= 15_000
    assert fact.error == "the other side sleeps"
    state = (await plane.bus.api(f"STREAM.INFO.{subjects.DELAYS}"))["state"]
    assert state["messages"] == 1
    assert (await step_state(worker, "later")).waiting == 0


async def test_who_asks_for_another_attempt_once_too_often_gets_an_error(plane: Plane) -> None:
    rebound = "async def process(ctx, msg, cfg, snapshot):\n    await ctx.rebound('the other side sleeps')\n"
    spec = plane.chain(hook(plane), action(plane, "later", rebound), rebound=Retry(attempts=3, first=0.05, max=0.1))
    await plane.live(spec)
    await plane.send(spec, {"n": 1})
    (error,) = await errors(plane, spec, "later")
    assert error.failure.reason == "rebound-limit"
    assert error.failure.message == "rebound limit exceeded after 3 attempts: the other side sleeps"
    delayed = [fact for fact in await plane.facts(spec) if fact.kind == "delayed"]
    assert [fact.until - fact.at // 1000 for fact in delayed] == pytest.approx([50, 100], abs=20)


async def test_concurrency_one_keeps_order_and_more_runs_side_by_side(plane: Plane) -> None:
    slow = (
        "import asyncio\n"
        "running = 0\n"
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    global running\n"
        "    running += 1\n"
        "    most = running\n"
        "    await asyncio.sleep(0.02)\n"
        "    running -= 1\n"
        "    return {'n': msg.body['n'], 'most': most}\n"
    )
    spec = plane.chain(hook(plane), action(plane, "one", slow), action(plane, "four", slow, concurrency=4))
    await plane.live(spec)
    for number in range(12):
        await plane.send(spec, {"n": number})
    bodies = await arrived(plane, spec, "four", 12)
    one = await plane.bodies(spec, "one")
    assert [body["n"] for body in one] == list(range(12))
    assert {body["most"] for body in one} == {1}
    assert sorted(body["n"] for body in bodies) == list(range(12))
    assert max(body["most"] for body in bodies) <= 4


async def test_a_call_over_its_time_is_cancelled(plane: Plane) -> None:
    hang = (
        "import asyncio\n"
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    if msg.body['n'] == 0:\n"
        "        await asyncio.sleep(3600)\n"
        "    return msg.body\n"
    )
    spec = plane.chain(hook(plane), action(plane, "hang", hang, timeout=0.5))
    await plane.live(spec)
    await plane.send(spec, {"n": 0})
    await plane.send(spec, {"n": 1})
    (error,) = await errors(plane, spec, "hang")
    assert error.failure.reason == "timeout"
    assert await arrived(plane, spec, "hang", 1) == [{"n": 1}]


async def test_a_call_that_ignores_its_cancellation_fails_by_its_timeout_and_nobody_else_is_to_blame(
    plane: Plane,
) -> None:
    hang = (
        "import time\n"
        "def process(ctx, msg, cfg, snapshot):\n"
        "    yield {'began': msg.body['n']}\n"
        "    if msg.body['n'] == 1:\n"
        "        time.sleep(3600)\n"
        "    yield msg.body\n"
    )
    spec = plane.chain(hook(plane), action(plane, "hang", hang, timeout=0.5))
    worker = await plane.live(spec)
    sent = [await plane.send(spec, {"n": number}) for number in range(4)]
    (error,) = await errors(plane, spec, "hang")
    assert error.failure.reason == "timeout" and error.message.execution == sent[1].execution
    bodies = await arrived(plane, spec, "hang", 7)
    assert bodies == [{"began": 0}, {"n": 0}, {"began": 1}, {"began": 2}, {"n": 2}, {"began": 3}, {"n": 3}]
    assert (await step_state(worker, "hang")).restarts == 1


async def test_print_and_logger_reach_the_log_of_the_step(plane: Plane) -> None:
    talk = (
        "import sys\n"
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    print('printed')\n"
        "    print('to stderr', file=sys.stderr)\n"
        "    ctx.logger.info('logged %s', msg.body['n'])\n"
        "    ctx.logger.debug('too quiet')\n"
    )
    spec = plane.chain(hook(plane), action(plane, "talk", talk))
    await plane.live(spec)
    await plane.send(spec, {"n": 3})
    for text in ("printed", "to stderr", "logged 3"):
        await logged(plane, spec, "talk", text)
    sources = {line.text: line.source for line in await plane.log(spec, "talk")}
    assert sources["printed"] == "stdout" and sources["to stderr"] == "stderr" and sources["logged 3"] == "logger"
    assert "too quiet" not in sources


async def test_a_line_of_the_log_names_the_execution_it_was_written_for(plane: Plane) -> None:
    source = "async def process(ctx, msg):\n    ctx.logger.info('at work on %s', msg.body['n'])\n    return msg.body\n"
    spec = plane.chain(hook(plane), action(plane, "work", source))
    await plane.live(spec)
    for number in (1, 2):
        await plane.send(spec, {"n": number})
    await arrived(plane, spec, "work", 2)
    outputs = {json.loads(bytes(each.body))["n"]: each for each in await plane.outputs(spec, "hook")}
    for number, message in outputs.items():
        await logged(plane, spec, "work", f"at work on {number}")
        [line] = [each for each in await plane.log(spec, "work") if each.text == f"at work on {number}"]
        assert (line.execution, line.message) == (message.execution, message.id)


async def test_a_worker_says_how_long_messages_took_and_since_when_the_oldest_waits(plane: Plane) -> None:
    source = """
import asyncio
async def process(msg):
    await asyncio.sleep(msg.body["seconds"])
    return msg.body
"""
    spec = plane.chain(hook(plane), action(plane, "work", source))
    worker = await plane.live(spec)
    await plane.send(spec, {"seconds": 0.2})

    async def ended() -> Any:
        state = await step_state(worker, "work")
        return state if state.times else None

    done = await until(ended, what="the first message is done")
    assert sum(done.times.values()) == 1
    took = quantile(done.times, 0.5)
    assert took is not None
    assert 170_000 < took < 2_000_000
    assert done.oldest == 0
    before = time.time_ns() // 1_000_000
    for _ in range(2):
        await plane.send(spec, {"seconds": 60})

    async def waiting() -> Any:
        state = await step_state(worker, "work")
        return state if state.waiting == 2 else None

    waits = await until(waiting, what="both wait")
    assert before <= waits.oldest <= time.time_ns() // 1_000_000


async def test_a_listener_emits_and_a_repeat_of_its_own_id_is_removed(plane: Plane) -> None:
    source = (
        "from headrace_sdk import Message\n"
        "import asyncio\n"
        "async def listen(ctx, cfg, snapshot):\n"
        "    for number in (1, 2, 2, 3, 1):\n"
        "        await ctx.emit(Message(body={'n': number}, id=f'event-{number}'))\n"
        "    await asyncio.Event().wait()\n"
    )
    spec = plane.chain(listener(plane, source), action(plane, "last"))
    worker = await plane.live(spec)
    assert await arrived(plane, spec, "last", 3) == [{"n": 1}, {"n": 2}, {"n": 3}]
    await worker.stop()
    emitted = [fact for fact in await plane.facts(spec) if fact.kind == "emitted"]
    assert len({fact.execution for fact in emitted}) == len(emitted) == 3


async def test_a_listener_that_raises_is_reported_and_opened_again(plane: Plane) -> None:
    source = (
        "calls = 0\n"
        "async def listen(ctx, cfg, snapshot):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    await ctx.emit({'call': calls})\n"
        "    raise ConnectionError('the source went away')\n"
    )
    spec = plane.chain(listener(plane, source), action(plane, "last"))
    await plane.live(spec)
    assert (await arrived(plane, spec, "last", 2))[:2] == [{"call": 1}, {"call": 2}]
    assert "went away" in (await errors(plane, spec, "source"))[0].failure.message


async def test_polling_calls_again_and_again_with_its_snapshot_kept_over_restarts(plane: Plane) -> None:
    source = (
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    last = snapshot.get('last', 0) + 1\n"
        "    await ctx.emit({'n': last})\n"
        "    await ctx.update_snapshot({'last': last})\n"
    )
    spec = plane.chain(listener(plane, source, trigger_type="polling", poll_interval=0.05), action(plane, "last"))
    worker = await plane.live(spec)
    await arrived(plane, spec, "last", 3)
    await worker.stop()
    before = len(await plane.bodies(spec, "source"))
    again = plane.restart(spec)
    await again.activate()
    bodies = await arrived(plane, spec, "source", before + 3)
    assert [body["n"] for body in bodies] == list(range(1, len(bodies) + 1))


async def test_a_step_that_cannot_load_fails_the_deployment_with_its_own_error(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "broken", "import not_there\n"), ready_within=10)
    worker = await plane.run(spec)
    state = await worker.reach("failed")
    assert "broken" in state.reason and "not_there" in state.reason
    await worker.stop()


async def test_a_failing_init_is_named(plane: Plane) -> None:
    locked = "def init(cfg):\n    raise RuntimeError('the door is locked')\nasync def process(msg): ...\n"
    spec = plane.chain(hook(plane), action(plane, "shut", locked), ready_within=10)
    worker = await plane.run(spec)
    state = await worker.reach("failed")
    assert state.reason == "step `shut`: `init` failed: RuntimeError: the door is locked"
    await worker.stop()


async def test_a_step_that_is_never_ready_fails_the_deployment_at_its_deadline(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "slow", "import time\ntime.sleep(60)\n"), ready_within=1)
    worker = await plane.run(spec)
    state = await worker.reach("failed")
    assert state.reason.endswith("not ready within 1 s: loading it, or its `init`, did not end")
    await worker.stop()


async def test_without_the_lease_nothing_is_activated(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "last"))
    worker = await plane.run(spec)
    await worker.reach("ready")
    await worker.tell("activate")
    assert "lease" in (await worker.reach("failed")).reason
    await worker.stop()


async def test_startup_runs_once_per_flow_start_and_shutdown_only_when_the_flow_is_stopped(plane: Plane) -> None:
    source = (
        "import asyncio\n"
        "def startup(ctx, cfg):\n"
        "    print('startup ran')\n"
        "    return {'subscription': 17}\n"
        "def shutdown(ctx, cfg, data):\n"
        "    print('shutdown ran with', data)\n"
        "async def listen(ctx, cfg, snapshot):\n"
        "    await ctx.emit({'n': 1})\n"
        "    await asyncio.Event().wait()\n"
    )
    spec = plane.chain(listener(plane, source), action(plane, "last"))
    worker = await plane.live(spec)
    await arrived(plane, spec, "last", 1)
    await worker.stop()
    again = plane.restart(spec)
    await again.activate()
    await arrived(plane, spec, "last", 2)
    await again.stop(final=True)
    lines = [line.text for line in await plane.log(spec, "source") if "ran" in line.text]
    assert lines == ["startup ran", "shutdown ran with {'subscription': 17}"]


async def test_back_pressure_travels_to_the_trigger(plane: Plane) -> None:
    source = (
        "import asyncio\n"
        "async def listen(ctx, cfg, snapshot):\n"
        "    for number in range(200):\n"
        "        await ctx.emit({'n': number})\n"
        "    await asyncio.Event().wait()\n"
    )
    slow = "import time\ndef process(msg):\n    time.sleep(0.02)\n    return msg.body\n"
    spec = plane.chain(
        listener(plane, source), action(plane, "pass", queue_limit=5), action(plane, "slow", slow, queue_limit=5)
    )
    worker = await plane.live(spec)
    most = 0

    async def done() -> bool:
        nonlocal most
        state: WorkerState = await worker.state()
        waiting = {step.id: step.waiting for step in state.steps}
        most = max(most, waiting["slow"])
        emitted = {step.id: step.emitted for step in state.steps}
        return emitted["slow"] == 200

    await until(done, within=30)
    assert 5 <= most <= 60
    assert await plane.bodies(spec, "slow") == [{"n": number} for number in range(200)]


async def test_a_journal_that_is_full_stops_the_trigger_and_still_drains(plane: Plane) -> None:
    source = (
        "import asyncio\n"
        "async def listen(ctx, cfg, snapshot):\n"
        "    for number in range(400):\n"
        "        await ctx.emit({'n': number, 'pad': 'x' * 10_000})\n"
        "    await asyncio.Event().wait()\n"
    )
    spec = plane.chain(
        listener(plane, source),
        action(plane, "pass"),
        action(plane, "last", input='{"n": body.n}'),
        journal_bytes=2 << 20,
    )
    await plane.live(spec)
    heard: set[int] = set()

    async def all_of_them() -> bool:
        heard.update(body["n"] for body in await plane.bodies(spec, "last"))
        return len(heard) == 400

    await until(all_of_them, within=60)
    size = (await plane.bus.api(f"STREAM.INFO.{subjects.stream(spec.flow_id)}"))["state"]["bytes"]
    assert size <= 2 << 20


async def test_a_body_over_the_limit_is_refused_with_the_setting_named(plane: Plane) -> None:
    big = "def process(msg):\n    return {'pad': 'x' * 5000}\n"
    spec = plane.chain(hook(plane), action(plane, "big", big), message_limit=4000)
    await plane.live(spec)
    await plane.send(spec, {"n": 1})
    (error,) = await errors(plane, spec, "big")
    assert error.failure.reason == "too-large" and "message_limit" in error.failure.message


async def test_an_http_reply_reaches_the_caller_who_waits(plane: Plane) -> None:
    reply = (
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    await ctx.http_reply({'made': msg.body['n']}, status=201, headers={'x-a': 'b'})\n"
    )
    spec = plane.chain(hook(plane), action(plane, "reply", reply))
    await plane.live(spec)
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def heard(subject: str, data: bytes, reply_to: str) -> None:
        answers.put_nowait(data)

    await plane.bus.subscribe("replies.1", heard)
    await plane.send(spec, {"n": 4}, reply_to="replies.1")
    answer = json.loads(await asyncio.wait_for(answers.get(), 10))
    assert answer == {"status": 201, "headers": {"x-a": "b"}, "body": {"made": 4}}


async def test_a_caller_who_waits_is_told_when_a_step_has_failed_for_good(plane: Plane) -> None:
    fails = "async def process(ctx):\n    raise ValueError(f'attempt {ctx.attempt} of secrets')\n"
    retry = Retry(attempts=2, first=0.01)
    spec = plane.chain(hook(plane), action(plane, "fails", fails, retry=retry))
    await plane.live(spec)
    answers: list[bytes] = []
    undo = await plane.bus.on_message("replies.*", lambda subject, reply, data, headers: answers.append(data))
    await plane.send(spec, {}, reply_to="replies.1")
    await plane.send(spec, {})
    failed = {each.message.reply_to: each.message.execution for each in await errors(plane, spec, "fails", 2)}
    await until(lambda: answers, what="the caller is told")
    assert [json.loads(answer) for answer in answers] == [{"failed": "fails", "execution": failed["replies.1"]}]
    await undo()


async def test_a_host_over_its_memory_is_ended_and_starts_again(plane: Plane) -> None:
    hog = "kept = []\ndef process(msg):\n    kept.append(bytearray(msg.body['mb'] << 20))\n    return {'ok': 1}\n"
    spec = plane.chain(hook(plane), action(plane, "hog", hog, memory=100 << 20))
    worker = await plane.live(spec)
    await plane.send(spec, {"mb": 200})
    await logged(plane, spec, "hog", "over the limit of 100 MB")
    await until(lambda: _restarted(worker, "hog"), what="the host starts again")
    await plane.send(spec, {"mb": 1})
    await arrived(plane, spec, "hog", 2)


async def _restarted(worker: RunningWorker, step: str) -> bool:
    state = await step_state(worker, step)
    return bool(state.restarts >= 1 and state.host == "ready")
