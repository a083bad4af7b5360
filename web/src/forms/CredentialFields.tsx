import { useQuery } from "@tanstack/react-query";
import { components } from "@/api/components";
import { FieldInput } from "@/forms/FieldInput";
import { credentialFields, type Field } from "@/forms/fields";

/** What the latest version of a component asks for in a credential. */
export function useCredentialFields(component: string | null): {
  fields: Field[];
  connects: boolean;
  error: Error | null;
} {
  const known = useQuery({ ...components.one(component ?? ""), enabled: component !== null });
  const latest = known.data?.latest ?? null;
  const version = useQuery({
    ...components.version(component ?? "", latest ?? 0),
    enabled: component !== null && latest !== null,
  });
  const descriptor = version.data?.descriptor as { credentials?: { oauth2?: { auth_uri?: unknown } } } | undefined;
  return {
    fields: credentialFields(descriptor),
    connects: typeof descriptor?.credentials?.oauth2?.auth_uri === "string",
    error: known.error ?? version.error,
  };
}

interface Props {
  fields: Field[];
  values: Record<string, unknown>;
  /** Of an existing credential: the fields that have a value, which is never shown. */
  present?: ReadonlySet<string>;
  onChange: (values: Record<string, unknown>) => void;
}

export function CredentialFields({ fields, values, present, onChange }: Props) {
  return fields.map((field) => (
    <FieldInput
      key={field.name}
      field={
        present === undefined
          ? field
          : { ...field, required: false, placeholder: present.has(field.name) ? "set" : "not set", needs: [] }
      }
      values={values}
      mistake={null}
      readOnly={false}
      component={null}
      step={null}
      onChange={(value) => onChange({ ...values, [field.name]: value })}
    />
  ));
}
