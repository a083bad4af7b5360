import { Button, Group, JsonInput, Text } from "@mantine/core";
import { useState } from "react";
import { resultOf, type Testing } from "@/features/designer/testing";
import type { Step } from "@/graph/document";
import { isJson } from "@/ui/isJson";

/** The step alone, on an input as it is written here. */
export function OwnInput({ testing, step }: { testing: Testing; step: Step }) {
  const [text, setText] = useState<string | null>(null);
  const before = step.after[0] ?? "";
  if (text === null) {
    const last = resultOf(testing.test, step.id)?.calls[0]?.input?.body ?? testing.samples.get(before)?.body ?? {};
    return (
      <Group gap={4}>
        <Text size="xs" c="dimmed">{`Alone it gets the sample of ${step.after.join(" or ")}, mapped.`}</Text>
        <Button size="compact-xs" variant="subtle" onClick={() => setText(JSON.stringify(last, null, 2))}>
          Give it another input
        </Button>
      </Group>
    );
  }
  return (
    <>
      <JsonInput
        label="Input"
        description="As it is: the mapping is not applied."
        value={text}
        onChange={setText}
        autosize
        minRows={4}
        validationError="This is no JSON"
        styles={{ input: { fontFamily: "monospace" } }}
      />
      <Group gap="xs">
        <Button
          size="xs"
          disabled={testing.busy || !isJson(text)}
          onClick={() => testing.run({ form: "step", step: step.id, input: { body: JSON.parse(text) } })}
        >
          Run this step on it
        </Button>
        <Button size="xs" variant="default" onClick={() => setText(null)}>
          Cancel
        </Button>
      </Group>
    </>
  );
}
