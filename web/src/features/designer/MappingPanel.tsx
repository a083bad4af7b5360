import { Alert, Button, Group, ScrollArea, SegmentedControl, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { components } from "@/api/components";
import { ExpressionInput } from "@/expression/ExpressionInput";
import { Outcome } from "@/features/designer/mapping/Outcome";
import { SampleView } from "@/features/designer/mapping/SampleView";
import { type Insert, Targets } from "@/features/designer/mapping/Targets";
import { useEvaluation } from "@/features/designer/mapping/useEvaluation";
import { stepOf, useKnowledge } from "@/features/designer/useKnowledge";
import { type Change, type FlowDocument, type Step, setKey } from "@/graph/document";
import { members } from "@/graph/mapping";
import { Panel } from "@/ui/Panel";

interface Props {
  document: FlowDocument;
  step: Step;
  mistake: string | null;
  onChange: (change: Change, group?: string) => void;
  onClose: () => void;
}

/** The input of a step: field by field or as a whole, from a sample, with what the server makes of it. */
export function MappingPanel({ document, step, mistake, onChange, onClose }: Props) {
  const expression = step.input ?? "";
  const parts = expression.trim() === "" ? [] : members(expression);
  const [view, setView] = useState<"fields" | "whole">(parts === null ? "whole" : "fields");
  const known = useKnowledge(document, step, true);
  const [asked] = useDebouncedValue(stepOf(step), 400);
  const model = useQuery(components.metaModel(step.component, asked));
  const evaluation = useEvaluation(expression, known, step.after, model.data?.takes);
  const insert = useRef<Insert | null>(null);
  const [lost, setLost] = useState(false);
  const pick = (path: string) => {
    insert.current?.(path);
    setLost(insert.current === null);
  };
  const focused = (into: Insert) => {
    insert.current = into;
    setLost(false);
  };
  const change = (text: string) => onChange(setKey(step.id, "input", text), `${step.id}.input`);
  const show = (next: string) => {
    insert.current = null;
    setView(next as "fields" | "whole");
  };
  const said = evaluation.stale ? null : evaluation.data?.mistake;
  return (
    <Panel
      title={`Input of ${step.name || step.id}`}
      label={`Mapping of ${step.id}`}
      closeLabel="Close the mapping"
      onClose={onClose}
      tools={
        <SegmentedControl
          size="xs"
          aria-label="View"
          value={view}
          onChange={show}
          data={[
            { value: "fields", label: "Fields", disabled: parts === null },
            { value: "whole", label: "Expression" },
          ]}
        />
      }
    >
      <Group flex={1} mih={0} gap={0} align="stretch" wrap="nowrap">
        <ScrollArea w="40%" type="auto" style={{ borderRight: "1px solid var(--mantine-color-default-border)" }}>
          <SampleView known={known} onPick={pick} />
        </ScrollArea>
        <ScrollArea flex={1} type="auto">
          <Stack p="sm" gap="sm">
            {mistake && !said && (
              <Alert color="red" p="xs">
                {mistake}
              </Alert>
            )}
            {lost && (
              <Alert color="blue" p="xs" role="status">
                Put the cursor where the value should go, then choose it; or drag it there.
              </Alert>
            )}
            {view === "fields" && parts !== null ? (
              <Targets
                expression={expression}
                model={model}
                component={step.component}
                scope={known.scope}
                evaluation={evaluation}
                onChange={change}
                onFocus={focused}
              />
            ) : (
              <ExpressionInput
                label="Expression"
                description="JSONata. Empty: the message as it came. Tab indents; Escape, then Tab leaves."
                value={expression}
                readOnly={false}
                scope={known.scope}
                mistake={said && said.position !== null ? { position: said.position, message: said.message } : null}
                minRows={10}
                indents
                onChange={change}
                onFocus={focused}
              />
            )}
            {parts === null && (
              <Text size="xs" c="dimmed">
                Fields can be shown for an expression that is one object with its keys in quotes.
              </Text>
            )}
            {expression.trim() !== "" && parts?.length === 0 && (
              <Button size="compact-xs" variant="subtle" onClick={() => change("")}>
                Take the message as it comes
              </Button>
            )}
            <Outcome evaluation={evaluation} />
          </Stack>
        </ScrollArea>
      </Group>
    </Panel>
  );
}
