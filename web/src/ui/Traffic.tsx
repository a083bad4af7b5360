import { Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Traffic as Told, traffic } from "@/api/traffic";
import { Sparkline } from "@/ui/Sparkline";
import { tone } from "@/ui/tone";
import { perSecond } from "@/ui/when";

/** What a flow's numbers say: events a second, the newest, errors in all, and over how many minutes. */
export function summary({ every, flows }: Told, flow: string) {
  const found = flows.find((each) => each.flow === flow);
  if (found === undefined || found.events.length === 0) return null;
  const rates = found.events.map((count) => count / every);
  const minutes = Math.max(1, Math.round((rates.length * every) / 60));
  return { rates, errors: found.errors, now: rates.at(-1) ?? 0, failed: sum(found.errors), minutes };
}

/** Events a second and errors of a flow in the last minutes, as the server has counted them; `among` others it is
 * asked about all of them at once. */
export function Traffic({ flow, among = false }: { flow: string; among?: boolean }) {
  const told = useQuery(traffic.of(among ? null : flow));
  const found = told.data === undefined ? null : summary(told.data, flow);
  if (found === null) return <Text size="sm">–</Text>;
  const now = perSecond(found.now);
  const over = found.minutes === 1 ? "minute" : `${found.minutes} minutes`;
  const failed = found.failed > 0 ? `, ${found.failed} failed` : "";
  return (
    <Group gap="xs" wrap="nowrap">
      <Sparkline values={found.rates} marks={found.errors} label={`${now} now${failed}, in the last ${over}`} />
      <Text size="sm" style={{ whiteSpace: "nowrap" }} {...(told.isError ? { c: "dimmed", fs: "italic" } : {})}>
        {now}
      </Text>
      {found.failed > 0 && (
        <Text size="sm" c={tone("red")} style={{ whiteSpace: "nowrap" }}>
          {`${found.failed} failed`}
        </Text>
      )}
    </Group>
  );
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
