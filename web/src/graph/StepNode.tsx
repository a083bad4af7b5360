import { ActionIcon, Badge, Group, Paper, Text, Tooltip } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import type { components } from "@/api/schema";
import type { Step } from "@/graph/document";
import { tone } from "@/ui/tone";
import { span } from "@/ui/when";

/** What a page shows of a step beside what is written of it; everything may be absent. */
export interface StepAbout {
  /** What the step's host says of itself. */
  live?: components["schemas"]["StepView"] | null;
  /** Messages a second, in and out. */
  rate?: { received: number; emitted: number } | null;
  /** The revision it runs. */
  revision?: number | null;
  /** The latest revision, when that is another one. */
  newer?: number | null;
  mistakes?: number;
  /** What became of it in one execution. */
  outcome?: StepOutcome | null;
}

export interface StepOutcome {
  state: "done" | "failed" | "delayed" | "skipped" | "waiting";
  /** Messages. */
  count: number;
  /** Microseconds in the component's code. */
  took: number;
  /** In place of the state, when nothing has come to the step yet. */
  label?: string;
  /** Why it no longer counts. */
  stale?: string | null;
}

export interface StepNodeData extends StepAbout, Record<string, unknown> {
  step: Step;
  onAdd: (() => void) | null;
}

export type StepNodeType = Node<StepNodeData, "step">;

const HOST_COLORS: Record<string, string> = {
  ready: "teal",
  starting: "blue",
  backoff: "orange",
  stopping: "gray",
  stopped: "gray",
  failed: "red",
};

const OUTCOME_COLORS = { done: "teal", failed: "red", delayed: "orange", skipped: "gray", waiting: "gray" } as const;

/** A step on the canvas: what it is, and how it is when it runs. */
export const StepNode = memo(function StepNode({ data, selected }: NodeProps<StepNodeType>) {
  const { step, live = null, rate = null, revision = null, newer = null, mistakes = 0, outcome = null, onAdd } = data;
  return (
    <Paper
      withBorder
      shadow={selected ? "md" : "xs"}
      p="xs"
      h="100%"
      style={{
        borderColor: selected ? "var(--mantine-primary-color-filled)" : undefined,
        borderWidth: selected ? 2 : 1,
      }}
    >
      {step.kind === "action" && <Handle type="target" position={Position.Left} isConnectable={false} />}
      <Group justify="space-between" wrap="nowrap" gap={4}>
        <Text fw={600} size="sm" truncate>
          {step.name || step.id}
        </Text>
        {mistakes > 0 && (
          <Badge color="red" size="sm" circle title={`${mistakes} problems`}>
            {mistakes}
          </Badge>
        )}
        {live !== null && live.host !== "" && (
          <Badge size="xs" variant="light" color={HOST_COLORS[live.host] ?? "gray"}>
            {live.host}
          </Badge>
        )}
      </Group>
      <Text size="xs" c="dimmed" truncate>
        {step.uses}
        {revision !== null && ` · r${revision}`}
        {newer !== null && ` → r${newer} is pushed`}
      </Text>
      {step.when !== null && (
        <Text size="xs" ff="monospace" truncate title={`only when ${step.when}`}>
          <b>when</b> {step.when}
        </Text>
      )}
      {live !== null && (
        <Group gap={8} mt={4}>
          <Figure label="messages in" value={`↓ ${live.received}${perSecond(rate?.received)}`} />
          <Figure label="messages out" value={`↑ ${live.emitted}${perSecond(rate?.emitted)}`} />
          {live.waiting > 0 && <Figure label="messages waiting" value={`⧗ ${live.waiting}`} />}
          {live.failed > 0 && <Figure label="failed" value={`✕ ${live.failed}`} color={tone("red")} />}
          <Figure label="memory" value={`${Math.round(live.memory / 2 ** 20)} MB`} />
        </Group>
      )}
      {outcome !== null && (
        <Group gap={8} mt={4}>
          <Badge size="xs" variant={outcome.stale ? "outline" : "light"} color={OUTCOME_COLORS[outcome.state]}>
            {outcome.label ?? outcome.state}
          </Badge>
          {outcome.count > 0 && <Figure label="messages" value={`${outcome.count}`} />}
          {outcome.took > 0 && <Figure label="in its code" value={span(outcome.took)} />}
          {outcome.stale && <Figure label={outcome.stale} value="stale" />}
        </Group>
      )}
      {live?.warning && (
        <Tooltip label={live.warning} multiline maw={360}>
          <Text size="xs" c={tone("orange")} truncate>
            ⚠ {live.warning}
          </Text>
        </Tooltip>
      )}
      {onAdd !== null && (
        <ActionIcon
          size="xs"
          radius="xl"
          pos="absolute"
          right={-24}
          top="calc(50% - 9px)"
          className="nopan"
          aria-label={`Add a step after ${step.id}`}
          onClick={(event) => {
            event.stopPropagation();
            onAdd();
          }}
        >
          <IconPlus size={12} />
        </ActionIcon>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </Paper>
  );
});

function perSecond(rate: number | undefined): string {
  return rate === undefined || rate === 0 ? "" : ` · ${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`;
}

function Figure({ label, value, color }: { label: string; value: string; color?: string }) {
  return (
    <Text size="xs" {...(color === undefined ? {} : { c: color })} title={label} aria-label={`${value} ${label}`}>
      {value}
    </Text>
  );
}
