import { expect, it } from "vitest";
import { staleness } from "@/features/designer/fresh";

const live = { state: "live" as const, heard_at: 1 };

it("takes figures for current only when connection, server and worker speak", () => {
  expect(staleness(live, 1_000, 3_000, "open")).toBeNull();
  expect(staleness(live, 1_000, 3_000, "connecting")).toBeNull();
  expect(staleness(live, 1_000, 3_000, "lost")).toBe("Reconnecting");
  expect(staleness(live, 1_000, 20_000, "open")).toBe("The server does not answer");
  expect(staleness({ ...live, heard_at: null }, 1_000, 3_000, "open")).toBe("The worker is silent");
});

it("expects nothing of a worker that does not run", () => {
  expect(staleness({ state: "stopped", heard_at: null }, 1_000, 3_000, "open")).toBeNull();
  expect(staleness(null, 1_000, 3_000, "open")).toBeNull();
});
