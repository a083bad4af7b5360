import { Accordion, Divider, Group, NumberInput, Select, Stack, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { components } from "@/api/components";
import { mistakeAt, type PartProps } from "@/features/designer/step/part";
import { setKey, setMember } from "@/graph/document";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];

/** How the step runs: attempts, order, time, memory, what is logged. Defaults are not written. */
export function Running(props: PartProps) {
  const { step, mistakes } = props;
  const component = useQuery(components.one(step.component));
  const type = component.data?.triggers.find((each) => each.name === step.function)?.type ?? null;
  const queues = step.kind === "action" || type === "webhook";
  const strict = step.written.order === "strict";
  const open = mistakes.some((each) =>
    /^(retry|order|timeout|queue_limit|memory|poll|quiet|call|paths)/.test(each.key),
  );
  return (
    <>
      <Divider label="Running" labelPosition="left" />
      {queues && (
        <Whole
          {...props}
          name="concurrency"
          label="Calls at once"
          usual={1}
          most={1000}
          description="With 1, messages are processed in order."
        />
      )}
      {step.kind === "trigger" && type === "webhook" && (
        <Choice
          {...props}
          name="reply"
          label="The caller gets"
          usual="none"
          choices={{ none: "an answer at once", wait: "the answer of a step" }}
        />
      )}
      <Choice
        {...props}
        name="log_level"
        label="Logs from"
        usual="info"
        choices={Object.fromEntries(LEVELS.map((each) => [each, each]))}
      />
      <Textarea
        label="Note"
        autosize
        value={step.note}
        readOnly={props.readOnly}
        error={mistakeAt(mistakes, "note")}
        onChange={(event) => props.onChange(setKey(step.id, "note", event.currentTarget.value), `${step.id}.note`)}
      />
      <Accordion
        variant="contained"
        keepMounted={false}
        defaultValue={open || step.written.retry !== undefined ? "more" : null}
      >
        <Accordion.Item value="more">
          <Accordion.Control>Retry, time and memory</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="sm">
              {queues && <Retry {...props} />}
              {queues && (
                <Choice
                  {...props}
                  name="order"
                  label="A message that waits for another attempt"
                  usual="relaxed"
                  choices={{ relaxed: "leaves the line", strict: "holds up those behind it" }}
                  {...(strict ? { description: "Needs one call at once." } : {})}
                />
              )}
              <Span {...props} name="timeout" label="A call fails after" usual="60s" />
              {step.kind === "trigger" && type !== "webhook" && (
                <>
                  <Span
                    {...props}
                    name="poll_interval"
                    label="Pause between two calls"
                    usual={type === "listener" ? "1s" : "60s"}
                  />
                  <Span {...props} name="quiet_after" label="A call ends when quiet for" usual="10s" />
                  <Span {...props} name="call_max" label="A busy call counts as ended after" usual="30s" />
                </>
              )}
              {queues && (
                <Whole
                  {...props}
                  name="queue_limit"
                  label="Messages that may wait"
                  usual={null}
                  most={10_000_000}
                  description="With more, the steps before pause. Empty: the setting queue_limit."
                />
              )}
              <Span {...props} name="memory" label="Memory" usual="as the setting step_memory says" example="128MB" />
              <Paths {...props} />
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </>
  );
}

/** Attempts after an exception, and how long the waits between them are. */
function Retry(props: PartProps) {
  const { step, mistakes, readOnly, onChange } = props;
  const written = step.written.retry;
  const retry = typeof written === "object" && written !== null ? (written as Record<string, unknown>) : {};
  const set = (member: string, value: unknown) =>
    onChange(setMember(step.id, "retry", member, value), `${step.id}.retry.${member}`);
  const attempts = Number(retry.attempts ?? 1);
  return (
    <>
      <NumberInput
        label="Attempts"
        description="After an exception; 1 tries once."
        min={1}
        max={1000}
        allowDecimal={false}
        value={attempts}
        readOnly={readOnly}
        error={mistakeAt(mistakes, "retry.attempts") ?? mistakeAt(mistakes, "retry")}
        onChange={(value) => set("attempts", value === 1 ? null : value)}
      />
      {(attempts > 1 || Object.keys(retry).length > 0) && (
        <Group grow gap="xs" align="flex-end" wrap="nowrap" mt={4}>
          {[
            { name: "first", label: "First wait", usual: "1s" },
            { name: "factor", label: "Times", usual: "2" },
            { name: "max", label: "At most", usual: "5m" },
          ].map(({ name, label, usual }) => (
            <TextInput
              key={name}
              label={label}
              placeholder={usual}
              value={retry[name] === undefined ? "" : String(retry[name])}
              readOnly={readOnly}
              error={mistakeAt(mistakes, `retry.${name}`)}
              onChange={(event) => set(name, numbered(event.currentTarget.value))}
            />
          ))}
        </Group>
      )}
    </>
  );
}

interface KeyProps extends PartProps {
  name: string;
  label: string;
  description?: string;
}

function Whole(props: KeyProps & { usual: number | null; most: number }) {
  const { step, name, label, description, usual, most, mistakes, readOnly, onChange } = props;
  const written = step.written[name];
  return (
    <NumberInput
      label={label}
      description={description}
      min={1}
      max={most}
      allowDecimal={false}
      value={written === undefined ? (usual ?? "") : Number(written)}
      readOnly={readOnly}
      error={mistakeAt(mistakes, name)}
      onChange={(value) => onChange(setKey(step.id, name, value === usual ? null : value), `${step.id}.${name}`)}
    />
  );
}

/** A duration or a size, as text with a unit. */
function Span(props: KeyProps & { usual: string; example?: string }) {
  const { step, name, label, usual, example, mistakes, readOnly, onChange } = props;
  const written = step.written[name];
  return (
    <TextInput
      label={label}
      placeholder={example ? `${usual}, or ${example}` : usual}
      value={written === undefined ? "" : String(written)}
      readOnly={readOnly}
      error={mistakeAt(mistakes, name)}
      onChange={(event) => onChange(setKey(step.id, name, numbered(event.currentTarget.value)), `${step.id}.${name}`)}
    />
  );
}

function Choice(props: KeyProps & { usual: string; choices: Record<string, string> }) {
  const { step, name, label, description, usual, choices, mistakes, readOnly, onChange } = props;
  return (
    <Select
      label={label}
      description={description}
      data={Object.entries(choices).map(([value, text]) => ({ value, label: text }))}
      value={String(step.written[name] ?? usual)}
      allowDeselect={false}
      readOnly={readOnly}
      error={mistakeAt(mistakes, name)}
      onChange={(value) => onChange(setKey(step.id, name, value === usual ? null : value))}
    />
  );
}

/** Paths of the machine that the step may see, besides those that its fields name. */
function Paths({ step, mistakes, readOnly, onChange }: PartProps) {
  const written = step.written.paths;
  const paths = typeof written === "object" && written !== null ? (written as Record<string, unknown>) : {};
  return [
    { name: "read", label: "Paths it may read" },
    { name: "write", label: "Paths it may read and change" },
  ].map(({ name, label }) => (
    <TagsInput
      key={name}
      label={label}
      description="Absolute; Enter adds one."
      value={[paths[name] ?? []].flat().map(String)}
      readOnly={readOnly}
      error={
        mistakeAt(mistakes, `paths.${name}`) ??
        mistakes.find((each) => each.key.startsWith(`paths.${name}[`))?.message ??
        null
      }
      onChange={(all) => onChange(setMember(step.id, "paths", name, all))}
    />
  ));
}

/** A number where one was typed, as a person would write it. */
function numbered(text: string): unknown {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
