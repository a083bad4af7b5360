import { Badge, Button, Group, JsonInput, Menu, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { components } from "@/api/components";
import { executions } from "@/api/executions";
import { Problem } from "@/api/problem";
import { type NewSample, putSample, removeSample, type Sample, tests } from "@/api/tests";
import { generated } from "@/features/designer/sample";
import type { Testing } from "@/features/designer/testing";
import type { FlowDocument, Step } from "@/graph/document";
import { stale } from "@/graph/stale";
import { isJson } from "@/ui/isJson";
import { Json } from "@/ui/Json";
import { Refusal } from "@/ui/Refusal";
import { moment } from "@/ui/when";

interface Props {
  testing: Testing;
  document: FlowDocument;
  step: Step;
}

const SOURCES = {
  fetched: "fetched",
  written: "written by hand",
  generated: "generated",
  execution: "from an execution",
} as const;

/** Executions that are offered to take a sample from. */
const RECENT = 3;

/** The sample of a step: what it is, whether it still counts, and how to get another. */
export function SampleCard({ testing, document, step }: Props) {
  const sample = testing.samples.get(step.id);
  const [text, setText] = useState<string | null>(null);
  const kept = useKept(testing.flow, step.id);
  return (
    <Stack gap="xs" component="section" aria-label={`Sample of ${step.id}`}>
      <Group justify="space-between" wrap="nowrap">
        <Title order={3} size="h6">
          {`Sample of ${step.name || step.id}`}
        </Title>
        <Another {...{ testing, step, sample, kept }} onWrite={setText} />
      </Group>
      {kept.error && <Refusal error={kept.error} />}
      {text !== null ? (
        <Written text={text} onChange={setText} onKeep={(body) => kept.mutate({ body })} kept={kept.isPending} />
      ) : sample === undefined ? (
        <Text size="sm" c="dimmed">
          None yet. It is what this step gives: mappings are tried on it, and tests of later steps begin with it.
        </Text>
      ) : (
        <Shown sample={sample} why={stale(sample.made_with, document, step.id)} />
      )}
    </Stack>
  );
}

function Shown({ sample, why }: { sample: Sample; why: string | null }) {
  return (
    <>
      <Group gap="xs">
        <Badge size="sm" variant="light" color="gray">
          {SOURCES[sample.source]}
        </Badge>
        <Text size="xs" c="dimmed">
          {moment(sample.made_at)}
        </Text>
        {why !== null && (
          <Badge size="sm" variant="outline" color="orange">
            stale
          </Badge>
        )}
      </Group>
      {why !== null && <Text size="xs">{`It may be another one now: ${why}.`}</Text>}
      <Json value={sample.body} />
    </>
  );
}

/** Keeps a sample; null takes it away. */
export function useKept(flow: string, step: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (sample: NewSample | null) => {
      if (sample === null) await removeSample(flow, step);
      else await putSample(flow, step, sample);
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: tests.samples(flow).queryKey }),
  });
}

interface AnotherProps {
  testing: Testing;
  step: Step;
  sample: Sample | undefined;
  kept: ReturnType<typeof useKept>;
  onWrite: (text: string) => void;
}

function Another({ testing, step, sample, kept, onWrite }: AnotherProps) {
  const recent = (useQuery(executions.list({ flow: testing.flow })).data?.items ?? []).slice(0, RECENT);
  const model = useQuery({
    ...components.metaModel(step.component, {
      kind: step.kind,
      function: step.function,
      version: step.version,
      fields: step.fields,
      credential: step.credential,
    }),
    enabled: step.component !== "",
  });
  const gives = model.data?.gives;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button size="compact-xs" variant="light" loading={kept.isPending}>
          {sample === undefined ? "Get one" : "Another"}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item disabled={testing.busy} onClick={() => testing.run({ form: "step", step: step.id, fetch: true })}>
          {step.kind === "trigger" ? "Fetch: wait for its first event" : "Fetch: call it for real"}
        </Menu.Item>
        <Menu.Item onClick={() => onWrite(JSON.stringify(sample?.body ?? {}, null, 2))}>Write it by hand</Menu.Item>
        <Menu.Item disabled={!gives} onClick={() => kept.mutate({ body: generated(gives), generated: true })}>
          {gives ? "Generate it from what the step says it gives" : "Generate it (the step does not say what it gives)"}
        </Menu.Item>
        {recent.length === 0 && <Menu.Item disabled>Take it from an execution (there is none)</Menu.Item>}
        {recent.map((each) => (
          <Menu.Item key={each.id} onClick={() => kept.mutate({ execution: each.id })}>
            {`Take it from the execution of ${moment(each.started_at)}`}
          </Menu.Item>
        ))}
        {sample !== undefined && <Menu.Item onClick={() => kept.mutate(null)}>Remove it</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}

function Written(props: {
  text: string;
  onChange: (text: string | null) => void;
  onKeep: (body: unknown) => void;
  kept: boolean;
}) {
  const keep = () => {
    props.onKeep(JSON.parse(props.text));
    props.onChange(null);
  };
  return (
    <>
      <JsonInput
        label="Body"
        value={props.text}
        onChange={props.onChange}
        autosize
        minRows={6}
        validationError="This is no JSON"
        styles={{ input: { fontFamily: "monospace" } }}
      />
      <Group gap="xs">
        <Button size="xs" onClick={keep} disabled={!isJson(props.text)} loading={props.kept}>
          Keep it
        </Button>
        <Button size="xs" variant="default" onClick={() => props.onChange(null)}>
          Cancel
        </Button>
      </Group>
    </>
  );
}

/** The step that a test would begin with, and that has no sample yet; null: it was refused for something else. */
export function lacksSample(error: Error | null): string | null {
  if (!(error instanceof Problem) || error.reason !== "no-sample") return null;
  return /`([^`]+)`/.exec(error.message)?.[1] ?? null;
}

/** Whether a fetch was refused, and confirming it would do. */
export function mayWrite(error: Error | null): boolean {
  return error instanceof Problem && error.reason === "may-write";
}
