import { ActionIcon, Box, Button, Group, Stack, Title, Tooltip } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconCommand,
  IconPlus,
  IconRocket,
  IconTrash,
  type TablerIcon,
} from "@tabler/icons-react";
import { useState } from "react";
import { useStore } from "zustand";
import type { Flow } from "@/api/flows";
import { Chooser, type Chosen } from "@/features/designer/Chooser";
import { Conflict } from "@/features/designer/Conflict";
import { type Command, keyLabel } from "@/features/designer/commands";
import { DraftUpdates } from "@/features/designer/DraftUpdates";
import type { Draft } from "@/features/designer/draft";
import { present } from "@/features/designer/history";
import { jumpTo } from "@/features/designer/jump";
import { MappingPanel } from "@/features/designer/MappingPanel";
import { type Placed, placed } from "@/features/designer/mistakes";
import { NewerButton } from "@/features/designer/NewerButton";
import { Palette } from "@/features/designer/Palette";
import { Problems } from "@/features/designer/Problems";
import { PublishPanel } from "@/features/designer/PublishPanel";
import { SaveBadge } from "@/features/designer/SaveBadge";
import { StepPanel } from "@/features/designer/StepPanel";
import { StepTests } from "@/features/designer/StepTests";
import { TestPanel } from "@/features/designer/TestPanel";
import { TextPanel } from "@/features/designer/TextPanel";
import { outcomeOf, testCommands, useTesting } from "@/features/designer/testing";
import { useClipboard } from "@/features/designer/useClipboard";
import { Canvas } from "@/graph/Canvas";
import { addStep, freeId, insertStep, pasteSteps, read, removeStep, stepsIn, stepText } from "@/graph/document";
import { inOrder } from "@/graph/layout";
import { Empty } from "@/ui/Empty";

type Beside =
  | { what: "step"; id: string }
  | { what: "mapping"; id: string }
  | { what: "choose"; after: string | null; between: boolean }
  | { what: "publish" }
  | { what: "updates" }
  | { what: "test"; id: string | null }
  | { what: "text" }
  | null;

const PANEL = 400;
const WIDE_PANEL = 760;

interface Props {
  flow: Flow;
  draft: Draft;
  onDiscard: () => void;
  onLive: () => void;
}

/** A draft on the canvas: what is selected, added, changed, undone and published. */
export function Editor({ flow, draft, onDiscard, onLive }: Props) {
  const { history, tag, save, error, mistakes: told, theirs } = useStore(draft);
  const [beside, setBeside] = useState<Beside>(null);
  const [palette, paletteIs] = useDisclosure();
  const text = present(history);
  const document = read(text);
  const mistakes = placed(told, document);
  const steps = document === null ? [] : inOrder(document.steps);
  const selected =
    beside?.what === "step" || beside?.what === "mapping" || beside?.what === "test"
      ? (steps.find((step) => step.id === beside.id) ?? null)
      : null;
  const trigger = steps.find((step) => step.kind === "trigger");

  const testing = useTesting(flow.name, draft);
  const showTest = (id: string | null) => setBeside({ what: "test", id });
  const select = (id: string | null) =>
    setBeside(id === null ? null : { what: beside?.what === "test" ? "test" : "step", id });
  const move = (by: number) => {
    const at = steps.findIndex((step) => step.id === selected?.id);
    const next = steps[at === -1 ? 0 : at + by];
    if (next !== undefined) select(next.id);
  };
  const go = (mistake: Placed) => {
    if (mistake.step === null) return setBeside({ what: "text" });
    select(mistake.step);
    jumpTo(mistake.message);
  };
  const add = (between: boolean) =>
    setBeside({ what: "choose", after: selected?.id ?? steps.at(-1)?.id ?? null, between });
  const remove = (id: string) => {
    draft.change(removeStep(id));
    setBeside(null);
  };
  const choose = (chosen: Chosen, after: string | null, between: boolean) => {
    if (document === null) return;
    const id = freeId(document, chosen.function);
    const uses = `${chosen.component}/${chosen.function}`;
    if (between && after !== null) draft.change(insertStep({ id, uses }, after));
    else draft.change(addStep({ id, kind: chosen.kind, uses }, chosen.kind === "trigger" ? null : after));
    select(id);
  };

  const paste = (copied: Record<string, unknown>[], after: string | null) => {
    if (document === null) return;
    const { change, ids } = pasteSteps(document, copied, after);
    draft.change(change);
    select(ids.at(-1) ?? null);
  };
  const duplicate = (id: string) => {
    const step = steps.find((each) => each.id === id);
    if (step?.kind === "action") paste([step.written], step.after[0] ?? null);
  };
  useClipboard({
    copied: () => (selected === null ? null : stepText(text, selected.id)),
    cut: () => selected && remove(selected.id),
    pasted: (from) => {
      const copied = stepsIn(from);
      if (copied !== null) paste(copied, selected?.id ?? steps.at(-1)?.id ?? null);
    },
  });

  const commands: Command[] = [
    { id: "add", label: "Add a step after", keys: "A", enabled: document !== null, perform: () => add(false) },
    { id: "insert", label: "Insert a step between", keys: "I", enabled: selected !== null, perform: () => add(true) },
    { id: "next", label: "Go to the next step", keys: "J", enabled: steps.length > 0, perform: () => move(1) },
    { id: "previous", label: "Go to the step before", keys: "K", enabled: steps.length > 0, perform: () => move(-1) },
    {
      id: "map",
      label: "Map the input of the step",
      keys: "M",
      enabled: selected?.kind === "action",
      perform: () => selected && setBeside({ what: "mapping", id: selected.id }),
    },
    {
      id: "remove",
      label: "Remove the step",
      keys: "Delete",
      enabled: selected !== null,
      perform: () => selected && remove(selected.id),
    },
    {
      id: "duplicate",
      label: "Duplicate the step",
      keys: "mod+D",
      enabled: selected?.kind === "action",
      perform: () => selected && duplicate(selected.id),
    },
    { id: "undo", label: "Undo", keys: "mod+Z", enabled: history.at > 0, perform: draft.undo },
    {
      id: "redo",
      label: "Redo",
      keys: "mod+shift+Z",
      enabled: history.at < history.texts.length - 1,
      perform: draft.redo,
    },
    { id: "save", label: "Save now", keys: "mod+S", enabled: true, perform: () => void draft.flush() },
    { id: "text", label: "Edit the text", keys: "E", enabled: true, perform: () => setBeside({ what: "text" }) },
    {
      id: "updates",
      label: "Newer component code",
      keys: null,
      enabled: true,
      perform: () => setBeside({ what: "updates" }),
    },
    ...testCommands(testing, selected, showTest),
    { id: "publish", label: "Publish", keys: "P", enabled: true, perform: () => setBeside({ what: "publish" }) },
    { id: "discard", label: "Discard the draft", keys: null, enabled: flow.version !== null, perform: onDiscard },
    {
      id: "close",
      label: "Close what is beside the canvas",
      keys: "Escape",
      enabled: beside !== null,
      perform: () => setBeside(null),
    },
    { id: "palette", label: "Show all commands", keys: "mod+K", enabled: true, perform: paletteIs.open },
  ];
  useHotkeys(
    commands
      .filter((command) => command.keys !== null && command.enabled)
      .map((command) => [command.keys ?? "", command.perform]),
  );
  useHotkeys([["?", paletteIs.open]]);
  const command = (id: string) => commands.find((each) => each.id === id);

  return (
    <Stack h="100%" gap={0}>
      <Group px="md" py={6} gap="xs" role="toolbar" aria-label="Draft">
        <Title order={2} size="h5">
          Draft
        </Title>
        <SaveBadge save={save} error={error} published={!flow.has_draft && flow.draft_tag >= tag} />
        <Tool command={command("undo")} icon={IconArrowBackUp} />
        <Tool command={command("redo")} icon={IconArrowForwardUp} />
        <Tool command={command("add")} icon={IconPlus} />
        <Tool command={command("palette")} icon={IconCommand} />
        <Group gap="xs" ml="auto">
          <NewerButton flow={flow} onClick={() => setBeside({ what: "updates" })} />
          <Tool command={command("discard")} icon={IconTrash} />
          <Button size="xs" variant="default" onClick={() => setBeside({ what: "text" })}>
            Text
          </Button>
          <Button size="xs" variant="default" onClick={() => showTest(selected?.id ?? null)}>
            Test
          </Button>
          <Button
            size="xs"
            leftSection={<IconRocket size={16} aria-hidden />}
            onClick={() => setBeside({ what: "publish" })}
          >
            Publish
          </Button>
        </Group>
      </Group>
      {theirs !== null && <Conflict flow={flow} draft={draft} theirs={theirs} />}
      <Group flex={1} mih={0} gap={0} align="stretch" wrap="nowrap">
        <Box flex={1} miw={0} pos="relative" {...(beside === null ? {} : { visibleFrom: "sm" })}>
          {document === null ? (
            <Empty
              title="The text cannot be read"
              action={<Button onClick={() => setBeside({ what: "text" })}>Edit the text</Button>}
            >
              {mistakes[0]?.message ?? "It is no flow document."}
            </Empty>
          ) : steps.length === 0 ? (
            <Empty title="What starts this flow?" action={<Button onClick={() => add(false)}>Choose a trigger</Button>}>
              A trigger takes events from outside: a webhook, a timer, a watched folder, or a component of your own.
            </Empty>
          ) : (
            <Canvas
              steps={document.steps}
              selected={selected?.id ?? null}
              onSelect={select}
              onAdd={(after) => setBeside({ what: "choose", after, between: false })}
              about={(step) => ({
                mistakes: mistakes.filter((each) => each.step === step.id && each.severity === "error").length,
                outcome: outcomeOf(testing.test, document, step.id),
              })}
            />
          )}
        </Box>
        {beside !== null && (
          <Box
            w={{ base: "100%", sm: beside.what === "mapping" ? WIDE_PANEL : PANEL }}
            style={{ borderLeft: "1px solid var(--mantine-color-default-border)" }}
          >
            {beside.what === "mapping" && selected !== null && document !== null && (
              <MappingPanel
                key={selected.id}
                document={document}
                step={selected}
                mistake={mistakes.find((each) => each.step === selected.id && each.key === "input")?.message ?? null}
                onChange={draft.change}
                onClose={() => select(selected.id)}
              />
            )}
            {beside.what === "step" && selected !== null && document !== null && (
              <StepPanel
                key={selected.id}
                document={document}
                step={selected}
                mistakes={mistakes.filter((each) => each.step === selected.id)}
                readOnly={false}
                onChange={draft.change}
                onRenamed={select}
                onMap={() => setBeside({ what: "mapping", id: selected.id })}
                onRemove={() => remove(selected.id)}
                onClose={() => setBeside(null)}
                above={<StepTests {...{ testing, document }} step={selected} onShow={() => showTest(selected.id)} />}
              />
            )}
            {beside.what === "test" && document !== null && (
              <TestPanel
                testing={testing}
                document={document}
                step={selected}
                onSelect={showTest}
                onClose={() => setBeside(null)}
              />
            )}
            {beside.what === "choose" && (
              <Chooser
                kind={trigger === undefined ? "trigger" : "action"}
                title={trigger === undefined ? "Choose a trigger" : `Choose an action after ${beside.after}`}
                onChoose={(chosen) => choose(chosen, beside.after, beside.between)}
                onClose={() => setBeside(null)}
              />
            )}
            {beside.what === "publish" && (
              <PublishPanel flow={flow} draft={draft} onGo={go} onClose={() => setBeside(null)} onLive={onLive} />
            )}
            {beside.what === "updates" && <DraftUpdates flow={flow} draft={draft} onClose={() => setBeside(null)} />}
            {beside.what === "text" && (
              <TextPanel text={text} onChange={(next) => draft.replace(next, "text")} onClose={() => setBeside(null)} />
            )}
          </Box>
        )}
      </Group>
      {mistakes.length > 0 && (
        <Box style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}>
          <Problems mistakes={mistakes} onGo={go} />
        </Box>
      )}
      <Palette commands={commands} opened={palette} onClose={paletteIs.close} />
    </Stack>
  );
}

function Tool({ command, icon: Icon }: { command: Command | undefined; icon: TablerIcon }) {
  if (command === undefined) return null;
  return (
    <Tooltip label={command.keys ? `${command.label} (${keyLabel(command.keys)})` : command.label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={command.label}
        disabled={!command.enabled}
        onClick={command.perform}
      >
        <Icon size={18} />
      </ActionIcon>
    </Tooltip>
  );
}
