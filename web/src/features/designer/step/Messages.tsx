import { Button, Divider, MultiSelect, Text } from "@mantine/core";
import { ExpressionInput } from "@/expression/ExpressionInput";
import type { Scope } from "@/expression/scope";
import { mistakeAt, type PartProps } from "@/features/designer/step/part";
import { setKey } from "@/graph/document";

/** Which messages come to the step, and what it makes of each before its component gets it. */
export function Messages(props: PartProps & { scope: Scope | undefined; onMap: () => void }) {
  const { document, step, mistakes, readOnly, onChange, scope, onMap } = props;
  const text = (key: "when" | "input") => ({
    value: step[key] ?? "",
    readOnly,
    scope,
    error: mistakeAt(mistakes, key),
    onChange: (value: string) => onChange(setKey(step.id, key, value), `${step.id}.${key}`),
  });
  return (
    <>
      <Divider label="Messages" labelPosition="left" />
      <MultiSelect
        label="Comes after"
        data={document.steps.filter((each) => each.id !== step.id).map((each) => each.id)}
        value={step.after}
        readOnly={readOnly}
        error={mistakeAt(mistakes, "after")}
        onChange={(ids) => onChange(setKey(step.id, "after", ids.length === 1 ? ids[0] : ids))}
      />
      <div data-key="when">
        <ExpressionInput
          label="Only when"
          description="JSONata, such as body.total > 100. Empty: always."
          {...text("when")}
        />
      </div>
      <ExpressionInput
        label="Input"
        description="JSONata that builds the body this step receives. Empty: the message as it came."
        minRows={4}
        {...text("input")}
      />
      {!readOnly && (
        <>
          <Button size="xs" variant="default" onClick={onMap}>
            Map with a sample
          </Button>
          <Text size="xs" c="dimmed">
            While you type, names are offered; Ctrl Space asks for them. Tab leaves.
          </Text>
        </>
      )}
    </>
  );
}
