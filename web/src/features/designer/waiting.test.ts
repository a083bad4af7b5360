import { expect, it } from "vitest";
import type { Queues } from "@/api/queues";
import { waitingOn } from "@/features/designer/waiting";

const told: Queues = {
  at: 0,
  waiting: 8,
  delayed: [],
  queues: [
    { step: "b", after: "a", epoch: 2, waiting: 5, oldest_at: 60_000 },
    { step: "b", after: "a", epoch: 1, waiting: 2, oldest_at: 30_000 },
    { step: "b", after: null, epoch: 2, waiting: 1, oldest_at: 1_000 },
    { step: "c", after: "a", epoch: 2, waiting: 0, oldest_at: null },
  ],
};

it("adds up what waits on one edge, old deployments' messages too, and tells the oldest", () => {
  expect(waitingOn(told, "a", "b", 90_000, false)).toEqual({ waiting: 7, age: "60 s", stale: false });
  expect(waitingOn(told, "a", "c", 90_000, true)).toEqual({ waiting: 0, age: "", stale: true });
});

it("says when nobody knows", () => {
  expect(waitingOn(told, "x", "b", 0, false).waiting).toBeNull();
  expect(waitingOn(undefined, "a", "b", 0, false).waiting).toBeNull();
});
