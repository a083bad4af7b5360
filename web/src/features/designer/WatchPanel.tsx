import { Anchor, Badge, Code, Group, ScrollArea, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "wouter";
import { mistakeIn, type Passing, type Seen, useWatch, type Watched } from "@/api/watch";
import { MessageBody } from "@/features/designer/MessageBody";
import type { Edge } from "@/graph/layout";
import { passed, pulse, still } from "@/graph/pulses";
import { Panel } from "@/ui/Panel";
import { useFilter } from "@/ui/useFilter";
import { moment, size } from "@/ui/when";

const TYPING = 400;

interface Props {
  flow: string;
  steps: string[];
  lines: Edge[];
  onClose: () => void;
}

/** Messages as they pass, newest first, and on the canvas. It ends when the panel is closed or the page is left. */
export function WatchPanel({ flow, steps, lines, onClose }: Props) {
  const [filter, setFilter] = useFilter();
  const [text] = useDebouncedValue(filter("text"), TYPING);
  const [where] = useDebouncedValue(filter("where"), TYPING);
  const mistake = useQuery({ queryKey: ["expression", where], queryFn: () => mistakeIn(where), retry: false });
  const valid = where === "" || mistake.data === null;
  const draw = (look: Passing) => {
    pulse(new Set(look.items.flatMap((each) => [each.step, ...passed(each.step, each.to, lines)])));
  };
  const wanted = { step: filter("step"), to: filter("to"), text, where: valid ? where : "" };
  const { shown, state } = useWatch(flow, wanted, valid, draw);
  useEffect(() => still, []);
  return (
    <Panel title="Watch" onClose={onClose}>
      <Stack p="sm" gap="xs">
        <Group gap="xs" grow>
          <Select
            aria-label="From step"
            placeholder="Every step"
            size="xs"
            clearable
            data={steps}
            value={filter("step") || null}
            onChange={(value) => setFilter("step", value)}
          />
          <Select
            aria-label="To step"
            placeholder="To any step"
            size="xs"
            clearable
            data={lines.filter((line) => line.from === filter("step")).map((line) => line.to)}
            disabled={filter("step") === ""}
            value={filter("to") || null}
            onChange={(value) => setFilter("to", value)}
          />
        </Group>
        <TextInput
          aria-label="Text in the message"
          placeholder="Text in the message"
          size="xs"
          value={filter("text")}
          onChange={(event) => setFilter("text", event.currentTarget.value)}
        />
        <TextInput
          aria-label="Condition (JSONata)"
          placeholder="Condition (JSONata): body.total > 100"
          size="xs"
          ff="monospace"
          value={filter("where")}
          onChange={(event) => setFilter("where", event.currentTarget.value)}
          error={mistake.error?.message ?? mistake.data}
        />
        <Counts shown={shown} state={valid ? state : "stopped"} />
      </Stack>
      <ScrollArea flex={1} mih={0} type="auto" viewportProps={{ tabIndex: 0, "aria-label": "Passing", role: "log" }}>
        <Stack p="sm" pt={0} gap="sm">
          {shown.items.length === 0 && (
            <Text size="sm" c="dimmed">
              Messages show up here as they pass.
            </Text>
          )}
          {shown.items.map((each) => (
            <Passed key={each.seq} flow={flow} message={each} />
          ))}
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

function Counts({ shown, state }: { shown: Watched; state: string }) {
  const told = [
    `${shown.passed} passed`,
    shown.unmatched > 0 && `${shown.unmatched} not wanted`,
    shown.leftOut > 0 && `${shown.leftOut} left out, as there were too many`,
  ].filter(Boolean);
  return (
    <Group gap="xs">
      {state === "lost" && (
        <Badge size="xs" color="orange" variant="light" role="status">
          Reconnecting
        </Badge>
      )}
      <Text size="xs" c="dimmed">
        {told.join(", ")}
      </Text>
      {shown.trouble && (
        <Text size="xs" c="dimmed">{`The condition does not work on some messages: ${shown.trouble}`}</Text>
      )}
    </Group>
  );
}

function Passed({ flow, message }: { flow: string; message: Seen }) {
  return (
    <Stack gap={2} component="article" aria-label={`Message of ${message.step}`}>
      <Group gap="xs">
        <Text size="xs" c="dimmed">
          {moment(message.at)}
        </Text>
        <Text size="sm" fw={600}>
          {message.to === null ? message.step : `${message.step} → ${message.to}`}
        </Text>
        <Text size="xs" c="dimmed">
          {size(message.size)}
        </Text>
        <Anchor size="xs" component={Link} href={`/executions/${message.execution}`}>
          Execution
        </Anchor>
      </Group>
      <Code style={{ overflowWrap: "anywhere" }}>{clipped(message.body)}</Code>
      {(!message.whole || message.body.length > CLIPPED) && <MessageBody flow={flow} seq={message.seq} />}
    </Stack>
  );
}

const CLIPPED = 240;

function clipped(body: string): string {
  return body.length <= CLIPPED ? body : `${body.slice(0, CLIPPED)}…`;
}
