import { Divider } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { components, selected } from "@/api/components";
import type { Scope } from "@/expression/scope";
import { mistakeAt, type PartProps } from "@/features/designer/step/part";
import { FieldInput } from "@/forms/FieldInput";
import { fieldsOf } from "@/forms/fields";
import { setField } from "@/graph/document";

/** The fields of the trigger or action, as its component describes them. */
export function Fields({ step, mistakes, readOnly, onChange, scope }: PartProps & { scope: Scope | undefined }) {
  const versions = useQuery(components.versions(step.component));
  const version = versions.data && selected(versions.data, step.version);
  const detail = useQuery({
    ...components.version(step.component, version?.revision ?? 0),
    enabled: Boolean(version),
  });
  const fields = fieldsOf(detail.data?.descriptor, step.kind, step.function);
  if (fields.length === 0) return null;
  const asked = {
    kind: step.kind,
    function: step.function,
    version: step.version,
    fields: step.fields,
    credential: step.credential,
  };
  return (
    <>
      <Divider label="Fields" labelPosition="left" />
      {fields.map((field) => (
        <FieldInput
          key={field.name}
          field={field}
          values={step.fields}
          mistake={mistakeAt(mistakes, `fields.${field.name}`)}
          readOnly={readOnly}
          component={step.component}
          step={asked}
          scope={scope}
          onChange={(value) => onChange(setField(step.id, field.name, value), `${step.id}.fields.${field.name}`)}
        />
      ))}
    </>
  );
}
