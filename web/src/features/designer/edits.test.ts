/** Edits of any documents: what the canvas does to the text, and undo, redo and reload of it. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { begun, changedTo, present, redone, undone } from "@/features/designer/history";
import { recalled, remember } from "@/features/designer/memory";
import {
  addStep,
  type Change,
  canFollow,
  changed,
  disableSteps,
  freeId,
  insertStep,
  joinStep,
  partStep,
  pasteSteps,
  read,
  removeSteps,
  renameStep,
  setField,
  setKey,
  stepsIn,
  stepsText,
} from "@/graph/document";

/** A flow as somebody may have written it: comments, blank lines and spellings that no writer would choose. */
const texts = fc
  .tuple(
    fc.constantFrom("", "# Top\n", "\n# Top\n\n"),
    fc.constantFrom("  ", "", "    "),
    fc.array(
      fc.record({
        after: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
        comment: fc.constantFrom("", " # why", "   # aligned"),
        above: fc.constantFrom("", "# about the next\n", "\n"),
        spelling: fc.constantFrom("plain", "quoted", "flow"),
        input: fc.constantFrom(null, "body", "$steps.s0.body", '{"a": $steps.`s0`.body}', "$steps.t.body.x / 2"),
      }),
      { maxLength: 6 },
    ),
  )
  .map(([top, indent, steps]) => {
    const written = steps.map(({ after, comment, above, spelling, input }, number) => {
      const earlier = ["t", ...steps.slice(0, number).map((_, at) => `s${at}`)];
      const ids = [...new Set(after.map((at) => earlier[at % earlier.length]))];
      const list = ids.length === 1 ? ids[0] : `[${ids.join(", ")}]`;
      const action = spelling === "quoted" ? '"log/write"' : "log/write";
      const head = `${above.replace("#", `${indent}#`)}${indent}- `;
      if (spelling === "flow") return `${head}{ id: s${number}, after: ${list}, action: log/write }${comment}\n`;
      const lines = [`id:   s${number}${comment}`, `after: ${list}`, `action:  ${action}`];
      if (input !== null) lines.push(`input: '${input}'`);
      return `${head}${lines.join(`\n${indent}  `)}\n`;
    });
    return `${top}flow: f\ntype:   real-time\nsteps:\n${indent}- {id: t, trigger: webhook/receive}   # in\n${written.join("")}`;
  });

interface Edit {
  change: Change;
  /** Ids of steps that may read otherwise afterwards. */
  touched: (before: string[]) => string[];
}

/** One edit of the canvas on a document, chosen by numbers. */
function edit(text: string, kind: number, one: number, other: number): Edit | null {
  const document = read(text);
  if (document === null) throw new Error(`unreadable: ${text}`);
  const ids = document.steps.map((step) => step.id);
  const id = ids[one % ids.length] ?? "t";
  const to = ids[other % ids.length] ?? "t";
  const isTrigger = document.steps.find((step) => step.id === id)?.kind === "trigger";
  const all = (before: string[]) => before;
  switch (kind % 11) {
    case 0:
      return { change: setKey(id, "note", `n${other}`), touched: () => [id] };
    case 1:
      return { change: setField(id, "word", other), touched: () => [id] };
    case 2:
      return {
        change: addStep({ id: freeId(document, "new"), kind: "action", uses: "log/write" }, id),
        touched: () => [],
      };
    case 3:
      return { change: insertStep({ id: freeId(document, "new"), uses: "log/write" }, id), touched: all };
    case 4:
      return isTrigger ? null : { change: removeSteps([id]), touched: all };
    case 5:
      return { change: renameStep(id, freeId(document, "renamed")), touched: all };
    case 6:
      return isTrigger ? null : { change: disableSteps([id], other % 2 === 0), touched: () => [id] };
    case 7:
      return canFollow(document.steps, id, to) ? { change: joinStep(id, to), touched: () => [to] } : null;
    case 8:
      return document.steps.find((step) => step.id === to)?.after[1] === id
        ? { change: partStep(id, to), touched: () => [to] }
        : null;
    case 9: {
      const copied = stepsIn(stepsText(text, new Set([id, to])));
      return copied === null ? null : { change: pasteSteps(document, copied, id).change, touched: () => [] };
    }
    default:
      return { change: setKey(id, "when", null), touched: () => [id] };
  }
}

const edits = fc.array(fc.tuple(fc.nat(10), fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 8 });

it("leaves the lines of steps that an edit does not touch as they are written", () => {
  fc.assert(
    fc.property(texts, fc.nat(10), fc.nat(20), fc.nat(20), (text, kind, one, other) => {
      const made = edit(text, kind, one, other);
      if (made === null) return;
      const next = changed(text, made.change);
      const steps = read(text)?.steps ?? [];
      const touched = new Set(made.touched(steps.map((step) => step.id)));
      const kept = next.split("\n");
      for (const line of text.split("\n")) {
        const names = /\bid: +(\w+)/.exec(line)?.[1];
        const comment = line.includes("#") && names === undefined;
        if ((names !== undefined && !touched.has(names)) || (comment && kind % 11 !== 4)) expect(kept).toContain(line);
      }
      expect(next.startsWith(text.slice(0, text.indexOf("steps:")))).toBe(true);
    }),
    { seed: 20, numRuns: 200 },
  );
}, 30_000);

it("makes only documents that can be read, with ids of their own and no circle", () => {
  fc.assert(
    fc.property(texts, edits, (text, wanted) => {
      let now = text;
      for (const [kind, one, other] of wanted) {
        const made = edit(now, kind, one, other);
        if (made !== null) now = changed(now, made.change);
        const steps = read(now)?.steps ?? [];
        const ids = steps.map((step) => step.id);
        expect(new Set(ids).size).toBe(ids.length);
        for (const step of steps) {
          for (const id of step.after) expect(ids).toContain(id);
          expect(step.kind === "trigger" || step.after.length > 0).toBe(true);
        }
        expect(changed(now, () => {})).toBe(now);
      }
    }),
    { seed: 21, numRuns: 60 },
  );
}, 30_000);

it("undoes and redoes every edit, over a reload too", () => {
  fc.assert(
    fc.property(texts, edits, fc.nat(8), (text, wanted, reloadAt) => {
      let history = begun(text);
      for (const [kind, one, other] of wanted) {
        const made = edit(present(history), kind, one, other);
        if (made !== null) history = changedTo(history, changed(present(history), made.change));
      }
      const last = present(history);
      const seen: string[] = [];
      for (let step = 0; history.at > 0; step++) {
        seen.push(present(history));
        history = undone(history);
        if (step === reloadAt) {
          const kept = new Map<string, string>();
          const memory = {
            getItem: (key: string) => kept.get(key) ?? null,
            setItem: (key: string, value: string) => void kept.set(key, value),
          };
          remember(memory, "f", history, null);
          const found = recalled(memory, "f");
          history = found === null ? begun("") : { texts: found.texts, at: found.at, group: null };
        }
      }
      expect(present(history)).toBe(text);
      for (const each of seen.reverse()) {
        history = redone(history);
        expect(present(history)).toBe(each);
      }
      expect(present(history)).toBe(last);
    }),
    { seed: 22, numRuns: 50 },
  );
}, 30_000);
