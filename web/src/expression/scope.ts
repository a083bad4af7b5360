import { pathOf } from "@/graph/mapping";

/** What an expression can read: values of a sample, and what steps say they give, by the names at its root. */
export interface Scope {
  /** `body`, `headers`, `attachments` of the message. */
  message: Record<string, Known>;
  /** The same of each earlier step, by its id. */
  steps: Record<string, Record<string, Known>>;
  /** What may stand here as it is: the values a field allows, as JSON. */
  values?: string[];
}

export interface Known {
  /** Of a sample; undefined: there is none. */
  value?: unknown;
  /** JSON Schemas, of each step that it may come from. */
  schemas: unknown[];
}

export interface Member {
  key: string;
  known: Known;
  /** What to show beside it: a value, or a kind. */
  about: string;
  /** What its component calls it. */
  title: string;
  inSample: boolean;
  required: boolean;
}

/** The members below something known, those of the sample first. Lists are passed through, as JSONata does. */
export function membersOf(known: Known): Member[] {
  const value = first(known.value);
  const found = new Map<string, Known>();
  if (isRecord(value)) {
    for (const [key, each] of Object.entries(value)) found.set(key, { value: each, schemas: [] });
  }
  const required = new Set<string>();
  for (const schema of known.schemas) {
    for (const [key, each] of Object.entries(propertiesOf(schema, schema))) {
      const known_ = found.get(key) ?? { schemas: [] };
      found.set(key, { ...known_, schemas: [...known_.schemas, each] });
      if (isRecord(each) && each.required === true) required.add(key);
    }
    const listed = isRecord(schema) ? schema.required : null;
    if (Array.isArray(listed)) for (const key of listed) required.add(String(key));
  }
  return [...found].map(([key, each]) => ({
    key,
    known: each,
    about: each.value === undefined ? kindOf(each.schemas[0]) : shortened(each.value),
    title: titleOf(each.schemas[0]),
    inSample: "value" in each,
    required: required.has(key),
  }));
}

/** What a path below the root leads to; null: nobody knows. */
export function follow(scope: Scope, parts: readonly string[]): Member[] | null {
  const [head, ...rest] = parts;
  if (head === "$steps") {
    const [id, root, ...deeper] = rest;
    if (id === undefined) return Object.keys(scope.steps).map((key) => plain(key, "step"));
    const step = scope.steps[id];
    if (step === undefined) return null;
    if (root === undefined) return Object.entries(step).map(([key, known]) => ({ ...plain(key, ""), known }));
    return walked(step[root], deeper);
  }
  if (head === undefined || !(head in scope.message)) return null;
  return walked(scope.message[head], rest);
}

function walked(known: Known | undefined, parts: readonly string[]): Member[] | null {
  if (known === undefined) return null;
  const [next, ...rest] = parts;
  const members = membersOf(known);
  if (next === undefined) return members;
  return walked(members.find((each) => each.key === next)?.known, rest);
}

/** How a member is written after a dot: in backquotes where it has to be. */
export function spelt(key: string): string {
  return pathOf([key]);
}

function plain(key: string, about: string): Member {
  return { key, known: { schemas: [] }, about, title: "", inSample: true, required: false };
}

function propertiesOf(schema: unknown, whole: unknown, depth = 0): Record<string, unknown> {
  if (!isRecord(schema) || depth > 20) return {};
  if (typeof schema.$ref === "string") return propertiesOf(resolved(schema.$ref, whole), whole, depth + 1);
  const branches = [schema.allOf, schema.anyOf, schema.oneOf].flatMap((each) => (Array.isArray(each) ? each : []));
  const found = branches.map((each) => propertiesOf(each, whole, depth + 1));
  if (isRecord(schema.properties)) found.push(schema.properties);
  else if (isRecord(schema.items)) found.push(propertiesOf(schema.items, whole, depth + 1));
  return Object.assign({}, ...found);
}

function resolved(reference: string, whole: unknown): unknown {
  return reference
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .reduce<unknown>((at, part) => (isRecord(at) ? at[part.replaceAll("~1", "/").replaceAll("~0", "~")] : null), whole);
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? first(value[0]) : value;
}

function kindOf(schema: unknown): string {
  if (!isRecord(schema)) return "";
  const kind = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type;
  return typeof kind === "string" ? kind : isRecord(schema.properties) ? "object" : "";
}

function titleOf(schema: unknown): string {
  return isRecord(schema) && typeof schema.title === "string" ? schema.title : "";
}

export function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
