import { Group, Text } from "@mantine/core";
import { usePulses } from "@/graph/pulses";
import type { StepAbout } from "@/graph/StepNode";
import { tone } from "@/ui/tone";
import { age, perSecond, span } from "@/ui/when";

type Live = NonNullable<StepAbout["live"]>;

/** What may no longer be so; not paler than can be read. */
const OLD = { color: "var(--mantine-color-dimmed)", fontStyle: "italic" } as const;

/** How a step runs, as short as it can be told; the step's panel says it in words. */
export function StepFigures({ live, now, stale }: { live: Live; now: number; stale: boolean }) {
  const alarm = (color: string) => (stale ? {} : { color: tone(color) });
  const waits = live.oldest_at === null ? "" : ` · ${age(now - live.oldest_at)}`;
  return (
    <div style={{ overflow: "hidden", ...(stale ? OLD : {}) }}>
      <Group gap={8} wrap="nowrap">
        <Figure label="messages in" value={`↓ ${short(live.received)}${rate(live.received_s)}`} />
        <Figure label="messages out" value={`↑ ${short(live.emitted)}${rate(live.emitted_s)}`} />
        <Figure label="memory" value={`${Math.round(live.memory / 2 ** 20)} MB`} />
      </Group>
      {live.p50_us !== null && live.p99_us !== null && (
        <Group gap={8} wrap="nowrap">
          <Figure label="that half of the messages took at most" value={`p50 ${span(live.p50_us)}`} />
          <Figure label="that 99 of 100 messages took at most" value={`p99 ${span(live.p99_us)}`} />
        </Group>
      )}
      <Group gap={8} wrap="nowrap">
        {live.waiting > 0 && (
          <Figure label="and for how long the oldest" value={`${short(live.waiting)} waiting${waits}`} />
        )}
        {live.failed > 0 && <Figure label="" value={`${short(live.failed)} failed`} {...alarm("red")} />}
        {live.restarts > 0 && (
          <Figure label="of its host" value={counted(live.restarts, "restart")} {...alarm("orange")} />
        )}
        {live.leak && <Figure label={live.warning || live.reason} value="leaks" {...alarm("orange")} />}
      </Group>
    </div>
  );
}

/** Glows around a step when a message was seen to leave it. */
export function StepPulse({ id }: { id: string }) {
  const pulses = usePulses(id);
  return pulses > 0 ? <div key={pulses} className="pulse-step" aria-hidden /> : null;
}

function Figure({ label, value, color }: { label: string; value: string; color?: string }) {
  return (
    <Text
      size="xs"
      {...(color === undefined ? {} : { c: color })}
      title={label}
      aria-label={`${value} ${label}`.trim()}
      style={{ whiteSpace: "nowrap" }}
    >
      {value}
    </Text>
  );
}

function rate(perS: number | null): string {
  return perS === null || perS === 0 ? "" : ` · ${perSecond(perS)}`;
}

/** A count in few characters. */
function short(count: number): string {
  if (count < 10_000) return `${count}`;
  return count < 10_000_000 ? `${Math.round(count / 1000)}k` : `${Math.round(count / 1_000_000)}M`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
