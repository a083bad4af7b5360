import { Alert, Anchor, Badge, Button, ScrollArea, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type RolloutLine, rollOut, rolloutPlan } from "@/api/components";
import { CommitList } from "@/ui/CommitList";
import { Empty } from "@/ui/Empty";
import { Refusal } from "@/ui/Refusal";

const SHOWN: Record<RolloutLine["state"], { text: string; color: string }> = {
  publishing: { text: "publishing", color: "blue" },
  live: { text: "live", color: "teal" },
  unchanged: { text: "left as it is", color: "gray" },
  failed: { text: "failed, runs on as it was", color: "red" },
  done: { text: "done", color: "teal" },
  stopped: { text: "stopped", color: "red" },
};

/** Flows that use a component, which of them are behind, and moving those to the latest version, one after the other. */
export function Rollout({ component }: { component: string }) {
  const queries = useQueryClient();
  const plan = useQuery(rolloutPlan(component));
  const [lines, setLines] = useState<RolloutLine[]>([]);
  const rolling = useMutation({
    mutationFn: () => {
      setLines([]);
      return rollOut(component, (line) => setLines((now) => [...now, line]));
    },
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ["components", component] });
      void queries.invalidateQueries({ queryKey: ["flows"] });
    },
  });
  if (plan.error) return <Refusal error={plan.error} onRetry={() => void plan.refetch()} />;
  if (plan.data === undefined) return null;
  const { flows, latest, commits } = plan.data;
  const behind = flows.filter((each) => each.moves);
  const last = lines.at(-1);
  if (flows.length === 0) {
    return <Empty title="No flow uses it">Add a step of it to a flow, and publish that.</Empty>;
  }
  return (
    <Stack align="flex-start">
      <ScrollArea w="100%">
        <Table miw={560} aria-label="Flows that use it">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Flow</Table.Th>
              <Table.Th>Runs</Table.Th>
              <Table.Th>Asks for</Table.Th>
              <Table.Th>A rollout</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {flows.map((each) => {
              const told = lines.findLast((line) => line.flow === each.flow);
              return (
                <Table.Tr key={each.flow}>
                  <Table.Td>
                    <Anchor component={Link} href={`/flows/${each.flow}`} fw={600} size="sm">
                      {each.flow}
                    </Anchor>
                  </Table.Td>
                  <Table.Td>
                    {each.running.map((revision) => `revision ${revision}`).join(", ") || "not running"}
                  </Table.Td>
                  <Table.Td>{each.names.join(", ") || "–"}</Table.Td>
                  <Table.Td>
                    {told ? (
                      <Badge variant="light" color={SHOWN[told.state].color}>
                        {SHOWN[told.state].text}
                      </Badge>
                    ) : each.moves ? (
                      <Badge variant="light" color="yellow">
                        {each.variables ? "gives it other variables" : `moves it to revision ${latest}`}
                      </Badge>
                    ) : (
                      <Text size="sm" c="dimmed">
                        leaves it as it is
                      </Text>
                    )}
                    {each.busy && !told && <Text size="xs">another deployment is on its way</Text>}
                    {told?.reason && <Text size="xs">{told.reason}</Text>}
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </ScrollArea>
      {behind.length > 0 && commits.added.length > 0 && (
        <section aria-label="What they would get">
          <Text size="sm" fw={600}>
            What they would get
          </Text>
          <CommitList commits={commits} />
        </section>
      )}
      {behind.length > 0 || rolling.isPending ? (
        <>
          <Text size="sm">
            One flow after the other is published by handover; the first that fails ends it, and runs on as it was.
          </Text>
          <Button loading={rolling.isPending} onClick={() => rolling.mutate()}>
            {`Roll out to ${behind.length} ${behind.length === 1 ? "flow" : "flows"}`}
          </Button>
        </>
      ) : (
        <Text size="sm">{latest === null ? "Nothing is built yet." : "No running flow is behind."}</Text>
      )}
      {rolling.error && <Refusal error={rolling.error} />}
      {last && last.flow === null && (
        <Alert color={SHOWN[last.state].color} role="status" title={`Rollout ${SHOWN[last.state].text}`}>
          {`${last.published} moved, ${last.left} left. ${last.reason}`}
        </Alert>
      )}
    </Stack>
  );
}
