import { describe, expect, it } from "vitest";
import { begun, changedTo, present, redone, undone } from "@/features/designer/history";

describe("history", () => {
  it("goes back and forth through every change", () => {
    let history = ["b", "c", "d"].reduce((now, text) => changedTo(now, text), begun("a"));
    for (const text of ["c", "b", "a", "a"]) {
      history = undone(history);
      expect(present(history)).toBe(text);
    }
    for (const text of ["b", "c", "d", "d"]) {
      history = redone(history);
      expect(present(history)).toBe(text);
    }
  });

  it("forgets what was undone once something else is changed", () => {
    const history = changedTo(undone(changedTo(begun("a"), "b")), "c");
    expect(history.texts).toEqual(["a", "c"]);
    expect(present(redone(history))).toBe("c");
  });

  it("takes typing in one place for one change, and not over an undo", () => {
    const typed = ["ab", "abc", "abcd"].reduce((now, text) => changedTo(now, text, "note"), begun("a"));
    expect(typed.texts).toEqual(["a", "abcd"]);
    expect(changedTo(typed, "x", "name").texts).toEqual(["a", "abcd", "x"]);
    expect(changedTo(redone(undone(typed)), "abcde", "note").texts).toEqual(["a", "abcd", "abcde"]);
  });

  it("does not count what changes nothing", () => {
    const history = begun("a");
    expect(changedTo(history, "a")).toBe(history);
  });
});
