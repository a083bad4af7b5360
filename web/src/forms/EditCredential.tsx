import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Credential, editCredential } from "@/api/credentials";
import { CredentialFields, useCredentialFields } from "@/forms/CredentialFields";
import { Refusal } from "@/ui/Refusal";

/** Give some fields another value; what is there is never shown. */
export function EditCredential({ credential, onDone }: { credential: Credential; onDone: () => void }) {
  const queries = useQueryClient();
  const [values, setValues] = useState<Record<string, unknown>>({});
  const { fields, error } = useCredentialFields(credential.component);
  const present = new Set([
    ...credential.fields.filter((field) => field.is_set).map((field) => field.name),
    ...credential.others,
  ]);
  const saving = useMutation({
    mutationFn: () => editCredential(credential.name, values),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["credentials"] });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    saving.mutate();
  };
  return (
    <form onSubmit={submit} aria-label={`Edit ${credential.name}`}>
      <Stack gap="sm">
        <Text size="sm">
          Fields left empty stay as they are. Steps that run get the new values with their next message.
        </Text>
        {error && <Refusal error={error} />}
        <CredentialFields fields={fields} values={values} present={present} onChange={setValues} />
        {saving.error && <Refusal error={saving.error} />}
        <Group gap="xs">
          <Button type="submit" loading={saving.isPending}>
            Save and verify
          </Button>
          <Button variant="default" onClick={onDone}>
            Cancel
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
