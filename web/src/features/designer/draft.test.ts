import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Offline, Problem } from "@/api/problem";
import { openDraft } from "@/features/designer/draft";
import { present } from "@/features/designer/history";
import { setKey } from "@/graph/document";

const TEXT = "flow: f\nsteps:\n  - id: a\n    trigger: x/y\n";

function stale(theirs: string | null) {
  const draft = { tag: 9, author: "grace", saved_at: 1, theirs, yours: "" };
  return new Problem(409, { reason: "stale-draft", detail: "changed", draft });
}

function opened(memory = new Map<string, string>(), server = TEXT, tag = 1) {
  const save = vi.fn(async (_text: string, tag: number) => ({ flow: "f", tag: tag + 1, created: false, problems: [] }));
  const draft = openDraft({
    id: "f",
    text: server,
    tag,
    author: "grace",
    mistakes: [],
    save,
    memory: { getItem: (key) => memory.get(key) ?? null, setItem: (key, value) => void memory.set(key, value) },
  });
  return { draft, save, text: () => present(draft.getState().history), state: () => draft.getState().save, memory };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a draft", () => {
  it("is saved soon after a change, once for what is typed in a row", async () => {
    const { draft, save, text, state } = opened();
    for (const note of ["b", "by", "by h"]) draft.change(setKey("a", "note", note), "note");
    expect(state()).toBe("changed");
    await vi.runAllTimersAsync();
    expect(save.mock.calls).toEqual([[text(), 1]]);
    expect([state(), draft.getState().tag]).toEqual(["saved", 2]);
    draft.undo();
    expect(text()).toBe(TEXT);
    await vi.runAllTimersAsync();
    expect(save).toHaveBeenLastCalledWith(TEXT, 2);
  });

  it("saves what was changed during a save after it, never two at once", async () => {
    const { draft, save, text, state } = opened();
    let under = 0;
    save.mockImplementation(async (_text, tag) => {
      expect(++under).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      under--;
      return { flow: "f", tag: tag + 1, created: false, problems: [] };
    });
    draft.change(setKey("a", "note", "one"));
    await vi.advanceTimersByTimeAsync(700);
    draft.change(setKey("a", "note", "two"));
    await vi.runAllTimersAsync();
    expect(save.mock.calls.map(([, tag]) => tag)).toEqual([1, 2]);
    expect(save.mock.lastCall?.[0]).toBe(text());
    expect(state()).toBe("saved");
  });

  it.each([new Offline(null), new Problem(401, { reason: "no-token" })])(
    "keeps trying while nobody answers: %s",
    async (error) => {
      const { draft, save, text, state } = opened();
      save.mockRejectedValueOnce(error).mockRejectedValueOnce(error);
      draft.change(setKey("a", "note", "kept"));
      await vi.advanceTimersByTimeAsync(1_000);
      expect(state()).toBe("offline");
      await vi.runAllTimersAsync();
      expect(save).toHaveBeenCalledTimes(3);
      expect([state(), text().includes("kept")]).toEqual(["saved", true]);
    },
  );

  it("that is refused says so and tries again at the next change", async () => {
    const { draft, save, state } = opened();
    save.mockRejectedValueOnce(new Problem(422, { reason: "too-long" }));
    draft.change(setKey("a", "note", "x"));
    await vi.runAllTimersAsync();
    expect([state(), draft.getState().error?.message]).toEqual(["failed", "the server answered 422"]);
    draft.change(setKey("a", "note", "y"));
    await vi.runAllTimersAsync();
    expect(state()).toBe("saved");
  });

  it("that the server cannot save now is not saved, and tried again", async () => {
    const { draft, save, state } = opened();
    save.mockRejectedValueOnce(new Problem(503, { reason: "store-full" }));
    draft.change(setKey("a", "note", "x"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(state()).toBe("failed");
    await vi.runAllTimersAsync();
    expect([state(), save.mock.calls.length]).toEqual(["saved", 2]);
  });

  it.each(["mine", "theirs"] as const)("lets a person choose when two changed it: %s", async (whose) => {
    const { draft, save, text, state } = opened();
    save.mockRejectedValueOnce(stale("flow: f\nsteps: []\n"));
    draft.change(setKey("a", "note", "mine"));
    await vi.runAllTimersAsync();
    draft.change(setKey("a", "name", "still mine"));
    await vi.runAllTimersAsync();
    expect([state(), save.mock.calls.length]).toEqual(["conflict", 1]);
    draft.settle(whose);
    await vi.runAllTimersAsync();
    expect(state()).toBe("saved");
    expect(text().includes("still mine")).toBe(whose === "mine");
    if (whose === "mine") expect(save).toHaveBeenLastCalledWith(text(), 9);
    else expect(save).toHaveBeenCalledTimes(1);
    draft.undo();
    expect(text()).toContain("mine");
  });

  it("takes what somebody else saved when nothing would be lost, as a step that can be undone", () => {
    const { draft, text, state } = opened();
    draft.heard({ text: "flow: f\nsteps: []\n", tag: 5, author: "grace" }, []);
    expect([text(), state(), draft.getState().tag]).toEqual(["flow: f\nsteps: []\n", "saved", 5]);
    draft.undo();
    expect(text()).toBe(TEXT);
    draft.heard({ text: "flow: f\nsteps: []\n", tag: 6, author: "grace" }, []);
    expect(state()).toBe("conflict");
  });

  it("hears other mistakes of the same text: a credential that it names was made meanwhile", () => {
    const { draft } = opened();
    const mistake = { path: "steps[1].credential", reason: "r", message: "m", suggestion: "", severity: "error" };
    draft.heard({ text: TEXT, tag: draft.getState().tag, author: "ada" }, [mistake]);
    expect(draft.getState().mistakes).toEqual([mistake]);
    draft.change(setKey("a", "note", "not saved yet"));
    draft.heard({ text: TEXT, tag: draft.getState().tag, author: "ada" }, []);
    expect(draft.getState().mistakes).toEqual([mistake]);
  });

  it("that somebody published or discarded is a conflict too", () => {
    const { draft, state } = opened();
    draft.heard({ text: null, tag: 5, author: "" }, []);
    expect(state()).toBe("conflict");
  });

  it("has its history again after a reload", async () => {
    const first = opened();
    first.draft.change(setKey("a", "note", "one"));
    first.draft.undo();
    const second = opened(first.memory);
    second.draft.redo();
    expect(second.text()).toContain("one");
  });

  it("that was not saved before a reload is saved after it", async () => {
    const first = opened();
    first.save.mockRejectedValue(new Offline(null));
    first.draft.change(setKey("a", "note", "only here"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(first.state()).toBe("offline");
    first.draft.close();
    const second = opened(first.memory);
    expect([second.text().includes("only here"), second.state()]).toEqual([true, "changed"]);
    await vi.runAllTimersAsync();
    expect(second.save).toHaveBeenCalledWith(second.text(), 1);
    expect(second.state()).toBe("saved");
    expect(opened(first.memory, second.text()).state()).toBe("saved");
  });

  it("that was not saved before a reload is compared with what somebody else saved meanwhile", async () => {
    const first = opened();
    first.draft.change(setKey("a", "note", "only here"));
    first.draft.close();
    for (const reload of [1, 2]) {
      const again = opened(first.memory, "flow: f\nsteps: []\n", 7);
      await vi.runAllTimersAsync();
      expect([reload, again.state(), again.save.mock.calls.length]).toEqual([reload, "conflict", 0]);
      expect(again.draft.getState().theirs?.author).toBe("grace");
      again.draft.change(setKey("a", "name", "more"));
      again.draft.close();
    }
    const last = opened(first.memory, "flow: f\nsteps: []\n", 7);
    last.draft.settle("mine");
    await vi.runAllTimersAsync();
    expect(last.save).toHaveBeenCalledWith(last.text(), 7);
    expect(last.text()).toContain("only here");
  });

  it("goes on after its own publish as a new draft, and hears nothing of that as news", async () => {
    const { draft, save, text, state } = opened();
    draft.change(setKey("a", "note", "published"));
    const published = draft.publish(async () => {
      draft.heard({ text: null, tag: 3, author: "me" }, []);
      return { draft_tag: 3 };
    });
    await vi.runAllTimersAsync();
    await published;
    draft.heard({ text: null, tag: 3, author: "me" }, []);
    expect([state(), draft.getState().tag, save.mock.calls.length]).toEqual(["saved", 3, 1]);
    await draft.flush();
    expect(save).toHaveBeenCalledTimes(1);
    draft.change(setKey("a", "note", "the next"));
    await vi.runAllTimersAsync();
    expect(save).toHaveBeenLastCalledWith(text(), 3);
    expect(state()).toBe("saved");
  });

  it("hears after a save that failed what it could not look at meanwhile", async () => {
    const { draft, save, state } = opened();
    save.mockImplementation(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      throw new Offline(null);
    });
    draft.change(setKey("a", "note", "mine"));
    await vi.advanceTimersByTimeAsync(450);
    expect(state()).toBe("saving");
    draft.heard({ text: null, tag: 5, author: "grace" }, []);
    expect(state()).toBe("saving");
    await vi.advanceTimersByTimeAsync(100);
    expect([state(), draft.getState().theirs?.author]).toEqual(["conflict", "grace"]);
  });

  it("is not published while something of it is not saved", async () => {
    const { draft, save } = opened();
    save.mockRejectedValue(new Offline(null));
    draft.change(setKey("a", "note", "x"));
    const act = vi.fn(async () => ({ draft_tag: 3 }));
    await expect(draft.publish(act)).rejects.toThrow("does not answer");
    expect(act).not.toHaveBeenCalled();
    draft.close();
  });

  it("rests while somebody else edits, keeps what was not saved, and compares it afterwards", async () => {
    const { draft, save, text, state } = opened();
    draft.change(setKey("a", "note", "mine"));
    draft.rest();
    await vi.runAllTimersAsync();
    await draft.flush();
    expect([save.mock.calls.length, state()]).toEqual([0, "changed"]);
    draft.heard({ text: "flow: f\nsteps: []\n", tag: 5, author: "grace" }, []);
    expect(text()).toContain("mine");
    draft.wake();
    expect([state(), draft.getState().theirs?.author]).toEqual(["conflict", "grace"]);
  });

  it("that rested with nothing unsaved takes what was saved meanwhile; else saves when it wakes", async () => {
    const idle = opened();
    idle.draft.rest();
    idle.draft.heard({ text: "flow: f\nsteps: []\n", tag: 5, author: "grace" }, []);
    idle.draft.wake();
    expect([idle.text(), idle.state()]).toEqual(["flow: f\nsteps: []\n", "saved"]);
    const busy = opened();
    busy.draft.change(setKey("a", "note", "mine"));
    busy.draft.rest();
    busy.draft.wake();
    await vi.runAllTimersAsync();
    expect([busy.state(), busy.save.mock.calls.length]).toEqual(["saved", 1]);
  });

  it("forgets its oldest texts when the browser has no more room", () => {
    const memory = new Map<string, string>();
    const draft = openDraft({
      id: "f",
      text: TEXT,
      tag: 1,
      mistakes: [],
      save: async () => Promise.reject(new Offline(null)),
      memory: {
        getItem: () => null,
        setItem: (key, value) => {
          if (value.length > 300) throw new DOMException("full", "QuotaExceededError");
          memory.set(key, value);
        },
      },
    });
    for (let number = 0; number < 20; number++) draft.change(setKey("a", "note", `change ${number}`));
    const kept = JSON.parse(memory.get("headrace.history.f") ?? "null");
    expect(kept.texts[kept.at]).toContain("change 19");
    expect(kept.texts.length).toBeGreaterThan(1);
    draft.close();
  });
});
