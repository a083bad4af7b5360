import type { Beside } from "@/features/designer/BesideCanvas";
import type { Command } from "@/features/designer/commands";
import type { Draft } from "@/features/designer/draft";
import type { StepActions } from "@/features/designer/stepActions";
import type { Chosen } from "@/features/designer/useChoice";
import { copyText, pasteText } from "@/features/designer/useClipboard";
import type { Step } from "@/graph/document";
import { layout } from "@/graph/layout";
import { type Direction, neighbour } from "@/graph/walk";

interface Commanded {
  draft: Draft;
  /** In the order of messages. */
  steps: Step[];
  chosen: Chosen;
  choose: (ids: ReadonlySet<string>, last: string | null) => void;
  actions: StepActions | null;
  beside: Beside;
  setBeside: (beside: Beside) => void;
  /** Choose a step and put the focus on it. */
  go: (id: string) => void;
  close: () => void;
  fit: () => void;
  showPalette: () => void;
  discard: (() => void) | null;
}

/** Everything that can be done to a draft. */
export function editorCommands(given: Commanded): Command[] {
  return [...moves(given), ...ofSteps(given), ...ofFlow(given), ...ofView(given)];
}

const ARROWS: [Direction, string, string][] = [
  ["right", "ArrowRight", "Go along the flow"],
  ["left", "ArrowLeft", "Go back along the flow"],
  ["up", "ArrowUp", "Go to the branch above"],
  ["down", "ArrowDown", "Go to the branch below"],
];

function moves({ steps, chosen, choose, actions, setBeside, go }: Commanded): Command[] {
  const some = steps.length > 0;
  const to = (direction: Direction) => neighbour(steps, layout(steps), chosen.last, direction);
  const along = (by: number) => {
    const at = steps.findIndex((step) => step.id === chosen.last);
    return steps[at === -1 ? 0 : at + by]?.id ?? null;
  };
  const walked = (id: string | null) => id !== null && go(id);
  return [
    ...ARROWS.map(
      ([direction, key, label]): Command => ({
        id: direction,
        label,
        group: "Move",
        keys: [key],
        onCanvas: true,
        enabled: some,
        perform: () => walked(to(direction)),
      }),
    ),
    ...ARROWS.map(
      ([direction, key, label]): Command => ({
        id: `${direction}-too`,
        label: `${label} and choose both`,
        group: "Move",
        keys: [`shift+${key}`],
        onCanvas: true,
        enabled: some,
        perform: () => {
          const id = to(direction);
          if (id === null) return;
          go(id);
          choose(new Set([...chosen.ids, id]), id);
        },
      }),
    ),
    {
      id: "next",
      label: "Go to the next step",
      group: "Move",
      keys: ["J"],
      enabled: some,
      perform: () => walked(along(1)),
    },
    {
      id: "previous",
      label: "Go to the step before",
      group: "Move",
      keys: ["K"],
      enabled: some,
      perform: () => walked(along(-1)),
    },
    {
      id: "open",
      label: "Open the step",
      group: "Move",
      keys: ["Enter"],
      onCanvas: true,
      enabled: chosen.last !== null && actions !== null,
      perform: () => setBeside({ what: "step", at: "" }),
    },
    {
      id: "all",
      label: "Choose all steps",
      group: "Move",
      keys: ["mod+A"],
      onCanvas: true,
      enabled: some,
      perform: () => choose(new Set(steps.map((step) => step.id)), chosen.last ?? steps[0]?.id ?? null),
    },
  ];
}

function ofSteps({ steps, chosen, actions, setBeside }: Commanded): Command[] {
  const last = steps.find((step) => step.id === chosen.last) ?? null;
  const one = last !== null && chosen.ids.size === 1;
  const act = steps.some((step) => chosen.ids.has(step.id) && step.kind === "action");
  const which = chosen.ids.size > 1 ? "the steps" : "the step";
  const joinable = last === null || actions === null ? [] : steps.filter((step) => actions.canJoin(step.id, last.id));
  const group = "Steps";
  return [
    {
      id: "add",
      label: "Add a step after",
      group,
      keys: ["A"],
      enabled: actions !== null,
      perform: () => setBeside({ what: "choose", after: last?.id ?? steps.at(-1)?.id ?? null }),
    },
    {
      id: "insert",
      label: "Insert a step between",
      group,
      keys: ["I"],
      enabled: last !== null,
      perform: () => setBeside({ what: "choose", after: last?.id ?? null, between: true }),
    },
    {
      id: "rename",
      label: "Rename the step",
      group,
      keys: ["F2"],
      enabled: one,
      perform: () => setBeside({ what: "step", at: "id" }),
    },
    {
      id: "condition",
      label: "Set the condition of the step",
      group,
      keys: ["W"],
      enabled: one && last.kind === "action",
      perform: () => setBeside({ what: "step", at: "when" }),
    },
    {
      id: "map",
      label: "Map the input of the step",
      group,
      keys: ["M"],
      enabled: one && last.kind === "action",
      perform: () => setBeside({ what: "mapping" }),
    },
    {
      id: "disable",
      label: last?.disabled ? `Enable ${which}` : `Disable ${which}`,
      group,
      keys: ["D"],
      enabled: act,
      perform: () => actions?.disable(),
    },
    {
      id: "join",
      label: "Let the step come after another one too",
      group,
      keys: ["L"],
      enabled: one && joinable.length > 0,
      perform: () => {},
      choices: () =>
        joinable.map((step) => ({
          label: step.name || step.id,
          perform: () => actions?.join(step.id, last?.id ?? ""),
        })),
    },
    {
      id: "part",
      label: "Part the step from one before it",
      group,
      keys: ["shift+L"],
      enabled: one && last.after.length > 1,
      perform: () => {},
      choices: () => (last?.after ?? []).map((id) => ({ label: id, perform: () => actions?.part(id, last?.id ?? "") })),
    },
    {
      id: "copy",
      label: `Copy ${which}`,
      group,
      keys: ["mod+C"],
      native: true,
      enabled: last !== null,
      perform: () => void copyText(actions?.copied() ?? null),
    },
    {
      id: "cut",
      label: `Cut ${which}`,
      group,
      keys: ["mod+X"],
      native: true,
      enabled: last !== null,
      perform: () => void copyText(actions?.copied() ?? null).then(() => actions?.remove()),
    },
    {
      id: "paste",
      label: "Paste steps",
      group,
      keys: ["mod+V"],
      native: true,
      enabled: actions !== null,
      perform: () => void pasteText((text) => actions?.paste(text)),
    },
    {
      id: "duplicate",
      label: `Duplicate ${which}`,
      group,
      keys: ["mod+D"],
      enabled: act,
      perform: () => actions?.duplicate(),
    },
    {
      id: "remove",
      label: `Remove ${which}`,
      group,
      keys: ["Delete", "Backspace"],
      enabled: last !== null,
      perform: () => actions?.remove(),
    },
  ];
}

function ofFlow({ draft, setBeside, discard }: Commanded): Command[] {
  const { history } = draft.getState();
  const group = "Flow";
  return [
    { id: "undo", label: "Undo", group, keys: ["mod+Z"], enabled: history.at > 0, perform: draft.undo },
    {
      id: "redo",
      label: "Redo",
      group,
      keys: ["mod+shift+Z", "mod+Y"],
      enabled: history.at < history.texts.length - 1,
      perform: draft.redo,
    },
    {
      id: "save",
      label: "Save now",
      group,
      keys: ["mod+S"],
      native: true,
      enabled: true,
      perform: () => void draft.flush(),
    },
    {
      id: "text",
      label: "Edit the text",
      group,
      keys: ["E"],
      enabled: true,
      perform: () => setBeside({ what: "text" }),
    },
    {
      id: "publish",
      label: "Publish",
      group,
      keys: ["P"],
      enabled: true,
      perform: () => setBeside({ what: "publish" }),
    },
    {
      id: "updates",
      label: "Newer component code",
      group,
      keys: [],
      enabled: true,
      perform: () => setBeside({ what: "updates" }),
    },
    {
      id: "discard",
      label: "Discard the draft",
      group,
      keys: [],
      enabled: discard !== null,
      perform: () => discard?.(),
    },
  ];
}

function ofView({ beside, chosen, close, fit, showPalette, setBeside }: Commanded): Command[] {
  const group = "View";
  return [
    { id: "palette", label: "Show all commands", group, keys: ["mod+K"], enabled: true, perform: showPalette },
    {
      id: "keys",
      label: "Show all keys",
      group,
      keys: ["shift+?", "?"],
      enabled: true,
      perform: () => setBeside({ what: "keys" }),
    },
    { id: "fit", label: "Show the whole flow", group, keys: ["F"], enabled: true, perform: fit },
    {
      id: "close",
      label: "Close what is beside the canvas",
      group,
      keys: ["Escape"],
      enabled: beside !== null || chosen.ids.size > 0,
      perform: close,
    },
  ];
}
