import { Box, Button, Group, Text } from "@mantine/core";
import { useState } from "react";
import type { Deployment, Flow } from "@/api/flows";
import { Progress } from "@/features/designer/Progress";

/** A deployment of the flow that warms up; null: none does. */
function coming({ coming: next, deployment }: Flow): Deployment | null {
  if (next !== null) return next;
  return deployment !== null && ["warming", "ready"].includes(deployment.state) ? deployment : null;
}

/** Says that something is on its way, whoever wished for it, and shows how it goes until it is put away. */
export function OnItsWay({ flow }: { flow: Flow }) {
  const [shown, setShown] = useState<{ epoch: number; replaces: number | null } | null>(null);
  const next = coming(flow);
  const replaces = flow.coming === null ? null : (flow.deployment?.epoch ?? null);
  if (next === null && shown === null) return null;
  const ready = next?.steps.filter((step) => step.host === "ready").length ?? 0;
  return (
    <Box px="md" pb="xs" role="region" aria-label="On its way">
      <Group gap="xs">
        {next !== null && (
          <Text size="sm" role="status">
            {`Version ${next.version} is on its way: ${ready} of ${Object.keys(next.components).length} steps are ready.`}
          </Text>
        )}
        {shown === null ? (
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => next !== null && setShown({ epoch: next.epoch, replaces })}
          >
            Show
          </Button>
        ) : (
          <Button size="compact-xs" variant="default" onClick={() => setShown(null)}>
            Put away
          </Button>
        )}
      </Group>
      {shown !== null && (
        <Box maw={520} mt="xs" mah="45vh" style={{ overflowY: "auto" }}>
          <Progress flow={flow.name} {...shown} onLive={() => setShown(null)} />
        </Box>
      )}
    </Box>
  );
}
