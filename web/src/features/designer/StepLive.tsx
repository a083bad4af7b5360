import { Alert, Badge, Group, Stack, Table, Text } from "@mantine/core";
import type { Deployment } from "@/api/flows";
import type { StepAbout } from "@/graph/StepNode";
import { age, perSecond, span } from "@/ui/when";

type Live = NonNullable<StepAbout["live"]>;

interface Props {
  live: Live;
  runs: Deployment["components"][string] | undefined;
  newer: number | null;
  now: number;
  /** Why it may no longer be so. */
  stale: string | null;
}

/** How a step runs, in words. */
export function StepLive({ live, runs, newer, now, stale }: Props) {
  return (
    <Stack gap="xs" p="sm" component="section" aria-label="How it runs">
      {live.warning && <Alert color="orange">{live.warning}</Alert>}
      {live.reason && <Alert color="red">{live.reason}</Alert>}
      {stale !== null && (
        <Badge size="sm" color="orange" variant="light">
          {`${stale}: as it was last`}
        </Badge>
      )}
      <Table withRowBorders={false} verticalSpacing={2} fz="xs" {...(stale === null ? {} : { c: "dimmed" })}>
        <Table.Tbody>
          {figures(live, now).map(([label, value]) => (
            <Table.Tr key={label}>
              <Table.Td w={130}>{label}</Table.Td>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {runs !== undefined && (
        <Group gap="xs">
          <Text size="xs">{`${runs.component} revision ${runs.revision}, commit ${runs.commit.slice(0, 10)}`}</Text>
          {newer !== null && <Badge size="xs" color="yellow" variant="light">{`revision ${newer} is pushed`}</Badge>}
        </Group>
      )}
    </Stack>
  );
}

/** Names and values, in the order in which people ask. */
export function figures(live: Live, now: number): [string, string][] {
  const rate = (each: number | null) => (each === null ? "not known yet" : perSecond(each));
  const took = live.p50_us === null || live.p99_us === null ? "no message in the last minute" : null;
  return [
    ["State", live.host || "not known"],
    ["In", `${live.received}, ${rate(live.received_s)}`],
    ["Out", `${live.emitted}, ${rate(live.emitted_s)}`],
    ["Time, p50", took ?? span(live.p50_us ?? 0)],
    ["Time, p99", took ?? span(live.p99_us ?? 0)],
    [
      "Waiting",
      live.oldest_at === null ? `${live.waiting}` : `${live.waiting}, the oldest for ${age(now - live.oldest_at)}`,
    ],
    ["At its host", `${live.open}`],
    ["Failed", `${live.failed}`],
    ["Restarts", `${live.restarts}`],
    ["Memory", `${Math.round(live.memory / 2 ** 20)} MB`],
    ["Warm-up", live.ready_ms === null ? "not known" : `${live.ready_ms} ms`],
    [
      "Leaks",
      live.leak ? `${live.leak.kind}: ${live.leak.growth} more at every call. ${live.leak.cure}` : "none found",
    ],
  ];
}
