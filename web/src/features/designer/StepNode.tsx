import { ActionIcon, Badge, Group, Paper, Text, Tooltip } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import type { components } from "@/api/schema";
import type { Step } from "@/graph/document";
import { tone } from "@/ui/tone";

export interface StepNodeData extends Record<string, unknown> {
  step: Step;
  /** What the step's host says of itself; null when the document does not run. */
  live: components["schemas"]["StepView"] | null;
  /** The revision it runs; null when it does not. */
  revision: number | null;
  newer: number | null;
  mistakes: number;
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

/** A step on the canvas: what it is, and how it is when it runs. */
export const StepNode = memo(function StepNode({ data, selected }: NodeProps<StepNodeType>) {
  const { step, live, revision, newer, mistakes, onAdd } = data;
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
          <Figure label="messages in" value={`↓ ${live.received}`} />
          <Figure label="messages out" value={`↑ ${live.emitted}`} />
          {live.waiting > 0 && <Figure label="messages waiting" value={`⧗ ${live.waiting}`} />}
          {live.failed > 0 && <Figure label="failed" value={`✕ ${live.failed}`} color={tone("red")} />}
          <Figure label="memory" value={`${Math.round(live.memory / 2 ** 20)} MB`} />
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

function Figure({ label, value, color }: { label: string; value: string; color?: string }) {
  return (
    <Text size="xs" {...(color === undefined ? {} : { c: color })} title={label} aria-label={`${value} ${label}`}>
      {value}
    </Text>
  );
}
