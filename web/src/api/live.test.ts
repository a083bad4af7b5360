import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Connection, follow } from "@/api/live";

class Source extends EventTarget {
  static made: Source[] = [];
  static readonly CLOSED = 2;
  readyState = 1;
  closed = false;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    Source.made.push(this);
  }
  close() {
    this.closed = true;
  }
  says(kind: string, data = "{}") {
    this.dispatchEvent(new MessageEvent(kind, { data }));
  }
  fails(readyState: number) {
    this.readyState = readyState;
    this.onerror?.();
  }
}

beforeEach(() => {
  Source.made = [];
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Source);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function followed() {
  const states: Connection[] = [];
  const heard: string[] = [];
  const stop = follow("/events", {
    events: { flow: (data) => heard.push(data) },
    onState: (state) => states.push(state),
  });
  return { states, heard, stop };
}

it("hears events and says how the connection is", () => {
  const { states, heard, stop } = followed();
  Source.made[0]?.says("hello");
  Source.made[0]?.says("flow", '{"flow":"a"}');
  expect([states, heard]).toEqual([["open"], ['{"flow":"a"}']]);
  stop();
  expect(Source.made[0]?.closed).toBe(true);
});

it("connects again by itself when the browser has given up", () => {
  const { states } = followed();
  Source.made[0]?.fails(Source.CLOSED);
  expect(states).toEqual(["lost"]);
  vi.advanceTimersByTime(3_000);
  expect(Source.made).toHaveLength(2);
  Source.made[1]?.says("hello");
  expect(states.at(-1)).toBe("open");
});

it("takes a silent connection for lost, and a beating one not", () => {
  const { states } = followed();
  Source.made[0]?.says("hello");
  for (let beat = 0; beat < 5; beat++) {
    vi.advanceTimersByTime(15_000);
    Source.made[0]?.says("beat");
  }
  expect(Source.made).toHaveLength(1);
  vi.advanceTimersByTime(41_000);
  expect(states.at(-1)).toBe("lost");
  expect(Source.made).toHaveLength(2);
  expect(Source.made[0]?.closed).toBe(true);
});

it("is silent after it was stopped", () => {
  followed().stop();
  vi.advanceTimersByTime(100_000);
  expect(Source.made).toHaveLength(1);
});
