/** What people do to the steps of a draft. Each is one change, so one undo takes it back. */
import type { Chosen as Offer } from "@/features/designer/Chooser";
import type { Draft } from "@/features/designer/draft";
import type { Chosen } from "@/features/designer/useChoice";
import {
  addStep,
  canFollow,
  disableSteps,
  type FlowDocument,
  freeId,
  insertStep,
  joinStep,
  partStep,
  pasteSteps,
  removeSteps,
  type Step,
  stepsIn,
  stepsText,
} from "@/graph/document";
import { inOrder } from "@/graph/layout";
import { say } from "@/ui/say";

export interface StepActions {
  /** The id that the new step got. `to`: only between the two; `between`: before everything that followed. */
  add: (offer: Offer, after: string | null, where: { to?: string; between?: boolean }) => string;
  /** Those that are chosen, as text. */
  copied: () => string | null;
  remove: () => void;
  duplicate: () => void;
  paste: (text: string) => void;
  /** Disables what is chosen, or enables it when all of it is disabled. */
  disable: () => void;
  join: (from: string, to: string) => void;
  part: (from: string, to: string) => void;
  move: (from: string, to: string, now: string) => void;
  canJoin: (from: string, to: string) => boolean;
}

interface Acting {
  draft: Draft;
  document: FlowDocument;
  text: string;
  chosen: Chosen;
  choose: (ids: ReadonlySet<string>, last: string | null) => void;
}

export function stepActions({ draft, document, text, chosen, choose }: Acting): StepActions {
  const { steps } = document;
  const actions = steps.filter((step) => chosen.ids.has(step.id) && step.kind === "action");
  const put = (from: string, previous: string | null, stay: boolean) => {
    const copied = stepsIn(from);
    if (copied === null) return say("The clipboard holds no steps. Copied steps are YAML, as in a flow document.");
    const { change, ids } = pasteSteps(document, copied, previous, stay);
    const [first] = ids;
    if (first === undefined) return say("A flow has one trigger, and this one has it.");
    draft.change(change);
    choose(new Set(ids), ids.at(-1) ?? null);
    say(ids.length === 1 ? `${first} is pasted.` : `${ids.length} steps are pasted.`);
  };
  return {
    add: ({ kind, component, function: name }, after, { to, between = false }) => {
      const id = freeId(document, name);
      const uses = `${component}/${name}`;
      if (after !== null && to !== undefined) draft.change(insertStep({ id, uses }, after, to));
      else if (after !== null && between) draft.change(insertStep({ id, uses }, after));
      else draft.change(addStep({ id, kind, uses }, kind === "trigger" ? null : after));
      return id;
    },
    copied: () => (chosen.ids.size === 0 ? null : stepsText(text, chosen.ids)),
    remove: () => {
      const next = heir(steps, chosen.ids);
      draft.change(removeSteps(chosen.ids));
      say(chosen.ids.size === 1 ? `${chosen.last} is removed.` : `${chosen.ids.size} steps are removed.`);
      choose(new Set(next === null ? [] : [next]), next);
    },
    duplicate: () => {
      const last = inOrder(actions).at(-1);
      if (last !== undefined) put(stepsText(text, new Set(actions.map((step) => step.id))), last.id, true);
    },
    paste: (from) => put(from, chosen.last ?? inOrder(steps).at(-1)?.id ?? null, false),
    disable: () => {
      const off = actions.every((step) => step.disabled);
      draft.change(
        disableSteps(
          actions.map((step) => step.id),
          !off,
        ),
      );
      const which = actions.length === 1 ? `${actions[0]?.id} is` : `${actions.length} steps are`;
      say(`${which} ${off ? "enabled" : "disabled"}.`);
    },
    join: (from, to) => draft.change(joinStep(from, to)),
    part: (from, to) => draft.change(partStep(from, to)),
    move: (from, to, now) =>
      draft.change((yaml) => {
        partStep(from, to)(yaml);
        joinStep(from, now)(yaml);
      }),
    canJoin: (from, to) => canFollow(steps, from, to),
  };
}

/** The step that is chosen after those are gone: the one before them. */
function heir(steps: readonly Step[], gone: ReadonlySet<string>): string | null {
  const first = inOrder(steps).find((step) => gone.has(step.id));
  return first?.after.find((id) => !gone.has(id)) ?? steps.find((step) => !gone.has(step.id))?.id ?? null;
}
