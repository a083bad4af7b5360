import { Alert, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { variablesOf } from "@/api/components";
import type { PartProps } from "@/features/designer/step/part";
import { Variables } from "@/forms/Variables";

/** What the component needs of its environment and does not have yet: no flow with it is published before. */
export function MissingVariables({ step, readOnly }: PartProps) {
  const found = useQuery(variablesOf(step.component));
  const missing = (found.data?.variables ?? []).filter((each) => each.required && !each.is_set);
  if (missing.length === 0) return null;
  return (
    <Alert color="red" p="sm" title={`${step.component} needs ${missing.map((each) => each.name).join(", ")}`}>
      <Text size="xs" mb="xs">
        A variable is set once per component, for all flows that use it. It is stored encrypted.
      </Text>
      {!readOnly && <Variables component={step.component} onlyMissing />}
    </Alert>
  );
}
