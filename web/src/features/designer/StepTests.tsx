import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { IconPlayerPlay, IconPlayerTrackNext } from "@tabler/icons-react";
import { outcomeOf, type Testing } from "@/features/designer/testing";
import type { FlowDocument, Step } from "@/graph/document";
import { span } from "@/ui/when";

interface Props {
  testing: Testing;
  document: FlowDocument;
  step: Step;
  /** Show the results, and the sample. */
  onShow: () => void;
}

/** Trying one step, in its panel: two buttons, and what came out last. */
export function StepTests({ testing, document, step, onShow }: Props) {
  const outcome = outcomeOf(testing.test, document, step.id);
  const run = (form: "step" | "up-to") => {
    testing.run({ form, step: step.id });
    onShow();
  };
  return (
    <Stack p="sm" pb={0} gap="xs" component="section" aria-label={`Tests of ${step.id}`}>
      <Group gap="xs">
        <Button
          size="compact-xs"
          variant="default"
          disabled={testing.busy}
          leftSection={<IconPlayerPlay size={14} aria-hidden />}
          onClick={() => run("step")}
        >
          Run this step
        </Button>
        {step.kind === "action" && (
          <Button
            size="compact-xs"
            variant="default"
            disabled={testing.busy}
            leftSection={<IconPlayerTrackNext size={14} aria-hidden />}
            onClick={() => run("up-to")}
          >
            Up to here
          </Button>
        )}
        <Button size="compact-xs" variant="subtle" onClick={onShow}>
          Sample and results
        </Button>
      </Group>
      {outcome !== null && (
        <Group gap="xs">
          <Badge
            size="sm"
            variant={outcome.stale ? "outline" : "light"}
            color={outcome.state === "failed" ? "red" : outcome.state === "done" ? "teal" : "gray"}
          >
            {outcome.label ?? outcome.state}
          </Badge>
          {outcome.took > 0 && <Text size="xs">{span(outcome.took)}</Text>}
          {outcome.stale && <Text size="xs" c="dimmed">{`stale: ${outcome.stale}`}</Text>}
        </Group>
      )}
    </Stack>
  );
}
