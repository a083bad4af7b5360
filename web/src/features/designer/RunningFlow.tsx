import { Alert, Box, Group, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Flow, flows } from "@/api/flows";
import { LogPanel } from "@/features/designer/LogPanel";
import { RunningUpdates } from "@/features/designer/RunningUpdates";
import { useRates } from "@/features/designer/rates";
import { StepPanel } from "@/features/designer/StepPanel";
import { VersionsPanel } from "@/features/designer/VersionsPanel";
import { Canvas } from "@/graph/Canvas";
import { read, type Step } from "@/graph/document";
import { Empty } from "@/ui/Empty";
import { Refusal } from "@/ui/Refusal";
import { Waiting } from "@/ui/Waiting";

export type Beside = "log" | "versions" | "updates" | null;

interface Props {
  flow: Flow;
  /** When the flow was read, milliseconds since the epoch. */
  readAt: number;
  beside: Beside;
  onBeside: (beside: Beside) => void;
}

/** What runs, with what passes through it; it can be looked at, and changed only as a draft. */
export function RunningFlow({ flow, readAt, beside, onBeside }: Props) {
  const number = flow.deployment?.version ?? flow.version ?? 0;
  const version = useQuery({ ...flows.version(flow.name, number), placeholderData: keepPreviousData });
  const rates = useRates(flow.deployment, readAt);
  const [selected, setSelected] = useState<string | null>(null);
  if (version.error) return <Refusal error={version.error} onRetry={() => void version.refetch()} />;
  if (version.data === undefined) return <Waiting />;
  const document = read(version.data.document);
  if (document === null) return <Empty title="This version cannot be drawn">Export it to see its text.</Empty>;
  const step = document.steps.find((each) => each.id === selected);
  const live = (id: string) => flow.deployment?.steps.find((each) => each.id === id) ?? null;
  const about = (each: Step) => ({
    live: live(each.id),
    rate: rates[each.id] ?? null,
    revision: flow.deployment?.components[each.id]?.revision ?? null,
    newer: flow.outdated.find((one) => one.step === each.id)?.latest ?? null,
  });
  const select = (id: string | null) => {
    setSelected(id);
    onBeside(null);
  };
  const opened = beside !== null || step !== undefined;
  return (
    <Group h="100%" gap={0} align="stretch" wrap="nowrap">
      <Box flex={1} miw={0} {...(opened ? { visibleFrom: "sm" } : {})}>
        <Canvas steps={document.steps} selected={selected} onSelect={select} about={about} />
      </Box>
      {opened && (
        <Box w={{ base: "100%", sm: 400 }} style={{ borderLeft: "1px solid var(--mantine-color-default-border)" }}>
          {beside === "log" && (
            <LogPanel
              flow={flow.name}
              steps={document.steps.map((each) => each.id)}
              step={selected}
              onClose={() => onBeside(null)}
            />
          )}
          {beside === "updates" && <RunningUpdates flow={flow} onClose={() => onBeside(null)} />}
          {beside === "versions" && <VersionsPanel flow={flow} onClose={() => onBeside(null)} />}
          {beside === null && step !== undefined && (
            <>
              {live(step.id)?.warning && (
                <Alert color="orange" m="sm" mb={0}>
                  {live(step.id)?.warning}
                </Alert>
              )}
              {live(step.id)?.reason && (
                <Text size="sm" m="sm" mb={0}>
                  {live(step.id)?.reason}
                </Text>
              )}
              <StepPanel
                key={step.id}
                document={document}
                step={step}
                mistakes={[]}
                readOnly
                onChange={() => {}}
                onRenamed={() => {}}
                onMap={() => {}}
                onRemove={() => {}}
                onClose={() => setSelected(null)}
              />
            </>
          )}
        </Box>
      )}
    </Group>
  );
}
