import { Button, Fieldset, Group, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";
import { ExpressionInput } from "@/expression/ExpressionInput";
import { type Member, membersOf, type Scope, shortened } from "@/expression/scope";
import type { Evaluation } from "@/features/designer/mapping/useEvaluation";
import { members, valueAt, withPath } from "@/graph/mapping";
import { Refusal } from "@/ui/Refusal";

export type Insert = (text: string) => void;

interface Props {
  expression: string;
  /** What the step takes, as its component says or is being asked. */
  model: Pick<UseQueryResult<{ takes: Record<string, unknown> | null }>, "data" | "error" | "isFetching" | "refetch">;
  component: string;
  scope: Scope;
  evaluation: Evaluation;
  onChange: (expression: string) => void;
  onFocus: (insert: Insert) => void;
}

/** One input for each field that the step takes, and for those that are written besides. */
export function Targets(props: Props) {
  const { expression, model, component, onChange } = props;
  const [more, setMore] = useState("");
  const taken = membersOf({ schemas: model.data?.takes ? [model.data.takes] : [] });
  const written = (members(expression) ?? []).map((each) => each.key);
  const further = written.filter((key) => !taken.some((each) => each.key === key)).map(unasked);
  const set = (path: string[], value: string) => {
    const changed = withPath(expression, path, value);
    if (changed !== null) onChange(changed);
  };
  const add = () => {
    if (more !== "" && !written.includes(more)) set([more], '""');
    setMore("");
  };
  const all = [...taken, ...further];
  return (
    <>
      {model.error && <Refusal error={model.error} onRetry={() => void model.refetch()} />}
      {model.isFetching && model.data === undefined && (
        <Stack gap={4} role="status">
          <Text size="xs" c="dimmed">{`Asking ${component} what it takes …`}</Text>
          <Skeleton h={36} />
        </Stack>
      )}
      {all.map((each) => (
        <Target key={each.key} {...props} target={each} path={[each.key]} onSet={set} />
      ))}
      {all.length === 0 && !model.isFetching && (
        <Text size="sm">This step does not say which fields it takes. Name the first one:</Text>
      )}
      <Group gap="xs" align="flex-end">
        <TextInput
          flex={1}
          label="Another field"
          value={more}
          onChange={(event) => setMore(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && add()}
        />
        <Button variant="default" onClick={add} disabled={more === ""}>
          Add
        </Button>
      </Group>
    </>
  );
}

const DEEPEST = 3;

function Target(props: Props & { target: Member; path: string[]; onSet: (path: string[], value: string) => void }) {
  const { target, path, expression, scope, evaluation, onSet, onFocus } = props;
  const value = valueAt(expression, path) ?? "";
  const schema = target.known.schemas[0];
  const inner = isObject(schema) ? membersOf(target.known) : [];
  const [whole, setWhole] = useState(false);
  const name = target.title ? `${target.title} (${target.key})` : target.key;
  if (inner.length > 0 && path.length < DEEPEST && !whole && (value.trim() === "" || members(value) !== null)) {
    const named = new Set(inner.map((each) => each.key));
    const further = (members(value) ?? []).map((each) => each.key).filter((key) => !named.has(key));
    return (
      <Fieldset legend={`${name}${target.required ? " *" : ""}`} p="xs">
        <Stack gap="xs">
          {[...inner, ...further.map(unasked)].map((each) => (
            <Target key={each.key} {...props} target={each} path={[...path, each.key]} />
          ))}
          <Button size="compact-xs" variant="subtle" onClick={() => setWhole(true)} style={{ alignSelf: "flex-start" }}>
            {`Write ${target.key} as one expression`}
          </Button>
        </Stack>
      </Fieldset>
    );
  }
  const misfits = (evaluation.data?.misfits ?? []).filter((each) => isAbout(each.path, path.join(".")));
  const mistake = evaluation.stale ? null : mistakeIn(evaluation, path);
  const wrong = mistake
    ? `${mistake.message} ${mistake.cure}`
    : misfits.map((each) => (each.suggestion ? `${each.message}: ${each.suggestion}` : each.message)).join("; ");
  const gives = value.trim() === "" || evaluation.data?.mistake ? undefined : at(evaluation.data?.result, path);
  return (
    <div>
      <ExpressionInput
        label={name}
        name={path.join(".")}
        required={target.required}
        description={descriptionOf(schema)}
        placeholder="Choose from the sample, or write JSONata"
        value={value}
        readOnly={false}
        scope={valuesOf(schema).length > 0 ? { ...scope, values: valuesOf(schema) } : scope}
        mistake={mistake ? { position: mistake.at, message: mistake.message } : null}
        error={wrong || undefined}
        onChange={(text) => onSet(path, text)}
        onFocus={onFocus}
      />
      {gives !== undefined && (
        <Text size="xs" ff="monospace" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {`→ ${shortened(gives)}`}
        </Text>
      )}
      {whole && (
        <Button
          size="compact-xs"
          variant="subtle"
          disabled={value.trim() !== "" && members(value) === null}
          onClick={() => setWhole(false)}
        >
          Write its fields
        </Button>
      )}
    </div>
  );
}

/** The server's mistake, when it stands in this member; its place counted from the member's own beginning. */
function mistakeIn({ data, of }: Evaluation, path: string[]) {
  const mistake = data?.mistake;
  if (!mistake || mistake.position === null) return null;
  let [text, start] = [of, 0];
  for (const key of path) {
    const member = members(text)?.find((each) => each.key === key);
    if (member === undefined) return null;
    text = member.expression;
    start += member.from;
  }
  const inside = mistake.position >= start && mistake.position <= start + text.length;
  return inside ? { ...mistake, at: mistake.position - start } : null;
}

function isAbout(misfit: string, path: string): boolean {
  return misfit === path || misfit.startsWith(`${path}.`) || misfit.startsWith(`${path}[`);
}

function unasked(key: string): Member {
  return { key, known: { schemas: [] }, about: "", title: "", inSample: false, required: false };
}

function at(value: unknown, path: string[]): unknown {
  return path.reduce<unknown>(
    (now, key) => (typeof now === "object" && now !== null ? (now as Record<string, unknown>)[key] : undefined),
    value,
  );
}

function isObject(schema: unknown): schema is Record<string, unknown> {
  return typeof schema === "object" && schema !== null && "properties" in schema;
}

function descriptionOf(schema: unknown): string | undefined {
  if (typeof schema !== "object" || schema === null) return undefined;
  const { type, description, enum: choices } = schema as { type?: unknown; description?: unknown; enum?: unknown };
  const kind = Array.isArray(type) ? type.join(" or ") : typeof type === "string" ? type : "";
  const list = Array.isArray(choices) ? `one of ${choices.slice(0, 8).join(", ")}` : kind;
  return (
    [list, typeof description === "string" ? description : ""].filter((each) => each !== "").join(": ") || undefined
  );
}

/** What a field allows, as JSON, to be offered while somebody types. */
function valuesOf(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { type, enum: choices } = schema as { type?: unknown; enum?: unknown };
  if (Array.isArray(choices)) return choices.map((each) => JSON.stringify(each));
  return type === "boolean" ? ["true", "false"] : [];
}
