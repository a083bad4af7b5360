import { Box, Button, Group, Stack } from "@mantine/core";
import { ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { useMemo, useState } from "react";
import { useStore } from "zustand";
import type { Flow } from "@/api/flows";
import { type Beside, BesideCanvas } from "@/features/designer/BesideCanvas";
import { Chooser, type Chosen } from "@/features/designer/Chooser";
import { Conflict } from "@/features/designer/Conflict";
import type { Command } from "@/features/designer/commands";
import { DraftUpdates } from "@/features/designer/DraftUpdates";
import type { Draft } from "@/features/designer/draft";
import { editorCommands } from "@/features/designer/editorCommands";
import { present } from "@/features/designer/history";
import { jumpTo } from "@/features/designer/jump";
import { KeysPanel } from "@/features/designer/KeysPanel";
import { MappingPanel } from "@/features/designer/MappingPanel";
import { type Placed, placed } from "@/features/designer/mistakes";
import { NewerButton } from "@/features/designer/NewerButton";
import { Palette } from "@/features/designer/Palette";
import { Problems } from "@/features/designer/Problems";
import { PublishPanel } from "@/features/designer/PublishPanel";
import { SaveBadge } from "@/features/designer/SaveBadge";
import { StepPanel } from "@/features/designer/StepPanel";
import { StepTests } from "@/features/designer/StepTests";
import { stepActions } from "@/features/designer/stepActions";
import { TestPanel } from "@/features/designer/TestPanel";
import { TextPanel } from "@/features/designer/TextPanel";
import { Toolbar } from "@/features/designer/Toolbar";
import { outcomeOf, testCommands, useTesting } from "@/features/designer/testing";
import { useChoice } from "@/features/designer/useChoice";
import { useClipboard } from "@/features/designer/useClipboard";
import { useKeys } from "@/features/designer/useKeys";
import { Canvas } from "@/graph/Canvas";
import { read } from "@/graph/document";
import { inOrder } from "@/graph/layout";
import { FITTING, focusStep } from "@/graph/Sight";
import { rememberView } from "@/graph/view";
import { Empty } from "@/ui/Empty";

interface Props {
  flow: Flow;
  draft: Draft;
  onDiscard: () => void;
  onLive: () => void;
}

/** A draft on the canvas: what is chosen, added, changed, undone and published. */
export function Editor(props: Props) {
  return (
    <ReactFlowProvider>
      <Drawn {...props} />
    </ReactFlowProvider>
  );
}

function Drawn({ flow, draft, onDiscard, onLive }: Props) {
  const { history, tag, save, error, mistakes: told, theirs } = useStore(draft);
  const text = present(history);
  const document = useMemo(() => read(text), [text]);
  const steps = useMemo(() => (document === null ? [] : inOrder(document.steps)), [document]);
  const mistakes = placed(told, document);
  const [beside, setBeside] = useState<Beside>(null);
  const [palette, setPalette] = useState<"closed" | "open" | Command>("closed");
  const known = useMemo(() => new Set(steps.map((step) => step.id)), [steps]);
  const { ids, last, choose, only } = useChoice(flow.name, known);
  const { fitView } = useReactFlow();
  const selected = steps.find((step) => step.id === last) ?? null;
  const trigger = steps.find((step) => step.kind === "trigger");
  const chosen = { ids, last };
  const actions = document === null ? null : stepActions({ draft, document, text, chosen, choose });

  const open = (id: string, at?: string) => {
    only(id);
    if (at === undefined) setBeside({ what: beside?.what === "test" ? "test" : "step" });
    else setBeside({ what: "step", at });
  };
  const testing = useTesting(flow.name, draft);
  const showTest = (id: string | null) => {
    only(id);
    setBeside({ what: "test" });
  };
  const leave = () => {
    only(null);
    setBeside(null);
  };
  const go = (id: string) => {
    only(id);
    focusStep(id);
  };
  const mend = (mistake: Placed) => {
    if (mistake.step === null) return setBeside({ what: "text" });
    only(mistake.step);
    setBeside({ what: "step" });
    jumpTo(mistake.message);
  };
  const close = () => {
    if (beside === null) only(null);
    setBeside(null);
    if (beside !== null && last !== null) focusStep(last);
  };
  const added = (offer: Chosen, where: Extract<Beside, { what: "choose" }>) => {
    if (actions === null) return;
    const id = actions.add(offer, where.after, where);
    open(id);
    focusStep(id);
  };
  useClipboard({
    copied: () => actions?.copied() ?? null,
    cut: () => actions?.remove(),
    pasted: (from) => actions?.paste(from),
  });
  const drawn = editorCommands({
    draft,
    steps,
    chosen,
    choose,
    actions,
    beside,
    setBeside,
    go,
    close,
    fit: () => {
      rememberView(flow.id, null);
      void fitView(FITTING);
    },
    showPalette: () => setPalette("open"),
    discard: flow.version === null ? null : onDiscard,
  }).map((command) => (command.choices === undefined ? command : { ...command, perform: () => setPalette(command) }));
  const commands = [...drawn, ...testCommands(testing, selected, showTest)];
  useKeys(palette === "closed" ? commands : []);

  return (
    <Stack h="100%" gap={0}>
      <Toolbar
        commands={commands}
        end={
          <>
            <NewerButton flow={flow} onClick={() => setBeside({ what: "updates" })} />
            <Button size="xs" variant="default" onClick={() => showTest(last)}>
              Test
            </Button>
          </>
        }
      >
        <SaveBadge save={save} error={error} published={!flow.has_draft && flow.draft_tag >= tag} />
      </Toolbar>
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
            <Empty
              title="What starts this flow?"
              action={<Button onClick={() => setBeside({ what: "choose", after: null })}>Choose a trigger</Button>}
            >
              A trigger takes events from outside: a webhook, a timer, a watched folder, or a component of your own.
            </Empty>
          ) : (
            <Canvas
              steps={document.steps}
              selected={last}
              chosen={ids}
              onSelect={(id) => (id === null ? leave() : open(id))}
              onOpen={(id) => open(id, "")}
              onChoose={choose}
              editing={{
                onAdd: (after, to) => setBeside({ what: "choose", after, ...(to === undefined ? {} : { to }) }),
                onCondition: (id) => open(id, "when"),
                canJoin: (from, to) => actions?.canJoin(from, to) ?? false,
                onJoin: (from, to) => actions?.join(from, to),
                onPart: (from, to) => actions?.part(from, to),
                onMove: (from, to, now) => actions?.move(from, to, now),
              }}
              about={(step) => ({
                mistakes: mistakes.filter((each) => each.step === step.id && each.severity === "error").length,
                outcome: outcomeOf(testing.test, document, step.id),
              })}
              memory={flow.id}
            />
          )}
        </Box>
        <BesideCanvas beside={beside} id={last} onClose={close}>
          {beside?.what === "mapping" && selected !== null && document !== null && (
            <MappingPanel
              key={selected.id}
              document={document}
              step={selected}
              mistake={mistakes.find((each) => each.step === selected.id && each.key === "input")?.message ?? null}
              onChange={draft.change}
              onClose={() => open(selected.id)}
            />
          )}
          {beside?.what === "step" && selected !== null && document !== null && (
            <StepPanel
              key={selected.id}
              document={document}
              step={selected}
              mistakes={mistakes.filter((each) => each.step === selected.id)}
              readOnly={false}
              onChange={draft.change}
              onRenamed={only}
              onMap={() => setBeside({ what: "mapping" })}
              onRemove={() => {
                actions?.remove();
                setBeside(null);
              }}
              onClose={close}
              above={<StepTests {...{ testing, document }} step={selected} onShow={() => showTest(selected.id)} />}
            />
          )}
          {beside?.what === "test" && document !== null && (
            <TestPanel testing={testing} document={document} step={selected} onSelect={showTest} onClose={close} />
          )}
          {beside?.what === "choose" && (
            <Chooser
              kind={trigger === undefined ? "trigger" : "action"}
              title={trigger === undefined ? "Choose a trigger" : chooserTitle(beside)}
              onChoose={(offer) => added(offer, beside)}
              onClose={close}
            />
          )}
          {beside?.what === "publish" && (
            <PublishPanel flow={flow} draft={draft} onGo={mend} onClose={close} onLive={onLive} />
          )}
          {beside?.what === "text" && (
            <TextPanel text={text} onChange={(next) => draft.replace(next, "text")} onClose={close} />
          )}
          {beside?.what === "updates" && <DraftUpdates flow={flow} draft={draft} onClose={close} />}
          {beside?.what === "keys" && <KeysPanel commands={commands} onClose={close} />}
        </BesideCanvas>
      </Group>
      {mistakes.length > 0 && (
        <Box style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}>
          <Problems mistakes={mistakes} onGo={mend} />
        </Box>
      )}
      <Palette
        commands={commands}
        opened={palette !== "closed"}
        asking={typeof palette === "string" ? null : palette}
        onAsk={setPalette}
        onClose={() => setPalette("closed")}
      />
    </Stack>
  );
}

function chooserTitle({ after, to }: Extract<Beside, { what: "choose" }>): string {
  return to === undefined ? `Choose an action after ${after}` : `Choose an action between ${after} and ${to}`;
}
