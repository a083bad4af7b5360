import { Badge, Group, Text } from "@mantine/core";
import type { Credential } from "@/api/credentials";
import { moment } from "@/ui/when";

const COLORS: Record<Credential["state"], string> = { verified: "teal", unverified: "gray", failed: "red" };

/** Whether it is good, why not, and when it was asked last. */
export function CredentialState({ credential }: { credential: Credential }) {
  const { state, reason, checked_at: at, connects, connected } = credential;
  return (
    <div>
      <Group gap={6}>
        <Badge variant="light" color={COLORS[state]}>
          {state}
        </Badge>
        {connects && !connected && (
          <Badge variant="light" color="orange">
            not connected
          </Badge>
        )}
        {at !== null && <Text size="xs" c="dimmed">{`asked ${moment(at)}`}</Text>}
      </Group>
      {reason && (
        <Text
          size="xs"
          c={state === "failed" ? "var(--mantine-color-error)" : "dimmed"}
          style={{ overflowWrap: "anywhere" }}
        >
          {reason}
        </Text>
      )}
    </div>
  );
}
