import { ActionIcon, Badge, Group, Paper, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import type { components } from "@/api/schema";
import type { Step } from "@/graph/document";
import { useEditing } from "@/graph/editing";
import { StepFigures, StepPulse } from "@/graph/StepFigures";
import { span } from "@/ui/when";

/** What a page shows of a step beside what is written of it; everything may be absent. */
export interface StepAbout {
  /** What the step's host says of itself. */
  live?: components["schemas"]["StepView"] | null;
  /** When that was so, milliseconds since the epoch. */
  now?: number;
  /** It may no longer be so. */
  stale?: boolean;
  /** The revision it runs, and its commit. */
  revision?: number | null;
  commit?: string;
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
  editing: boolean;
  /** It does not run: it is disabled, or only a disabled step leads to it. */
  idle: boolean;
  /** Nothing comes after it. */
  leaf: boolean;
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
  const { step, live = null, revision = null, newer = null, mistakes = 0, outcome = null, idle, leaf } = data;
  const editing = useEditing();
  const { now = 0, stale = false, commit = "" } = data;
  return (
    <Paper
      withBorder
      shadow={selected ? "md" : "xs"}
      className={idle ? "step-idle" : ""}
      p="xs"
      h="100%"
      style={{
        borderColor: selected ? "var(--mantine-primary-color-filled)" : undefined,
        borderWidth: selected ? 2 : 1,
      }}
    >
      {step.kind === "action" && <Handle type="target" position={Position.Left} isConnectable={editing !== null} />}
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
          <Badge size="xs" variant="light" color={stale ? "gray" : (HOST_COLORS[live.host] ?? "gray")}>
            {live.host}
          </Badge>
        )}
      </Group>
      <Text size="xs" c="dimmed" truncate>
        {step.uses}
        {revision !== null && ` · r${revision}`}
        {commit && ` ${commit.slice(0, 7)}`}
        {newer !== null && ` → r${newer} is pushed`}
      </Text>
      {idle && (
        <Badge size="xs" variant="outline" color="gray">
          {step.disabled ? "disabled" : "left out"}
        </Badge>
      )}
      {live !== null && <StepFigures live={live} now={now} stale={stale} />}
      <StepPulse id={step.id} />
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
      {editing !== null && (
        <ActionIcon
          size="xs"
          radius="xl"
          pos="absolute"
          right={-24}
          top="calc(50% - 9px)"
          className="nopan step-add"
          {...(leaf ? { "data-leaf": true } : {})}
          aria-label={`Add a step after ${step.id}`}
          onClick={(event) => {
            event.stopPropagation();
            editing.onAdd(step.id);
          }}
        >
          <IconPlus size={12} />
        </ActionIcon>
      )}
      <Handle type="source" position={Position.Right} isConnectable={editing !== null} />
    </Paper>
  );
});

function Figure({ label, value, color }: { label: string; value: string; color?: string }) {
  return (
    <Text size="xs" {...(color === undefined ? {} : { c: color })} title={label} aria-label={`${value} ${label}`}>
      {value}
    </Text>
  );
}
