import { Anchor, Badge, Button, Group, ScrollArea, SegmentedControl, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type Queued, queues, type Which } from "@/api/queues";
import { MessageBody } from "@/features/designer/MessageBody";
import type { EdgeAbout } from "@/graph/FlowEdge";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";
import { useNow } from "@/ui/useNow";
import { age, moment, size } from "@/ui/when";

const COLORS = { waiting: "gray", taken: "blue", done: "teal" } as const;
const WORDS = { waiting: "waiting", taken: "at the step", done: "done" } as const;

interface Props {
  flow: string;
  from: string;
  to: string;
  about: EdgeAbout;
  onClose: () => void;
}

/** The messages between two steps: those that wait, and those that came last. Looking takes none of them. */
export function EdgePanel({ flow, from, to, about, onClose }: Props) {
  const [which, setWhich] = useState<Which>("waiting");
  return (
    <Panel title={`${from} → ${to}`} label={`Messages from ${from} to ${to}`} onClose={onClose}>
      <Stack p="sm" gap="xs">
        <Text size="sm">
          {about.waiting === null
            ? "This step has no queue: it does not run."
            : about.waiting === 0
              ? "Nothing waits here."
              : `${about.waiting} waiting, the oldest for ${about.age}.`}
        </Text>
        <SegmentedControl
          size="xs"
          aria-label="Which messages"
          value={which}
          onChange={(value) => setWhich(value as Which)}
          data={[
            { value: "waiting", label: "Waiting" },
            { value: "recent", label: "Recent" },
          ]}
        />
      </Stack>
      <Messages key={which} flow={flow} from={from} to={to} which={which} />
    </Panel>
  );
}

function Messages({ flow, from, to, which }: { flow: string; from: string; to: string; which: Which }) {
  const messages = useInfiniteQuery(queues.messages(flow, to, from, which));
  const shown = messages.data?.pages.flatMap((page) => page.items) ?? [];
  const now = useNow();
  return (
    <ScrollArea flex={1} mih={0} type="auto" viewportProps={{ tabIndex: 0, "aria-label": "Messages", role: "group" }}>
      <Stack p="sm" pt={0} gap="sm">
        {messages.error && <Refusal error={messages.error} onRetry={() => void messages.refetch()} />}
        {messages.data !== undefined && shown.length === 0 && (
          <Text size="sm" c="dimmed">
            {which === "waiting" ? "No message waits." : "No message came this way, as far as the journal goes back."}
          </Text>
        )}
        {shown.map((each) => (
          <Message key={each.seq} flow={flow} message={each} now={now} />
        ))}
        {messages.hasNextPage && (
          <Button
            size="xs"
            variant="default"
            loading={messages.isFetchingNextPage}
            onClick={() => void messages.fetchNextPage()}
          >
            {which === "waiting" ? "Show more" : "Show older ones"}
          </Button>
        )}
      </Stack>
    </ScrollArea>
  );
}

function Message({ flow, message, now }: { flow: string; message: Queued; now: number }) {
  return (
    <Stack gap={2} component="article" aria-label={`Message of ${moment(message.at)}`}>
      <Group gap="xs">
        <Text size="sm" fw={600} title={`${age(now - message.at)} ago`}>
          {moment(message.at)}
        </Text>
        <Badge size="xs" variant="light" color={COLORS[message.state]}>
          {WORDS[message.state]}
        </Badge>
        <Text size="xs" c="dimmed">
          {size(message.size)}
        </Text>
        {message.attempt > 1 && <Text size="xs">{`attempt ${message.attempt}`}</Text>}
        {message.rerun && <Text size="xs">run again</Text>}
        <Anchor size="xs" component={Link} href={`/executions/${message.execution}`}>
          Execution
        </Anchor>
      </Group>
      <MessageBody flow={flow} seq={message.seq} />
    </Stack>
  );
}
