import { Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { components } from "@/api/components";
import { type Credential, createCredential } from "@/api/credentials";
import { CredentialFields, useCredentialFields } from "@/forms/CredentialFields";
import { Refusal } from "@/ui/Refusal";

interface Props {
  /** Given where it is settled. */
  component?: string;
  onDone: (made: Credential) => void;
  onCancel?: () => void;
}

/** Choose a component, fill in what it asks for; it is verified as it is saved. */
export function NewCredential({ component: given, onDone, onCancel }: Props) {
  const queries = useQueryClient();
  const known = useQuery(components.list());
  const [name, setName] = useState("");
  const [component, setComponent] = useState<string | null>(given ?? null);
  const [values, setValues] = useState<Record<string, unknown>>({});
  const { fields, connects, error } = useCredentialFields(component);
  const making = useMutation({
    mutationFn: () => createCredential({ name, component: component ?? "", values: filled(values), verify: true }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ["credentials"] });
      onDone(made);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    making.mutate();
  };
  return (
    <form onSubmit={submit} aria-label="New credential">
      <Stack gap="sm">
        <TextInput
          label="Name of the credential"
          description="Letters, digits, - _ and ."
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          autoFocus
          data-autofocus
        />
        {given === undefined && (
          <Select
            label="Component"
            data={known.data?.map((each) => each.name) ?? []}
            value={component}
            onChange={setComponent}
            searchable
            required
          />
        )}
        {error && <Refusal error={error} />}
        <CredentialFields fields={fields} values={values} onChange={setValues} />
        {component !== null && !error && fields.length === 0 && !connects && (
          <Text size="sm">This component asks for nothing: its credential is only a name.</Text>
        )}
        {connects && <Text size="sm">It is connected at its provider after it is saved.</Text>}
        {making.error && <Refusal error={making.error} />}
        <Group gap="xs">
          <Button type="submit" loading={making.isPending} disabled={component === null}>
            Save and verify
          </Button>
          {onCancel && (
            <Button variant="default" onClick={onCancel}>
              Cancel
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}

function filled(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined));
}
