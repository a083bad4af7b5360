import { expect, it } from "vitest";
import { keyLabel, matching } from "@/features/designer/commands";

it("writes keys as people read them", () => {
  expect(keyLabel("mod+shift+Z")).toBe("Ctrl Shift Z");
  expect(keyLabel("ArrowRight")).toBe("→");
  expect(keyLabel("Delete")).toBe("Delete");
});

it("finds by words in any order", () => {
  const all = [{ label: "Add a step after" }, { label: "Remove the step" }];
  expect(matching(all, "step add")).toEqual([all[0]]);
  expect(matching(all, "")).toEqual(all);
  expect(matching(all, "stop")).toEqual([]);
});
