import { expect, it } from "vitest";
import { figures } from "@/features/designer/StepLive";

const live = {
  id: "a",
  host: "ready",
  pid: 1,
  restarts: 2,
  received: 10,
  emitted: 20,
  failed: 1,
  received_s: 1.5,
  emitted_s: null,
  failed_s: 0,
  p50_us: 1_200,
  p99_us: 88_000,
  waiting: 7,
  oldest_at: 10_000,
  open: 1,
  memory: 33 * 2 ** 20,
  ready_ms: 410,
  warning: "",
  leak: null,
  reason: "",
};

it("tells everything there is to know of a running step", () => {
  expect(Object.fromEntries(figures(live, 25_000))).toEqual({
    State: "ready",
    In: "10, 1.5/s",
    Out: "20, not known yet",
    "Time, p50": "1.2 ms",
    "Time, p99": "88 ms",
    Waiting: "7, the oldest for 15 s",
    "At its host": "1",
    Failed: "1",
    Restarts: "2",
    Memory: "33 MB",
    "Warm-up": "410 ms",
    Leaks: "none found",
  });
});
