import { Alert, Button, Group, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { components, type StepOf } from "@/api/components";
import { Problem } from "@/api/problem";
import { Choice } from "@/forms/Choice";
import type { FieldProps } from "@/forms/common";
import { type Field, missing } from "@/forms/fields";

/**
 * Choices that the component's code tells. It is asked when somebody wants to choose, or when something was chosen
 * before, and again when what the field depends on has changed.
 */
export function AskedChoice(props: FieldProps) {
  const { field, values, component, step } = props;
  const value = values[field.name];
  const [wanted, setWanted] = useState(value !== undefined && value !== null);
  const [settled] = useDebouncedValue(step, 400);
  const ready = component !== null && settled !== null && missing(field, values).length === 0;
  const asked = useQuery({
    ...components.choices(component ?? "", settled ?? NOBODY, field.name, settled && dependsOn(field, settled)),
    enabled: wanted && ready && !props.readOnly,
  });
  const choices = Object.fromEntries(
    Object.entries(asked.data?.choices ?? {}).map(([each, label]) => [each, String(label)]),
  );
  const chosen = (Array.isArray(value) ? value : [value]).filter((each) => each !== undefined && each !== null);
  const gone = asked.data !== undefined && chosen.some((each) => !(String(each) in choices));
  return (
    <>
      <Choice
        {...props}
        choices={choices}
        waiting={asked.isFetching}
        mistake={props.mistake ?? (gone ? "This is not among the choices any more" : null)}
        onOpen={() => setWanted(true)}
      />
      {asked.isFetching && (
        <Text size="xs" c="dimmed" role="status">
          {`Asking ${component} what there is …`}
        </Text>
      )}
      {asked.error && (
        <Alert color="orange" p="xs" role="alert">
          <Group justify="space-between" wrap="nowrap" align="flex-start">
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {asked.error.message}
              {asked.error instanceof Problem && asked.error.nextStep !== "" && `. ${asked.error.nextStep}`}
            </Text>
            <Button size="compact-xs" variant="default" flex="none" onClick={() => void asked.refetch()}>
              Ask again
            </Button>
          </Group>
        </Alert>
      )}
    </>
  );
}

/** Where a field says what it depends on, a change of anything else asks nobody. */
function dependsOn(field: Field, step: StepOf): unknown {
  const { fields = {}, credential, version, function: name } = step;
  const names = field.needs.length > 0 ? field.needs : Object.keys(fields).filter((each) => each !== field.name);
  return [credential, version, name, names.sort().map((each) => [each, fields[each]])];
}

const NOBODY: StepOf = { kind: "action", function: "-", version: "latest", fields: {} };
