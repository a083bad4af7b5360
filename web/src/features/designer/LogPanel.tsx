import { Badge, Divider, Group, ScrollArea, Select, Stack, Text, TextInput } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { followLog, type LogLine } from "@/api/logs";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";
import { moment } from "@/ui/when";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];
const COLORS: Record<string, string> = { warn: "orange", error: "red", fatal: "red", info: "blue" };
/** Lines kept on the page. */
const KEPT = 2_000;
const AGAIN_AFTER = 2_000;

interface Props {
  flow: string;
  steps: string[];
  step: string | null;
  onClose: () => void;
}

/** What the steps write, as they write it. */
export function LogPanel({ flow, steps, step: first, onClose }: Props) {
  const [step, setStep] = useState<string | null>(first);
  const [level, setLevel] = useState("info");
  const [search, setSearch] = useState("");
  const { lines, error } = useLog(flow, step, level);
  const bottom = useRef<HTMLDivElement>(null);
  const shown = lines.filter((line) => line.text.toLowerCase().includes(search.toLowerCase()));
  // biome-ignore lint/correctness/useExhaustiveDependencies: it scrolls when lines come
  useEffect(() => {
    bottom.current?.scrollIntoView({ block: "end" });
  }, [shown.length]);
  return (
    <Panel title="Log" onClose={onClose}>
      <Group p="sm" gap="xs" grow>
        <Select
          aria-label="Step"
          placeholder="All steps"
          data={steps}
          value={step}
          onChange={setStep}
          clearable
          size="xs"
        />
        <Select
          aria-label="Level"
          data={LEVELS}
          value={level}
          onChange={(value) => setLevel(value ?? "info")}
          allowDeselect={false}
          size="xs"
        />
        <TextInput
          aria-label="Search the log"
          placeholder="Text"
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          size="xs"
        />
      </Group>
      <Divider />
      {error && <Refusal error={error} />}
      <ScrollArea flex={1} mih={0} type="auto" viewportProps={{ tabIndex: 0, "aria-label": "Lines", role: "log" }}>
        <Stack gap={2} p="sm">
          {shown.length === 0 && (
            <Text size="sm" c="dimmed">
              Nothing yet.
            </Text>
          )}
          {shown.map((line) => (
            <Group key={line.number} gap="xs" wrap="nowrap" align="flex-start">
              <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
                {moment(line.at)}
              </Text>
              <Badge size="xs" variant="light" color={COLORS[line.level] ?? "gray"}>
                {line.level}
              </Badge>
              <Text size="xs" fw={600}>
                {line.step}
              </Text>
              <Text size="xs" ff="monospace" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
                {line.text}
              </Text>
            </Group>
          ))}
          <div ref={bottom} />
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

/** The last lines and those that come; a connection that broke is made again, from the last lines on. */
function useLog(flow: string, step: string | null, level: string) {
  const [lines, setLines] = useState<LogLine[]>([]);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const follow = async () => {
      setLines([]);
      try {
        const heard = (more: LogLine[]) => {
          setError(null);
          setLines((now) => [...now, ...more].slice(-KEPT));
        };
        await followLog(flow, step === null ? { level } : { step, level }, heard, ending.signal);
      } catch (failure) {
        if (!ending.signal.aborted) setError(failure as Error);
      }
      if (!ending.signal.aborted) timer = setTimeout(() => void follow(), AGAIN_AFTER);
    };
    void follow();
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [flow, step, level]);
  return { lines, error };
}
