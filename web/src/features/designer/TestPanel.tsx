import {
  Alert,
  Badge,
  Button,
  Code,
  Divider,
  Group,
  Loader,
  NavLink,
  ScrollArea,
  Stack,
  Text,
  Title,
} from "@mantine/core";
import { IconPlayerPlay, IconPlayerSkipForward, IconPlayerStop, IconPlayerTrackNext } from "@tabler/icons-react";
import { hasEnded, type TestDetail } from "@/api/tests";
import { OwnInput } from "@/features/designer/OwnInput";
import { lacksSample, mayWrite, SampleCard } from "@/features/designer/SampleCard";
import { RESULT_COLORS, TestResult } from "@/features/designer/TestResult";
import { named, resultOf, type Testing } from "@/features/designer/testing";
import type { FlowDocument, Step } from "@/graph/document";
import { inOrder } from "@/graph/layout";
import { stale } from "@/graph/stale";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";
import { tone } from "@/ui/tone";
import { moment, span } from "@/ui/when";

interface Props {
  testing: Testing;
  document: FlowDocument;
  /** The step it is about; null: the draft as a whole. */
  step: Step | null;
  onSelect: (id: string | null) => void;
  onClose: () => void;
}

/** Trying the draft beside what runs: what to call, on which sample, and what came out, step by step. */
export function TestPanel({ testing, document, step, onSelect, onClose }: Props) {
  const { test } = testing;
  return (
    <Panel
      title={step === null ? "Test" : `Test of ${step.name || step.id}`}
      label="Test"
      closeLabel="Close the test"
      onClose={onClose}
      tools={
        step !== null && (
          <Button size="compact-xs" variant="subtle" onClick={() => onSelect(null)}>
            Whole draft
          </Button>
        )
      }
    >
      <ScrollArea flex={1} mih={0} type="auto">
        <Stack p="sm" gap="sm">
          <Buttons testing={testing} step={step} />
          <Text size="xs" c="dimmed">
            What runs is not touched. Component code is really called, with the credentials it has: it may change
            something in the systems it talks to.
          </Text>
          {step?.kind === "action" && <OwnInput key={step.id} testing={testing} step={step} />}
          <Refused testing={testing} onSelect={onSelect} />
          {test !== null && <Progress test={test} onEnd={testing.end} />}
          {test !== null && (
            <>
              <Divider />
              {step === null ? (
                <Steps {...{ test, document, onSelect }} />
              ) : (
                <TestResult test={test} document={document} step={step} flow={testing.flow} />
              )}
            </>
          )}
          {step !== null && (
            <>
              <Divider />
              <SampleCard testing={testing} document={document} step={step} />
            </>
          )}
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

function Buttons({ testing, step }: { testing: Testing; step: Step | null }) {
  const { busy, run } = testing;
  return (
    <Group gap="xs">
      {step !== null && (
        <Button
          size="xs"
          disabled={busy}
          leftSection={<IconPlayerPlay size={14} aria-hidden />}
          onClick={() => run({ form: "step", step: step.id })}
        >
          Run this step
        </Button>
      )}
      {step?.kind === "action" && (
        <Button
          size="xs"
          variant="light"
          disabled={busy}
          leftSection={<IconPlayerTrackNext size={14} aria-hidden />}
          onClick={() => run({ form: "up-to", step: step.id })}
        >
          Up to here
        </Button>
      )}
      <Button
        size="xs"
        variant={step === null ? "filled" : "light"}
        disabled={busy}
        leftSection={<IconPlayerSkipForward size={14} aria-hidden />}
        onClick={() => run({ form: "whole" })}
      >
        Run the whole draft
      </Button>
    </Group>
  );
}

/** A step that may change something elsewhere is called for its sample only when a person says so. */
function Refused({ testing, onSelect }: { testing: Testing; onSelect: (id: string) => void }) {
  const { error, asked } = testing;
  if (error === null) return null;
  const lacking = lacksSample(error);
  if (lacking !== null) {
    return (
      <Stack gap="xs" align="flex-start">
        <Refusal error={error} />
        <Button size="xs" variant="light" onClick={() => onSelect(lacking)}>{`Get a sample of ${lacking}`}</Button>
      </Stack>
    );
  }
  if (!mayWrite(error) || asked === null) return <Refusal error={error} />;
  return (
    <Alert color="orange" role="alert" title="It may change something there">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{error.message}</Text>
        <Button size="xs" color="orange" variant="light" onClick={() => testing.run({ ...asked, confirm: true })}>
          Call it for real
        </Button>
      </Stack>
    </Alert>
  );
}

function Progress({ test, onEnd }: { test: TestDetail; onEnd: () => void }) {
  const ended = hasEnded(test);
  const took = test.ended_at === null ? null : test.ended_at - test.created_at;
  return (
    <Stack gap="xs" component="section" aria-label="Progress" aria-live="polite">
      <Group gap="xs">
        {!ended && <Loader size={14} role="status" aria-label="It runs" />}
        <Text size="sm" fw={600}>{`Test ${test.number}: ${named(test)}`}</Text>
        <Badge
          size="sm"
          variant="light"
          color={test.state === "done" ? "teal" : test.state === "failed" ? "red" : "gray"}
        >
          {test.state}
        </Badge>
        {took !== null && <Text size="xs" c="dimmed">{`in ${span(took * 1000)}`}</Text>}
        {!ended && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="red"
            leftSection={<IconPlayerStop size={12} />}
            onClick={onEnd}
          >
            Stop
          </Button>
        )}
      </Group>
      {test.progress.length > 0 && (
        <Group gap={6}>
          {test.progress.map((each) => (
            <Badge
              key={each.step}
              size="sm"
              variant="dot"
              color={each.state === "ready" ? "teal" : each.state === "failed" ? "red" : "blue"}
            >
              {`${each.step} ${each.state}`}
            </Badge>
          ))}
        </Group>
      )}
      {test.address !== null && (
        <Alert color="blue" title={`Waiting for a request${until(test)}`} p="xs">
          <Text size="sm">Send one to this address now:</Text>
          <Code block>{test.address}</Code>
        </Alert>
      )}
      {test.state === "waiting" && test.address === null && (
        <Text size="sm">{`Waiting for the trigger’s first event${until(test)}.`}</Text>
      )}
      {test.message !== "" && (
        <Text size="sm" {...(test.state === "failed" ? { c: tone("red") } : {})}>
          {test.message}
        </Text>
      )}
    </Stack>
  );
}

/** When it is given up. */
function until(test: TestDetail): string {
  return test.until === null ? "" : `, until ${moment(test.until)}`;
}

function Steps(props: { test: TestDetail; document: FlowDocument; onSelect: (id: string) => void }) {
  const { test, document, onSelect } = props;
  return (
    <Stack gap={0} component="section" aria-label="Steps">
      <Title order={3} size="h6" mb={4}>
        Steps
      </Title>
      {inOrder(document.steps).map((step) => {
        const result = resultOf(test, step.id);
        const why = result === null ? null : stale(test.made_with, document, step.id);
        const took = result?.calls.reduce((sum, call) => sum + call.call_us, 0) ?? 0;
        return (
          <NavLink
            key={step.id}
            component="button"
            label={step.name || step.id}
            description={why === null ? (result?.calls[0]?.error?.message ?? undefined) : `stale: ${why}`}
            rightSection={
              result !== null && (
                <Group gap="xs">
                  {took > 0 && <Text size="xs">{span(took)}</Text>}
                  <Badge size="sm" variant={why === null ? "light" : "outline"} color={RESULT_COLORS[result.state]}>
                    {result.state === "unreached" ? "not called" : result.state}
                  </Badge>
                </Group>
              )
            }
            onClick={() => onSelect(step.id)}
          />
        );
      })}
    </Stack>
  );
}
