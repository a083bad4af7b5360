import { expect, it } from "vitest";
import { nextStop } from "@/features/tour/tour";

type Seen = Parameters<typeof nextStop>[0];
const flow = (changes: object) =>
  ({ version: null, state: "stopped", has_draft: true, deployment: null, ...changes }) as Seen["flow"];
const runs = (emitted: number) =>
  flow({ version: 1, state: "live", deployment: { steps: [{ emitted, received: 0 }] } });

it.each([
  ["make", null, null],
  ["trigger", flow({}), { trigger: false, actions: 0 }],
  ["trigger", flow({}), null],
  ["action", flow({}), { trigger: true, actions: 0 }],
  ["publish", flow({}), { trigger: true, actions: 1 }],
  ["publish", flow({ version: 1, state: "warming" }), null],
  ["publish", flow({ version: 1, state: "failed" }), { trigger: true, actions: 1 }],
  ["event", runs(0), null],
  ["done", runs(3), null],
])("leads to %s", (stop, seen, drawn) => {
  expect(nextStop({ flow: seen, drawn } as Seen)).toBe(stop);
});
