import { Badge, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { setVariables, variablesOf } from "@/api/components";
import { Refusal } from "@/ui/Refusal";

type Variable = NonNullable<Awaited<ReturnType<typeof setVariables>>>["variables"][number];

/** The environment variables of a component: what it needs, what is set, and setting it; values are never shown. */
export function Variables({ component, onlyMissing = false }: { component: string; onlyMissing?: boolean }) {
  const queries = useQueryClient();
  const found = useQuery(variablesOf(component));
  const [typed, setTyped] = useState<Record<string, string>>({});
  const [further, setFurther] = useState("");
  const saving = useMutation({
    mutationFn: (values: Record<string, string | null>) => setVariables(component, values),
    onSuccess: async () => {
      setTyped({});
      setFurther("");
      await queries.invalidateQueries({ queryKey: ["components", component] });
      await queries.invalidateQueries({ queryKey: ["flows"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    saving.mutate(typed);
  };
  if (found.error) return <Refusal error={found.error} onRetry={() => void found.refetch()} />;
  const all = found.data?.variables ?? [];
  const shown = onlyMissing ? all.filter((each) => each.required && !each.is_set) : all;
  const names = [...shown.map((each) => each.name), ...Object.keys(typed)];
  const added = Object.keys(typed).filter((name) => !all.some((each) => each.name === name));
  return (
    <form onSubmit={submit} aria-label={`Variables of ${component}`}>
      <Stack gap="sm">
        {shown.map((each) => (
          <Row
            key={each.name}
            variable={each}
            value={typed[each.name] ?? ""}
            onChange={(value) => setTyped(changed(typed, each.name, value))}
            onRemove={() => saving.mutate({ [each.name]: null })}
          />
        ))}
        {added.map((name) => (
          <PasswordInput
            key={name}
            label={name}
            autoComplete="off"
            value={typed[name] ?? ""}
            onChange={(event) => setTyped({ ...typed, [name]: event.currentTarget.value })}
          />
        ))}
        {!onlyMissing && (
          <Group align="flex-end" gap="xs">
            <TextInput
              flex={1}
              label="Another variable"
              value={further}
              onChange={(event) => setFurther(event.currentTarget.value)}
            />
            <Button
              variant="default"
              disabled={further === "" || names.includes(further)}
              onClick={() => {
                setTyped({ ...typed, [further]: "" });
                setFurther("");
              }}
            >
              Add
            </Button>
          </Group>
        )}
        {saving.error && <Refusal error={saving.error} />}
        <Group gap="xs">
          <Button type="submit" size="xs" loading={saving.isPending} disabled={Object.keys(typed).length === 0}>
            Save variables
          </Button>
          {saving.data && saving.data.behind.length > 0 && (
            <Text size="xs">{`${saving.data.behind.join(", ")} still ${saving.data.behind.length === 1 ? "runs" : "run"} with those of before: roll out, or publish.`}</Text>
          )}
        </Group>
      </Stack>
    </form>
  );
}

interface RowProps {
  variable: Variable;
  value: string;
  onChange: (value: string) => void;
  onRemove: () => void;
}

function Row({ variable, value, onChange, onRemove }: RowProps) {
  const { name, required, is_set: isSet, description, declared } = variable;
  return (
    <Group align="flex-end" gap="xs" wrap="nowrap">
      <PasswordInput
        flex={1}
        label={
          <>
            {name}{" "}
            {required && !isSet && (
              <Badge size="xs" color="red" variant="light">
                missing
              </Badge>
            )}
          </>
        }
        description={description || (declared ? undefined : "component.json does not name it.")}
        placeholder={isSet ? "set" : "not set"}
        autoComplete="off"
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      {isSet && (
        <Button variant="subtle" color="red" size="xs" onClick={onRemove} aria-label={`Take away ${name}`}>
          Take away
        </Button>
      )}
    </Group>
  );
}

function changed(typed: Record<string, string>, name: string, value: string): Record<string, string> {
  const { [name]: _, ...rest } = typed;
  return value === "" ? rest : { ...rest, [name]: value };
}
