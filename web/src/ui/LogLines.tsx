import { Badge, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { LogLine } from "@/api/logs";
import { moment } from "@/ui/when";

const COLORS: Record<string, string> = { warn: "orange", error: "red", fatal: "red", info: "blue" };

interface Props {
  lines: readonly LogLine[];
  withStep?: boolean;
  /** What stands at the end of a line. */
  after?: (line: LogLine) => ReactNode;
}

/** Lines of a log, one below the other. */
export function LogLines({ lines, withStep = false, after }: Props) {
  return lines.map((line) => (
    <Group key={line.number} gap="xs" wrap="nowrap" align="flex-start">
      <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
        {moment(line.at)}
      </Text>
      <Badge size="xs" variant="light" color={COLORS[line.level] ?? "gray"} style={{ flexShrink: 0 }}>
        {line.level}
      </Badge>
      {withStep && (
        <Text size="xs" fw={600}>
          {line.step}
        </Text>
      )}
      <Text size="xs" ff="monospace" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere", minWidth: 0 }}>
        {line.text}
      </Text>
      {after?.(line)}
    </Group>
  ));
}
