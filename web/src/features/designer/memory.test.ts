import { describe, expect, it } from "vitest";
import { begun, changedTo } from "@/features/designer/history";
import { recalled, remember, unsavedIn } from "@/features/designer/memory";

function memoryOf(kept: string | null = null) {
  let text = kept;
  return {
    getItem: () => text,
    setItem: (_: string, now: string) => {
      text = now;
    },
  };
}

describe("what a browser keeps of a draft", () => {
  it("is the history and what the server had", () => {
    const memory = memoryOf();
    remember(memory, "f", changedTo(begun("a"), "b"), "a");
    const kept = recalled(memory, "f");
    expect(kept).toEqual({ texts: ["a", "b"], at: 1, stored: "a" });
    expect(kept && unsavedIn(kept)).toBe("b");
    remember(memory, "f", changedTo(begun("a"), "b"), "b");
    const saved = recalled(memory, "f");
    expect(saved && unsavedIn(saved)).toBeNull();
  });

  it.each(["{", '{"texts": 1}', "null", '{"texts": ["a"], "at": 3}', null])(
    "is nothing when it cannot be read: %s",
    (bad) => expect(recalled(memoryOf(bad), "f")).toBeNull(),
  );

  it("of an older page counts as saved", () => {
    const kept = recalled(memoryOf('{"texts": ["a", "b"], "at": 1}'), "f");
    expect(kept && unsavedIn(kept)).toBeNull();
  });
});
