import { Badge, Box, Group } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { type Flow, flows } from "@/api/flows";
import { useConnection } from "@/api/live";
import { queues } from "@/api/queues";
import { type Beside, useBeside } from "@/features/designer/beside";
import type { Command } from "@/features/designer/commands";
import { EdgePanel } from "@/features/designer/EdgePanel";
import { staleness } from "@/features/designer/fresh";
import { LogPanel } from "@/features/designer/LogPanel";
import { Palette } from "@/features/designer/Palette";
import { RunningUpdates } from "@/features/designer/RunningUpdates";
import { StepLive } from "@/features/designer/StepLive";
import { StepView } from "@/features/designer/StepView";
import { useKeys } from "@/features/designer/useKeys";
import { VersionsPanel } from "@/features/designer/VersionsPanel";
import { WatchPanel } from "@/features/designer/WatchPanel";
import { waitingOn } from "@/features/designer/waiting";
import { Canvas } from "@/graph/Canvas";
import { read, type Step } from "@/graph/document";
import { edges, inOrder } from "@/graph/layout";
import { Empty } from "@/ui/Empty";
import { Refusal } from "@/ui/Refusal";
import { useNow } from "@/ui/useNow";
import { Waiting } from "@/ui/Waiting";
import { moment } from "@/ui/when";

const SIDE = { borderLeft: "1px solid var(--mantine-color-default-border)" };

interface Props {
  flow: Flow;
  /** When the flow was read, milliseconds since the epoch. */
  readAt: number;
}

/** What runs, with what passes through it; it can be looked at, and changed only as a draft. */
export function RunningFlow({ flow, readAt }: Props) {
  const number = flow.deployment?.version ?? flow.version ?? 0;
  const version = useQuery({ ...flows.version(flow.name, number), placeholderData: keepPreviousData });
  const waits = useQuery(queues.of(flow.name));
  const { beside, edge: edgeId, open } = useBeside();
  const [selected, setSelected] = useState<string | null>(null);
  const now = useNow();
  const connection = useConnection();
  const stale = staleness(flow.deployment, readAt, now, connection);
  const text = version.data?.document;
  const document = useMemo(() => (text === undefined ? null : read(text)), [text]);
  const steps = document === null ? [] : inOrder(document.steps);
  const toggle = (panel: Exclude<Beside, null>) => {
    const ofStep: Record<string, string> = selected !== null && panel !== "versions" ? { step: selected } : {};
    if (beside === panel) open(null);
    else open(panel, ofStep);
  };
  const select = (id: string | null) => {
    setSelected(id);
    open(null);
  };
  const move = (by: number) => {
    const at = steps.findIndex((each) => each.id === selected);
    const next = steps[at === -1 ? 0 : at + by];
    if (next !== undefined) select(next.id);
  };
  const [palette, paletteIs] = useDisclosure();
  const commands: Command[] = [
    {
      id: "watch",
      label: "Watch messages pass",
      group: "View",
      keys: ["W"],
      enabled: true,
      perform: () => toggle("watch"),
    },
    { id: "log", label: "Show the log", group: "View", keys: ["L"], enabled: true, perform: () => toggle("log") },
    {
      id: "versions",
      label: "Show versions",
      group: "View",
      keys: ["V"],
      enabled: true,
      perform: () => toggle("versions"),
    },
    {
      id: "next",
      label: "Go to the next step",
      group: "View",
      keys: ["J"],
      enabled: steps.length > 0,
      perform: () => move(1),
    },
    {
      id: "previous",
      label: "Go to the step before",
      group: "View",
      keys: ["K"],
      enabled: steps.length > 0,
      perform: () => move(-1),
    },
    {
      id: "close",
      label: "Close what is beside the canvas",
      group: "View",
      keys: ["Escape"],
      enabled: selected !== null || beside !== null,
      perform: () => select(null),
    },
    {
      id: "palette",
      label: "Find a command",
      group: "View",
      keys: ["mod+K", "shift+?", "?"],
      enabled: true,
      perform: paletteIs.open,
    },
  ];
  useKeys(palette ? [] : commands);
  if (version.error && version.data === undefined) {
    return <Refusal error={version.error} onRetry={() => void version.refetch()} />;
  }
  if (version.data === undefined) return <Waiting />;
  if (document === null) return <Empty title="This version cannot be drawn">Export it to see its text.</Empty>;
  const step = document.steps.find((each) => each.id === selected);
  const lines = edges(document.steps);
  const edge = beside === "edge" ? lines.find((each) => each.id === edgeId) : undefined;
  const live = (id: string) => flow.deployment?.steps.find((each) => each.id === id) ?? null;
  const newer = (id: string) => flow.outdated.find((one) => one.step === id)?.latest ?? null;
  const waiting = (from: string, to: string) => waitingOn(waits.data, from, to, now, stale !== null || waits.isError);
  const about = (each: Step) => ({
    live: live(each.id),
    now,
    stale: stale !== null,
    revision: flow.deployment?.components[each.id]?.revision ?? null,
    commit: flow.deployment?.components[each.id]?.commit ?? "",
    newer: newer(each.id),
  });
  const shown = beside === "edge" && edge === undefined ? null : beside;
  const opened = shown !== null || step !== undefined;
  const ids = document.steps.map((each) => each.id);
  const running = step === undefined ? null : live(step.id);
  return (
    <Group h="100%" gap={0} align="stretch" wrap="nowrap">
      <Box flex={1} miw={0} pos="relative" {...(opened ? { visibleFrom: "sm" } : {})}>
        {stale !== null && (
          <Badge pos="absolute" top={8} left={8} style={{ zIndex: 5 }} color="orange" variant="light" role="status">
            {`${stale}: figures of ${moment(flow.deployment?.heard_at ?? readAt)}`}
          </Badge>
        )}
        <Canvas
          steps={document.steps}
          selected={selected}
          onSelect={select}
          about={about}
          aboutEdge={({ from, to }) => waiting(from, to)}
          onEdge={({ id }) => open("edge", { edge: id })}
          opened={edge?.id ?? null}
          memory={`${flow.id}.live`}
        />
      </Box>
      {opened && (
        <Box w={{ base: "100%", sm: 400 }} style={SIDE}>
          {shown === "log" && <LogPanel flow={flow.name} steps={ids} onClose={() => open(null)} />}
          {shown === "watch" && <WatchPanel flow={flow.name} steps={ids} lines={lines} onClose={() => open(null)} />}
          {shown === "updates" && <RunningUpdates flow={flow} onClose={() => open(null)} />}
          {shown === "versions" && <VersionsPanel flow={flow} onClose={() => open(null)} />}
          {edge !== undefined && (
            <EdgePanel
              key={edge.id}
              flow={flow.name}
              from={edge.from}
              to={edge.to}
              about={waiting(edge.from, edge.to)}
              onClose={() => open(null)}
            />
          )}
          {shown === null && step !== undefined && (
            <StepView
              document={document}
              step={step}
              onClose={() => setSelected(null)}
              above={
                running !== null && (
                  <StepLive
                    live={running}
                    runs={flow.deployment?.components[step.id]}
                    newer={newer(step.id)}
                    now={now}
                    stale={stale}
                  />
                )
              }
            />
          )}
        </Box>
      )}
      <Palette commands={commands} opened={palette} asking={null} onAsk={() => {}} onClose={paletteIs.close} />
    </Group>
  );
}
