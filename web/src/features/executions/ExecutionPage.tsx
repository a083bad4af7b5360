import { Alert, Anchor, Badge, Box, Breadcrumbs, Button, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "wouter";
import { type ExecutionDetail, executions, type Processed } from "@/api/executions";
import { flows } from "@/api/flows";
import { ErrorPanel } from "@/features/executions/ErrorPanel";
import { STATE_COLORS } from "@/features/executions/ExecutionsPage";
import { beats } from "@/features/executions/replay";
import { ExecutionLog, Output } from "@/features/executions/StepDetail";
import { outcomes } from "@/features/executions/tree";
import { Canvas } from "@/graph/Canvas";
import { read, type Step } from "@/graph/document";
import { edges } from "@/graph/layout";
import { passed, pulse, still } from "@/graph/pulses";
import { Json } from "@/ui/Json";
import { Refusal } from "@/ui/Refusal";
import { Waiting } from "@/ui/Waiting";
import { moment, span } from "@/ui/when";

const COLORS = { done: "teal", failed: "red", delayed: "orange", skipped: "gray", waiting: "gray" } as const;

/** What one event caused, on the picture of the version it ran on: choose a step to see what it got and did. */
export default function ExecutionPage({ id }: { id: string }) {
  const execution = useQuery(executions.one(id));
  if (execution.data === undefined) {
    return execution.error ? <Refusal error={execution.error} onRetry={() => void execution.refetch()} /> : <Waiting />;
  }
  return (
    <Stack h="100%" gap={0}>
      <Head execution={execution.data} />
      <Picture execution={execution.data} />
    </Stack>
  );
}

function Head({ execution }: { execution: ExecutionDetail }) {
  return (
    <Group px="md" py="xs" gap="sm">
      <Breadcrumbs>
        <Anchor component={Link} href={`/executions?flow=${execution.flow}`}>
          Executions
        </Anchor>
        <Title order={1} size="h4">{`${execution.flow}, ${moment(execution.started_at)}`}</Title>
      </Breadcrumbs>
      <Badge variant="light" color={STATE_COLORS[execution.state]}>
        {execution.state}
      </Badge>
      {execution.duration_ms !== null && <Text size="sm">{span(execution.duration_ms * 1_000)}</Text>}
      <Badge variant="outline" color="gray">{`version ${execution.version}`}</Badge>
      {execution.rerun_of && (
        <Anchor size="sm" component={Link} href={`/executions/${execution.rerun_of}`}>
          runs a part of another one again
        </Anchor>
      )}
      {execution.incomplete && (
        <Text size="sm" c="dimmed">
          Facts were lost with a killed worker: there may have been more.
        </Text>
      )}
    </Group>
  );
}

function Picture({ execution }: { execution: ExecutionDetail }) {
  const version = useQuery(flows.version(execution.flow, execution.version));
  const [step, setStep] = useState<string | null>(null);
  const text = version.data?.document;
  const document = useMemo(() => (text === undefined ? null : read(text)), [text]);
  const became = outcomes(execution.processed);
  const shown = step === null ? execution.processed : execution.processed.filter((each) => each.step === step);
  return (
    <Group flex={1} mih={0} gap={0} align="stretch" wrap="nowrap">
      <Box flex={1} miw={0} visibleFrom="sm">
        {document === null ? (
          <Alert m="md" color="gray">
            The version it ran on cannot be drawn{version.error ? `: ${version.error.message}` : ""}.
          </Alert>
        ) : (
          <Canvas
            steps={document.steps}
            selected={step}
            onSelect={setStep}
            about={(each) => ({ outcome: became.get(each.id) ?? null })}
          />
        )}
      </Box>
      <Box
        w={{ base: "100%", sm: 460 }}
        p="sm"
        style={{ borderLeft: "1px solid var(--mantine-color-default-border)", overflow: "auto" }}
      >
        <Group justify="space-between" mb="xs">
          <Title order={2} size="h5">
            {step ?? "Everything it caused"}
          </Title>
          <Group gap="xs">
            {document !== null && <Replay execution={execution} steps={document.steps} />}
            {step !== null && (
              <Button size="compact-xs" variant="subtle" onClick={() => setStep(null)}>
                Show all
              </Button>
            )}
          </Group>
        </Group>
        {shown.length === 0 && <Text c="dimmed">No message came to this step.</Text>}
        <Stack>
          {shown.map((each) => (
            <Entry
              key={`${each.message} ${each.step} ${each.attempt} ${each.kind}`}
              entry={each}
              execution={execution}
            />
          ))}
          <ExecutionLog execution={execution} step={step} />
        </Stack>
      </Box>
    </Group>
  );
}

/** Shows on the canvas how it went, message by message. */
function Replay({ execution, steps }: { execution: ExecutionDetail; steps: Step[] }) {
  const timers = useRef<ReturnType<typeof setTimeout>[]>([]);
  const [playing, setPlaying] = useState(false);
  const stop = () => {
    for (const timer of timers.current) clearTimeout(timer);
    still();
    setPlaying(false);
  };
  const play = () => {
    stop();
    setPlaying(true);
    const lines = edges(steps);
    const told = beats(execution.processed);
    timers.current = told.map(({ after, step, from }) =>
      setTimeout(() => pulse([step, ...(from === null ? [] : passed(from, step, lines))]), after),
    );
    timers.current.push(setTimeout(() => setPlaying(false), (told.at(-1)?.after ?? 0) + 1_000));
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: it ends when the page is left
  useEffect(() => stop, []);
  return (
    <Button size="compact-xs" variant="default" visibleFrom="sm" onClick={playing ? stop : play}>
      {playing ? "Stop" : "Replay"}
    </Button>
  );
}

function Entry({ entry, execution }: { entry: Processed; execution: ExecutionDetail }) {
  const began = execution.started_at;
  const [opened, setOpened] = useState(false);
  const state = entry.kind === "accepted" || entry.kind === "emitted" ? "done" : entry.kind;
  return (
    <Stack gap={4} component="article" aria-label={`${entry.step} ${entry.kind}`}>
      <Group gap="xs">
        <Text fw={600} size="sm">
          {entry.step}
        </Text>
        <Badge size="sm" variant="light" color={COLORS[state]}>
          {entry.kind}
        </Badge>
        <Text size="xs" c="dimmed">{`+${span(entry.at_us - began * 1_000)}`}</Text>
        {entry.attempt > 1 && <Text size="xs">{`attempt ${entry.attempt}`}</Text>}
        <Button size="compact-xs" variant="subtle" onClick={() => setOpened(!opened)} aria-expanded={opened}>
          {opened ? "Less" : "More"}
        </Button>
      </Group>
      {entry.until !== null && <Text size="xs">{`The next attempt is at ${moment(entry.until)}.`}</Text>}
      {entry.kind === "failed" && entry.error && <ErrorPanel id={entry.error} />}
      {opened && (
        <>
          <Table withRowBorders={false} verticalSpacing={2} fz="xs">
            <Table.Tbody>
              <Row label="Waited" value={span(entry.wait_us)} />
              {entry.map_us !== null && <Row label="Mapped in" value={span(entry.map_us)} />}
              <Row label="In its code" value={span(entry.call_us)} />
              <Row label="Emitted" value={`${entry.outputs}`} />
            </Table.Tbody>
          </Table>
          {entry.input === null ? (
            <Text size="xs" c="dimmed">
              The journal no longer has what it received.
            </Text>
          ) : (
            <>
              <Text size="xs" fw={600}>
                {entry.kind === "emitted"
                  ? "Emitted"
                  : entry.input.stage === "raw"
                    ? "Input, before its mapping"
                    : "Input"}
              </Text>
              <Json value={entry.input.large ?? entry.input.body} />
            </>
          )}
          {entry.outputs > 0 && state !== "skipped" && entry.kind !== "emitted" && (
            <Output execution={execution.id} step={entry.step} message={entry.message} />
          )}
        </>
      )}
    </Stack>
  );
}

function Row({ label, value }: { label: string; value: string }) {
  return (
    <Table.Tr>
      <Table.Td w={110}>{label}</Table.Td>
      <Table.Td>{value}</Table.Td>
    </Table.Tr>
  );
}
