"""Node.js hosts under a real worker, on a real broker, in the sandbox where there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.integration.test_worker import action, arrived, errors, listener, logged, step_state
from tests.integration.test_worker import hook as python_hook

from headrace.flows.deployment import DeploymentSpec, Retry, StepSpec
from headrace.testing.plane import Plane, until

pytestmark = pytest.mark.needs("node")

ECHO = "exports.process = async (msg) => ({ body: msg.body });\n"


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


def node(plane: Plane, name: str, source: str, **options: Any) -> StepSpec:
    files = {f"{name}.js": source, "package.json": "{}"}
    options = {"kind": "action", "function": name, "main": f"{name}.js"} | options
    return StepSpec(id=name, code=plane.component(name, files), **options)


def trigger(plane: Plane, source: str, **options: Any) -> StepSpec:
    return node(
        plane, "source", source, **{"kind": "trigger", "trigger_type": "polling", "poll_interval": 0.02} | options
    )


async def test_styles_and_languages_mix_in_one_flow(plane: Plane) -> None:
    callback = """
    exports.process = function (msg) {
      setTimeout(() => {
        this.emit('data', { body: { n: msg.body.n * 2 } });
        this.emit('end');
      }, 1);
    };
    """
    es_module = "export async function process(msg, cfg) {\n  return { body: { n: msg.body.n + cfg.add } };\n}\n"
    files = {"add.mjs": es_module, "package.json": "{}"}
    add = StepSpec(
        id="add", kind="action", function="add", main="add.mjs", code=plane.component("add", files), fields={"add": 1}
    )
    spec = plane.chain(python_hook(plane), node(plane, "double", callback), add)
    await plane.live(spec)
    for number in range(20):
        await plane.send(spec, {"n": number})
    assert await arrived(plane, spec, "add", 20) == [{"n": number * 2 + 1} for number in range(20)]


async def test_careful_listener_gives_one_message_per_event_over_many_calls(plane: Plane) -> None:
    careful = """
    let calls = 0;
    let timer;
    exports.process = function () {
      calls += 1;
      if (!timer) {
        let n = 0;
        timer = setInterval(() => this.emit('data', { body: { n: (n += 1), calls } }), 20);
      }
    };
    """
    spec = plane.chain(trigger(plane, careful, quiet_after=0.01, call_max=0.05), node(plane, "last", ECHO))
    worker = await plane.live(spec)
    await arrived(plane, spec, "last", 20)
    await worker.stop()
    bodies = await plane.bodies(spec, "last")
    assert [body["n"] for body in bodies] == list(range(1, len(bodies) + 1))
    assert bodies[-1]["calls"] > 3
    assert len({message.execution for message in await plane.outputs(spec, "last")}) == len(bodies)


@pytest.mark.parametrize(
    ("read", "write"),
    [("snapshot.at ?? 0", "'updateSnapshot', { at }"), ("parseInt(snapshot) || 0", "'snapshot', `${at}th`")],
    ids=["object", "text"],
)
async def test_polling_goes_on_from_its_snapshot(plane: Plane, read: str, write: str) -> None:
    polling = f"""
    exports.process = async function (msg, cfg, snapshot) {{
      const at = ({read}) + 1;
      await this.emit('data', {{ body: {{ at }} }});
      await this.emit({write});
    }};
    """
    spec = plane.chain(trigger(plane, polling), node(plane, "last", ECHO))
    worker = await plane.live(spec)
    await arrived(plane, spec, "last", 5)
    await worker.stop()
    worker = plane.restart(spec)
    await worker.activate()
    before = len(await plane.bodies(spec, "source"))
    await arrived(plane, spec, "last", before + 3)
    found = [body["at"] for body in await plane.bodies(spec, "source")]
    assert found == list(range(1, len(found) + 1))


async def test_a_listener_is_opened_once_and_closed_on_stop(plane: Plane) -> None:
    source = """
    exports.listen = async function () {
      this.logger.info('opened');
      await this.emit('data', { body: 'first' });
      return () => this.logger.info('closed');
    };
    """
    spec = plane.chain(trigger(plane, source, trigger_type="listener"), node(plane, "last", ECHO))
    worker = await plane.live(spec)
    assert await arrived(plane, spec, "last", 1) == ["first"]
    await worker.stop()
    await logged(plane, spec, "source", "closed")
    assert sum(line.text == "opened" for line in await plane.log(spec, "source")) == 1


async def test_a_listener_that_throws_is_opened_again(plane: Plane) -> None:
    source = """
    let times = 0;
    exports.listen = async function () {
      times += 1;
      if (times < 3) throw new Error(`broken ${times}`);
      await this.emit('data', { body: times });
      await new Promise(() => {});
    };
    """
    spec = plane.chain(trigger(plane, source, trigger_type="listener"), node(plane, "last", ECHO))
    await plane.live(spec)
    assert await arrived(plane, spec, "last", 1) == [3]


async def test_a_call_over_its_time_is_a_timeout_and_the_host_lives_on(plane: Plane) -> None:
    hangs = "exports.process = async (msg) => (msg.body === 'hang' ? new Promise(() => {}) : { body: process.pid });\n"
    spec = plane.chain(python_hook(plane), node(plane, "hangs", hangs, timeout=0.2))
    worker = await plane.live(spec)
    await plane.send(spec, "pid")
    await plane.send(spec, "hang")
    await plane.send(spec, "pid")
    first, second = await arrived(plane, spec, "hangs", 2)
    assert first == second
    [error] = await errors(plane, spec, "hangs")
    assert error.failure.reason == "timeout"
    assert (await step_state(worker, "hangs")).restarts == 0


async def test_a_call_that_holds_the_event_loop_fails_and_takes_no_other_along(plane: Plane) -> None:
    spins = """
    exports.process = async (msg) => {
      while (msg.body === 'spin');
      await new Promise((done) => setTimeout(done, 100));
      return { body: msg.body };
    };
    """
    spec = plane.chain(python_hook(plane), node(plane, "spins", spins, timeout=0.5, concurrency=3))
    await plane.live(spec)
    for body in ("a", "spin", "b"):
        await plane.send(spec, body)
    assert sorted(await arrived(plane, spec, "spins", 2)) == ["a", "b"]
    [error] = await errors(plane, spec, "spins")
    assert (error.failure.reason, bytes(error.message.body)) == ("timeout", b'"spin"')
    assert "the cancellation was not heeded" in error.failure.message


async def test_a_forgotten_end_is_a_timeout(plane: Plane) -> None:
    spec = plane.chain(python_hook(plane), node(plane, "forgets", "exports.process = () => {};\n", timeout=0.2))
    await plane.live(spec)
    await plane.send(spec, {})
    [error] = await errors(plane, spec, "forgets")
    assert error.failure.reason == "timeout"


async def test_an_exception_nobody_caught_ends_the_host_and_the_log_says_why(plane: Plane) -> None:
    crashes = """
    exports.process = function () {
      setImmediate(() => {
        throw new RangeError('in a callback');
      });
    };
    """
    spec = plane.chain(python_hook(plane), node(plane, "crashes", crashes))
    await plane.live(spec)
    await plane.send(spec, {})
    [error] = await errors(plane, spec, "crashes")
    assert error.failure.reason == "poison"
    await logged(plane, spec, "crashes", "RangeError: in a callback")


async def test_a_message_too_large_fails_the_call_though_nobody_waited(plane: Plane) -> None:
    careless = """
    exports.process = function (msg) {
      this.emit('data', { body: 'x'.repeat(msg.body) });
      this.emit('end');
    };
    """
    spec = plane.chain(python_hook(plane), node(plane, "careless", careless), message_limit=10_000)
    await plane.live(spec)
    await plane.send(spec, 20_000)
    [error] = await errors(plane, spec, "careless")
    assert error.failure.message.startswith("too-large")


async def test_a_failing_call_is_tried_again_and_knows_its_attempt(plane: Plane) -> None:
    failing = """
    exports.process = async function (msg) {
      if (this.attempt < 3) throw new Error('not yet');
      return { body: this.attempt };
    };
    """
    retry = Retry(attempts=3, first=0.01)
    spec = plane.chain(python_hook(plane), node(plane, "failing", failing, retry=retry))
    await plane.live(spec)
    await plane.send(spec, {})
    assert await arrived(plane, spec, "failing", 1) == [3]


async def test_code_sees_that_a_caller_waits_and_answers_it(plane: Plane) -> None:
    replies: list[bytes] = []
    undo = await plane.bus.on_message("reply.test.*", lambda subject, reply, data, headers: replies.append(data))
    answers = """
    exports.process = async function (msg) {
      if (msg.headers.reply_to) await this.emit('httpReply', { statusCode: 201, headers: { x: '1' }, body: 'made' });
      return { body: { waits: Boolean(msg.headers.reply_to) }, metadata: { by: 'answers' } };
    };
    """
    seen = "exports.process = async (msg) => ({ body: msg.metadata });\n"
    spec = plane.chain(python_hook(plane), node(plane, "answers", answers), node(plane, "seen", seen))
    await plane.live(spec)
    await plane.send(spec, {}, reply_to="reply.test.1")
    await plane.send(spec, {})
    assert await arrived(plane, spec, "answers", 2) == [{"waits": True}, {"waits": False}]
    assert await arrived(plane, spec, "seen", 2) == [{"by": "answers"}] * 2
    await until(lambda: replies, what="the reply")
    assert replies == [b'{"status":201,"headers":{"x":"1"},"body":"made"}']
    await undo()


async def test_a_python_trigger_feeds_node_and_the_environment_is_there(plane: Plane) -> None:
    source = "async def listen(ctx):\n    await ctx.emit(1)\n    import asyncio\n    await asyncio.Event().wait()\n"
    code = "exports.process = async function () {\n  return { body: this.getConfig() };\n};\n"
    spec = plane.chain(listener(plane, source), node(plane, "env", code))
    await plane.live(spec)
    [found] = await arrived(plane, spec, "env", 1)
    assert (found["STEP_ID"], found["FUNCTION"], found["FLOW_ID"]) == ("env", "env", spec.flow_id)


async def test_a_component_that_does_not_load_fails_the_deployment_with_its_own_words(plane: Plane) -> None:
    spec = plane.chain(python_hook(plane), node(plane, "broken", "require('left-pad');\n"))
    worker = await plane.run(spec)
    state = await worker.reach("failed")
    assert "Cannot find module 'left-pad'" in state.reason


ROUTES = {
    "python": (
        "from headrace_sdk import EmitError, Message\n"
        "async def process(ctx, msg):\n"
        "    to = msg.body['to']\n"
        "    message = Message({'for': to}, headers={'X-Eio-Routing-Key': to, 'h': 1})\n"
        "    if msg.body.get('returned'):\n"
        "        return message\n"
        "    try:\n"
        "        await ctx.emit(message)\n"
        "    except EmitError as error:\n"
        "        return {'refused': error.reason}\n"
    ),
    "node": (
        "exports.process = async function ({ body: { to, returned } }) {\n"
        "  const message = { body: { for: to }, headers: { 'X-Eio-Routing-Key': to, h: 1 } };\n"
        "  if (returned) return message;\n"
        "  try {\n"
        "    await this.emit('data', message);\n"
        "  } catch (error) {\n"
        "    return { body: { refused: error.reason } };\n"
        "  }\n"
        "};\n"
    ),
}
SEEN = "def process(msg):\n    return [msg.body, msg.headers]\n"


@pytest.mark.parametrize("language", ROUTES)
async def test_a_message_may_name_the_one_step_that_gets_it(plane: Plane, language: str) -> None:
    source = ROUTES[language]
    router = node(plane, "router", source) if language == "node" else action(plane, "router", source)
    after = [action(plane, "left", SEEN), action(plane, "right", SEEN, when="$not(body.for = 'nobody')")]
    spec = branched(plane, python_hook(plane), router, *after)
    worker = await plane.live(spec)
    for body in ({"to": "left"}, {"to": "right"}, {"to": ""}, {"to": "elsewhere"}, {"to": "gone", "returned": True}):
        await plane.send(spec, body)
    refused = [{"refused": "no-such-step"}, {}]
    both = [{"for": ""}, {"h": 1}]
    assert await arrived(plane, spec, "left", 3) == [[{"for": "left"}, {"h": 1}], both, refused]
    assert await arrived(plane, spec, "right", 3) == [[{"for": "right"}, {"h": 1}], both, refused]
    [error] = await errors(plane, spec, "router")
    assert error.failure.reason == "no-such-step"
    assert "names `gone`, which is no step after `router`; after it: `left`, `right`" in error.failure.message
    await worker.stop()
    facts = [fact for fact in await plane.facts(spec) if fact.kind == "skipped"]
    assert sorted(fact.step for fact in facts) == ["left", "right"]


def branched(plane: Plane, trigger: StepSpec, router: StepSpec, *after: StepSpec) -> DeploymentSpec:
    """All of ``after`` come after the router."""
    chain = plane.chain(trigger, router)
    changed = msgspec.structs.replace(chain.steps[1], successors=tuple(step.id for step in after))
    rest = tuple(msgspec.structs.replace(step, after=(router.id,)) for step in after)
    return msgspec.structs.replace(chain, steps=(chain.steps[0], changed, *rest))


async def test_a_trigger_may_name_the_one_step_that_gets_its_event(plane: Plane) -> None:
    source = """
    exports.listen = async function () {
      const emit = (to) => this.emit('data', { body: { to }, headers: { 'x-eio-routing-key': to } });
      const refused = await emit('nowhere').catch((error) => error.reason);
      await emit('left');
      await this.emit('data', { body: { refused } });
      await new Promise(() => {});
    };
    """
    trigger = node(plane, "source", source, kind="trigger", trigger_type="listener")
    after = [action(plane, "left", SEEN), action(plane, "right", SEEN)]
    chain = plane.chain(trigger)
    changed = msgspec.structs.replace(chain.steps[0], successors=("left", "right"))
    rest = tuple(msgspec.structs.replace(step, after=("source",)) for step in after)
    spec = msgspec.structs.replace(chain, steps=(changed, *rest))
    await plane.live(spec)
    told = [{"refused": "no-such-step"}, {}]
    assert await arrived(plane, spec, "left", 2) == [[{"to": "left"}, {}], told]
    assert await arrived(plane, spec, "right", 1) == [told]
