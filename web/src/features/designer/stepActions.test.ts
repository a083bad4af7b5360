import { expect, it } from "vitest";
import { openDraft } from "@/features/designer/draft";
import { present } from "@/features/designer/history";
import { stepActions } from "@/features/designer/stepActions";
import { read } from "@/graph/document";
import { useSaying } from "@/ui/say";

const TEXT = `flow: f # mine
steps:
  - {id: in, trigger: webhook/receive}
  - {id: a, after: in, action: log/write, when: $steps.in.body.ok} # why
  - {id: b, after: a, action: log/write, input: $steps.a.body}
`;

/** A draft, with some of its steps chosen. */
function acting(text: string, ...ids: string[]) {
  const memory = { getItem: () => null, setItem: () => {} };
  const save = () => new Promise<never>(() => {});
  const draft = openDraft({ id: "f", text, tag: 1, mistakes: [], save, memory });
  const document = read(text);
  if (document === null) throw new Error("unreadable");
  const chosen: string[][] = [];
  const actions = stepActions({
    draft,
    document,
    text,
    chosen: { ids: new Set(ids), last: ids.at(-1) ?? null },
    choose: (now) => chosen.push([...now]),
  });
  const now = () => present(draft.getState().history);
  return { actions, draft, chosen, now, ids: () => read(now())?.steps.map((step) => step.id) };
}

const said = () => useSaying.getState().text;

it("takes steps to another flow, with the edges and names among them, and back with one undo", () => {
  const copied = acting(TEXT, "a", "b").actions.copied() ?? "";
  expect(copied).toContain("# why");
  const other = "flow: g\nsteps:\n  - {id: tick, trigger: timer/tick}\n  - {id: a, after: tick, action: log/write}\n";
  const { actions, draft, chosen, now, ids } = acting(other, "a");
  actions.paste(copied);
  expect(ids()).toEqual(["tick", "a", "a-2", "b"]);
  expect(read(now())?.steps[3]).toMatchObject({ after: ["a-2"], input: "$steps.`a-2`.body" });
  expect(chosen).toEqual([["a-2", "b"]]);
  draft.undo();
  expect(now()).toBe(other);
});

it.each(["Dear all", "flow: x", "- {id: y}"])("says that %j holds no steps, and changes nothing", (text) => {
  const { actions, now, chosen } = acting(TEXT, "a");
  actions.paste(text);
  expect(said()).toMatch(/holds no steps/);
  expect([now(), chosen]).toEqual([TEXT, []]);
});

it("says that a flow has its trigger", () => {
  const { actions, now } = acting(TEXT, "a");
  actions.paste(acting(TEXT, "in").actions.copied() ?? "");
  expect(said()).toMatch(/one trigger/);
  expect(now()).toBe(TEXT);
});

it("duplicates several where they are, disables and enables them, removes them and closes the gap", () => {
  const several = acting(TEXT, "a", "b");
  several.actions.duplicate();
  expect(read(several.now())?.steps.map((step) => [step.id, ...step.after])).toEqual([
    ["in"],
    ["a", "in"],
    ["b", "a"],
    ["a-2", "in"],
    ["b-2", "a-2"],
  ]);
  const off = acting(TEXT, "in", "a", "b");
  off.actions.disable();
  expect(read(off.now())?.steps.map((step) => step.disabled)).toEqual([false, true, true]);
  const on = acting(off.now(), "a");
  on.actions.disable();
  expect(read(on.now())?.steps.map((step) => step.disabled)).toEqual([false, false, true]);
  const gone = acting(TEXT, "a");
  gone.actions.remove();
  expect(read(gone.now())?.steps.map((step) => [step.id, ...step.after])).toEqual([["in"], ["b", "in"]]);
  expect(gone.chosen).toEqual([["in"]]);
});
