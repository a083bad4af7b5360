import { Alert, Anchor, Button, Code, Group, JsonInput, Stack, Text, Tooltip } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { executions, type Kind, retry, retryAll } from "@/api/executions";
import { isJson } from "@/ui/isJson";
import { Refusal } from "@/ui/Refusal";

/** Why a step failed on a message, and the ways to run it again: as it was, mended, or all like it. */
export function ErrorPanel({ id }: { id: string }) {
  const error = useQuery(executions.error(id));
  const [text, setText] = useState<string | null>(null);
  const queries = useQueryClient();
  const refreshed = () => queries.invalidateQueries({ queryKey: ["errors"] });
  const again = useMutation({ mutationFn: (body: unknown) => retry(id, body), onSuccess: refreshed });
  const all = useMutation({ mutationFn: (kind: Kind) => retryAll(kind), onSuccess: refreshed });
  if (error.data === undefined) return error.error ? <Refusal error={error.error} /> : null;
  const { flow, step, reason, name, message, stack, state, input, retried_as } = error.data;
  const refused = again.error ?? all.error;
  const send = () => again.mutate(text === null ? undefined : JSON.parse(text));
  return (
    <Alert color="red" title={`${name}: ${message}`} role="group" aria-label="Error" styles={{ body: { minWidth: 0 } }}>
      <Stack gap="xs" align="flex-start">
        {stack && (
          <Code block w="100%" fz="xs" style={{ overflow: "auto", maxHeight: 200 }} tabIndex={0}>
            {stack}
          </Code>
        )}
        {state === "open" && !again.data && (
          <>
            {text !== null && (
              <JsonInput
                w="100%"
                label="The step's input"
                value={text}
                onChange={setText}
                validationError="This is no JSON"
                autosize
                minRows={4}
              />
            )}
            <Group gap="xs">
              <Button size="xs" loading={again.isPending} disabled={text !== null && !isJson(text)} onClick={send}>
                {text === null ? "Retry" : "Retry with this"}
              </Button>
              {text === null && input !== null && input.large === null && (
                <Button size="xs" variant="default" onClick={() => setText(JSON.stringify(input.body, null, 2))}>
                  Edit and retry
                </Button>
              )}
            </Group>
          </>
        )}
        {flow !== "" && <Alike kind={{ flow, step, reason, name }} pending={all.isPending} onRetry={all.mutate} />}
        {all.data && (
          <Text size="sm">
            {`${all.data.retried.length} run again, ${all.data.skipped.length} could not.`}
            {all.data.more && " There are more."}
          </Text>
        )}
        {again.data && (
          <Anchor size="sm" component={Link} href={`/executions/${again.data.execution}`}>
            It runs again
          </Anchor>
        )}
        {state !== "open" && !again.data && (
          <Text size="sm">{`It is ${state}${retried_as ? ": it was run again" : ""}.`}</Text>
        )}
        {refused && <Refusal error={refused} />}
      </Stack>
    </Alert>
  );
}

/** Every open error of this step, this reason and this kind, run again at once; how many there are is said before. */
function Alike({ kind, pending, onRetry }: { kind: Kind; pending: boolean; onRetry: (kind: Kind) => void }) {
  const open = useQuery(executions.alike(kind)).data?.open ?? 0;
  if (open < 2) return null;
  const told = `Open errors of step ${kind.step} that are called ${kind.name}, for the reason ${kind.reason}`;
  return (
    <Tooltip label={told}>
      <Button size="xs" variant="default" loading={pending} onClick={() => onRetry(kind)}>
        {`Retry all ${open} like it`}
      </Button>
    </Tooltip>
  );
}
