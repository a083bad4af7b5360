import { Box, Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Deployment, type Flow, flows } from "@/api/flows";
import { Progress } from "@/features/designer/Progress";
import { outcome } from "@/features/designer/progress";

/** A deployment of the flow that warms up; null: none does. */
function coming({ coming: next, deployment }: Flow): Deployment | null {
  if (next !== null) return next;
  return deployment !== null && ["warming", "ready"].includes(deployment.state) ? deployment : null;
}

/** The same as `Progress` wants it. */
export function onItsWay(flow: Flow): { epoch: number; replaces: number | null } | null {
  const next = coming(flow);
  return next && { epoch: next.epoch, replaces: flow.coming === null ? null : (flow.deployment?.epoch ?? null) };
}

/** Says what is on its way, or that the last attempt came to nothing, whoever wished for it; shows how it goes. */
export function OnItsWay({ flow }: { flow: Flow }) {
  const [shown, setShown] = useState<{ epoch: number; replaces: number | null } | null>(null);
  const next = coming(flow);
  const runs = flow.deployment?.epoch ?? 0;
  const inVain = next === null && flow.epoch > runs && runs > 0;
  const last = useQuery({ ...flows.deployment(flow.name, flow.epoch), enabled: inVain });
  const about = next ?? (inVain ? (last.data ?? null) : null);
  if (about === null && shown === null) return null;
  return (
    <Box px="md" pb="xs" role="region" aria-label="On its way">
      <Group gap="xs">
        {about !== null && (
          <Text size="sm" role="status">
            {next === null ? ended(about) : waits(next)}
          </Text>
        )}
        <Button
          size="compact-xs"
          variant="default"
          onClick={() =>
            setShown(
              shown === null && about !== null
                ? { epoch: about.epoch, replaces: about.epoch === runs ? null : runs || null }
                : null,
            )
          }
        >
          {shown === null ? "Show" : "Put away"}
        </Button>
      </Group>
      {shown !== null && (
        <Box maw={520} mt="xs" mah="45vh" style={{ overflowY: "auto" }}>
          <Progress flow={flow.name} {...shown} onLive={() => setShown(null)} />
        </Box>
      )}
    </Box>
  );
}

function waits({ version, steps, components }: Deployment): string {
  const ready = steps.filter((step) => step.host === "ready").length;
  return `Version ${version} is on its way: ${ready} of ${Object.keys(components).length} steps are ready.`;
}

function ended(last: Deployment): string {
  const how = outcome(last);
  if (how === "failed") return `The last attempt, version ${last.version}, failed: ${last.reason}`;
  if (how === "cancelled") return `The last attempt, version ${last.version}, was cancelled by ${last.cancelled_by}.`;
  return `The last attempt, version ${last.version}, was superseded or stopped.`;
}
