import {
  ActionIcon,
  Badge,
  Button,
  Divider,
  Group,
  MultiSelect,
  NumberInput,
  ScrollArea,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { components, selected } from "@/api/components";
import { credentials } from "@/api/credentials";
import { FieldInput } from "@/features/designer/FieldInput";
import { fieldsOf } from "@/features/designer/fields";
import type { Placed } from "@/features/designer/mistakes";
import { type Change, type FlowDocument, renameStep, type Step, setField, setKey } from "@/graph/document";
import { Panel } from "@/ui/Panel";

const ID = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];

interface Props {
  document: FlowDocument;
  step: Step;
  mistakes: Placed[];
  readOnly: boolean;
  /** What stands above what is written of it, such as how it runs. */
  above?: ReactNode;
  onChange: (change: Change, group?: string) => void;
  onRenamed: (id: string) => void;
  onMap: () => void;
  onRemove: () => void;
  onClose: () => void;
  /** Above what is written. */
  children?: ReactNode;
}

/** Everything that is written of one step, beside the canvas. */
export function StepPanel(props: Props) {
  const { step, mistakes, onClose, onRemove, readOnly } = props;
  const whole = mistakes.filter((each) => !SHOWN.test(each.key));
  return (
    <Panel
      title={step.name || step.id}
      label={`Step ${step.name || step.id}`}
      closeLabel="Close the step"
      onClose={onClose}
      tools={
        !readOnly && (
          <ActionIcon variant="subtle" color="red" aria-label="Remove the step" onClick={onRemove}>
            <IconTrash size={18} />
          </ActionIcon>
        )
      }
    >
      <ScrollArea flex={1} mih={0} type="auto">
        {props.above}
        <Stack p="sm" gap="sm">
          {whole.map((each) => (
            <Text key={each.path + each.reason} size="sm" c={each.severity === "error" ? "red" : undefined}>
              {each.message}
            </Text>
          ))}
          {props.children}
          <Identity {...props} />
          <Source {...props} />
          <Fields {...props} />
          {step.kind === "action" && <Way {...props} />}
          <Running {...props} />
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

/** Keys whose mistakes are shown where they are typed. */
const SHOWN = /^(id|name|note|version|credential|after|when|input|concurrency|log_level|fields\..+)$/;

function mistakeAt(mistakes: Placed[], key: string): string | null {
  return mistakes.find((each) => each.key === key)?.message ?? null;
}

function Identity({ document, step, mistakes, readOnly, onChange, onRenamed }: Props) {
  const [id, setId] = useState(step.id);
  const taken = id !== step.id && document.steps.some((each) => each.id === id);
  const wrong = !ID.test(id)
    ? "A letter first, then letters, digits, - and _"
    : taken
      ? "Another step has this id"
      : null;
  const rename = () => {
    if (wrong !== null || id === step.id) return setId(step.id);
    onChange(renameStep(step.id, id));
    onRenamed(id);
  };
  return (
    <>
      <TextInput
        label="Name"
        value={step.name}
        readOnly={readOnly}
        error={mistakeAt(mistakes, "name")}
        onChange={(event) => onChange(setKey(step.id, "name", event.currentTarget.value), `${step.id}.name`)}
      />
      <TextInput
        label="Id"
        description="Its queue and its snapshot go with the id."
        value={id}
        readOnly={readOnly}
        error={wrong ?? mistakeAt(mistakes, "id")}
        onChange={(event) => setId(event.currentTarget.value)}
        onBlur={rename}
        onKeyDown={(event) => event.key === "Enter" && rename()}
      />
    </>
  );
}

function Source({ step, mistakes, readOnly, onChange }: Props) {
  const versions = useQuery(components.versions(step.component));
  const known = useQuery(credentials.list());
  const runs = versions.data && selected(versions.data, step.version);
  const latest = versions.data && selected(versions.data, "latest");
  const pins = (versions.data ?? [])
    .filter((each) => each.state === "ready")
    .map((each) => ({
      value: String(each.revision),
      label: `revision ${each.revision}: ${each.message.split("\n")[0] || each.commit.slice(0, 8)}`,
    }));
  const choices = [{ value: "latest", label: `latest${latest ? `, now revision ${latest.revision}` : ""}` }, ...pins];
  if (!choices.some((each) => each.value === step.version)) choices.push({ value: step.version, label: step.version });
  const mine = (known.data ?? []).filter((each) => each.component === step.component).map((each) => each.name);
  const names = step.credential === null || mine.includes(step.credential) ? mine : [...mine, step.credential];
  return (
    <>
      <Group gap="xs">
        <Text size="sm" fw={500}>
          {step.uses}
        </Text>
        {runs && latest && runs.revision < latest.revision && (
          <Badge color="yellow" variant="light">{`revision ${latest.revision} is newer`}</Badge>
        )}
      </Group>
      <Select
        label="Component version"
        data={choices}
        value={step.version}
        allowDeselect={false}
        readOnly={readOnly}
        error={mistakeAt(mistakes, "version") ?? mistakeAt(mistakes, step.kind)}
        onChange={(value) => onChange(setKey(step.id, "version", value === "latest" ? null : written(value)))}
      />
      {(names.length > 0 || mistakeAt(mistakes, "credential")) && (
        <Select
          label="Credential"
          data={names}
          value={step.credential}
          clearable
          readOnly={readOnly}
          error={mistakeAt(mistakes, "credential")}
          onChange={(value) => onChange(setKey(step.id, "credential", value))}
        />
      )}
    </>
  );
}

/** Revisions are written as numbers, semantic versions as text. */
function written(selector: string | null): unknown {
  return selector !== null && /^\d+$/.test(selector) ? Number(selector) : selector;
}

function Fields({ step, mistakes, readOnly, onChange }: Props) {
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
          onChange={(value) => onChange(setField(step.id, field.name, value), `${step.id}.fields.${field.name}`)}
        />
      ))}
    </>
  );
}

function Way({ document, step, mistakes, readOnly, onChange, onMap }: Props) {
  const text = (key: "when" | "input") => ({
    value: step[key] ?? "",
    readOnly,
    error: mistakeAt(mistakes, key),
    styles: { input: { fontFamily: "monospace" } },
    onChange: (event: { currentTarget: { value: string } }) =>
      onChange(setKey(step.id, key, event.currentTarget.value), `${step.id}.${key}`),
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
      <TextInput label="Only when" description="JSONata, such as body.total > 100. Empty: always." {...text("when")} />
      <Textarea
        label="Input"
        description="JSONata that builds the body this step receives. Empty: the message as it came."
        autosize
        minRows={4}
        {...text("input")}
      />
      {!readOnly && (
        <Button size="xs" variant="default" onClick={onMap}>
          Map with a sample
        </Button>
      )}
    </>
  );
}

function Running({ step, mistakes, readOnly, onChange }: Props) {
  const concurrency = Number(step.written.concurrency ?? 1);
  return (
    <>
      <Divider label="Running" labelPosition="left" />
      {step.kind === "action" && (
        <NumberInput
          label="Calls at once"
          description="With 1, messages are processed in order."
          min={1}
          max={1000}
          value={concurrency}
          readOnly={readOnly}
          error={mistakeAt(mistakes, "concurrency")}
          onChange={(value) =>
            onChange(setKey(step.id, "concurrency", value === 1 ? null : value), `${step.id}.concurrency`)
          }
        />
      )}
      <Select
        label="Logs from"
        data={LEVELS}
        value={String(step.written.log_level ?? "info")}
        allowDeselect={false}
        readOnly={readOnly}
        error={mistakeAt(mistakes, "log_level")}
        onChange={(value) => onChange(setKey(step.id, "log_level", value === "info" ? null : value))}
      />
      <Textarea
        label="Note"
        autosize
        value={step.note}
        readOnly={readOnly}
        error={mistakeAt(mistakes, "note")}
        onChange={(event) => onChange(setKey(step.id, "note", event.currentTarget.value), `${step.id}.note`)}
      />
    </>
  );
}
