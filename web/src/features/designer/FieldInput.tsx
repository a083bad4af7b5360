import { Alert, Button, Checkbox, Group, MultiSelect, PasswordInput, Select, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { components, type StepOf } from "@/api/components";
import { type Field, missing } from "@/features/designer/fields";

interface Props {
  field: Field;
  /** Of all fields of the step. */
  values: Record<string, unknown>;
  mistake: string | null;
  readOnly: boolean;
  component: string;
  step: StepOf;
  onChange: (value: unknown) => void;
}

/** One field of a step, drawn as its `viewClass` says; a class that is not known is a line of text. */
export function FieldInput(props: Props) {
  const { field } = props;
  if (field.viewClass === "CheckBoxView") return <CheckboxField {...props} />;
  if (field.model !== null && (field.viewClass === "SelectView" || field.viewClass === "MultiSelectView")) {
    return field.model === "asked" ? <AskedChoice {...props} /> : <Choice {...props} choices={field.model} />;
  }
  return <TextField {...props} />;
}

function common({ field, mistake, readOnly }: Props) {
  return {
    label: field.label,
    description: field.note || field.help || undefined,
    placeholder: field.placeholder || undefined,
    required: field.required,
    withAsterisk: field.required,
    error: mistake,
    readOnly,
  };
}

function CheckboxField(props: Props) {
  const { label, description, error, readOnly } = common(props);
  const value = props.values[props.field.name];
  return (
    <Checkbox
      label={label}
      description={description}
      error={error}
      disabled={readOnly}
      checked={value === true || value === "on" || value === "true"}
      onChange={(event) => props.onChange(event.currentTarget.checked || undefined)}
    />
  );
}

function Choice(props: Props & { choices: Record<string, string>; onOpen?: () => void; waiting?: boolean }) {
  const { choices, onOpen, waiting } = props;
  const value = props.values[props.field.name];
  const chosen = Array.isArray(value)
    ? value.map(String)
    : value === undefined || value === null
      ? []
      : [String(value)];
  const known = new Set(Object.keys(choices));
  const data = [
    ...Object.entries(choices).map(([each, label]) => ({ value: each, label })),
    ...chosen.filter((each) => !known.has(each)).map((each) => ({ value: each, label: each })),
  ];
  const shared = {
    ...common(props),
    data,
    searchable: true,
    clearable: true,
    disabled: waiting,
    onDropdownOpen: onOpen,
  };
  return props.field.viewClass === "MultiSelectView" ? (
    <MultiSelect {...shared} value={chosen} onChange={(now) => props.onChange(now)} />
  ) : (
    <Select {...shared} value={chosen[0] ?? null} onChange={(now) => props.onChange(now ?? undefined)} />
  );
}

/** The component's code is asked when somebody wants to choose, not before. */
function AskedChoice(props: Props) {
  const [wanted, setWanted] = useState(false);
  const waitsFor = missing(props.field, props.values);
  const asked = useQuery({
    ...components.choices(props.component, props.step, props.field.name),
    enabled: wanted && waitsFor.length === 0,
  });
  const labels = Object.entries(asked.data?.choices ?? {}).map(([value, label]) => [value, String(label)]);
  return (
    <>
      <Choice
        {...props}
        mistake={props.mistake ?? (waitsFor.length > 0 ? `Fill in ${waitsFor.join(", ")} first` : null)}
        choices={Object.fromEntries(labels)}
        waiting={waitsFor.length > 0 || asked.isFetching}
        onOpen={() => setWanted(true)}
      />
      {asked.error && (
        <Alert color="orange" p="xs" role="alert">
          <Group justify="space-between">
            {asked.error.message}
            <Button size="compact-xs" variant="light" color="orange" onClick={() => void asked.refetch()}>
              Ask again
            </Button>
          </Group>
        </Alert>
      )}
    </>
  );
}

function TextField(props: Props) {
  const value = props.values[props.field.name];
  const isText = value === undefined || value === null || typeof value === "string";
  const shown = isText ? (value ?? "") : JSON.stringify(value, null, 2);
  const shared = { ...common(props), value: String(shown) };
  const change = (text: string) => props.onChange(isText ? text : parsed(text));
  if (props.field.viewClass === "PasswordFieldView") {
    return <PasswordInput {...shared} onChange={(event) => change(event.currentTarget.value)} autoComplete="off" />;
  }
  if (/TextArea|JSONata|Code|Mapper/.test(props.field.viewClass) || (!isText && typeof value === "object")) {
    const mono = props.field.viewClass !== "TextAreaView" ? { input: { fontFamily: "monospace" } } : {};
    return (
      <Textarea
        {...shared}
        autosize
        minRows={3}
        styles={mono}
        onChange={(event) => change(event.currentTarget.value)}
      />
    );
  }
  return <TextInput {...shared} onChange={(event) => change(event.currentTarget.value)} />;
}

/** A field that held a number, a list or an object goes on to, as long as what is typed is one. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
