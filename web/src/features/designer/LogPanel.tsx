import { Anchor, Badge, Divider, Group, ScrollArea, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { followLog, type LogFilter, type LogLine } from "@/api/logs";
import { Offline } from "@/api/problem";
import { LogLines } from "@/ui/LogLines";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";
import { useFilter } from "@/ui/useFilter";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];
/** Lines kept on the page. */
const KEPT = 2_000;
const AGAIN_AFTER = 2_000;
const TYPING = 400;

interface Props {
  flow: string;
  steps: string[];
  onClose: () => void;
}

/** What the steps write, as they write it. The filters are in the address. */
export function LogPanel({ flow, steps, onClose }: Props) {
  const [filter, setFilter] = useFilter();
  const [text] = useDebouncedValue(filter("text"), TYPING);
  const level = LEVELS.find((each) => each === filter("level")) ?? "info";
  const { lines, error } = useLog(flow, { step: filter("step"), level, text });
  const [following, setFollowing] = useState(true);
  const bottom = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it scrolls when lines come
  useEffect(() => {
    if (following) bottom.current?.scrollIntoView({ block: "end" });
  }, [lines.length, following]);
  return (
    <Panel title="Log" onClose={onClose}>
      <Stack p="sm" gap="xs">
        <Group gap="xs" grow>
          <Select
            aria-label="Step"
            placeholder="All steps"
            data={steps}
            value={filter("step") || null}
            onChange={(value) => setFilter("step", value)}
            clearable
            size="xs"
          />
          <Select
            aria-label="Level"
            data={LEVELS}
            value={level}
            onChange={(value) => setFilter("level", value)}
            allowDeselect={false}
            size="xs"
          />
          <TextInput
            aria-label="Search the log"
            placeholder="Text"
            value={filter("text")}
            onChange={(event) => setFilter("text", event.currentTarget.value)}
            size="xs"
          />
        </Group>
        <Group justify="space-between">
          <Switch
            size="xs"
            label="Follow"
            checked={following}
            onChange={(event) => setFollowing(event.currentTarget.checked)}
          />
          {error instanceof Offline && (
            <Badge size="sm" color="orange" variant="light" role="status">
              Reconnecting
            </Badge>
          )}
        </Group>
      </Stack>
      <Divider />
      {error && !(error instanceof Offline) && <Refusal error={error} />}
      <ScrollArea flex={1} mih={0} type="auto" viewportProps={{ tabIndex: 0, "aria-label": "Lines", role: "log" }}>
        <Stack gap={2} p="sm">
          {lines.length === 0 && (
            <Text size="sm" c="dimmed">
              Nothing yet.
            </Text>
          )}
          <LogLines lines={lines} withStep after={executionOf} />
          <div ref={bottom} />
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

function executionOf({ execution }: LogLine) {
  if (!execution) return null;
  return (
    <Anchor size="xs" component={Link} href={`/executions/${execution}`}>
      Execution
    </Anchor>
  );
}

/** The last lines and those that come; a connection that broke is made again, from the last lines on. */
function useLog(flow: string, { step, level, text }: LogFilter) {
  const [lines, setLines] = useState<LogLine[]>([]);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    setLines([]);
    setError(null);
    const read = async () => {
      let first = true;
      try {
        const heard = (more: LogLine[]) => {
          const anew = first;
          first = false;
          setError(null);
          setLines((now) => (anew ? more : [...now, ...more]).slice(-KEPT));
        };
        await followLog(flow, { step, level, text }, heard, ending.signal);
        throw new Offline("the server has ended");
      } catch (failure) {
        if (ending.signal.aborted) return;
        setError(failure as Error);
        timer = setTimeout(() => void read(), AGAIN_AFTER);
      }
    };
    void read();
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [flow, step, level, text]);
  return { lines, error };
}
