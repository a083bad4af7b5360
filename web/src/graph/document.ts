/**
 * The text of a flow document as the designer reads and changes it.
 *
 * A change is made in the YAML itself, so comments and the order of keys stay. Values are read as
 * docs/reference/flow-document.md says: JSON's types, everything else that is not quoted is text.
 */
import { isMap, isSeq, parseDocument, type ScalarTag, YAMLMap, YAMLSeq, Document as Yaml } from "yaml";

export interface Step {
  id: string;
  kind: "trigger" | "action";
  /** `component/function`, as written. */
  uses: string;
  component: string;
  function: string;
  name: string;
  note: string;
  version: string;
  credential: string | null;
  fields: Record<string, unknown>;
  after: string[];
  when: string | null;
  input: string | null;
  /** Everything as it is written, for keys that have no field here. */
  written: Record<string, unknown>;
}

export interface FlowDocument {
  flow: string;
  type: string;
  title: string;
  description: string;
  steps: Step[];
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

const TAGS: ScalarTag[] = [
  {
    tag: "tag:yaml.org,2002:null",
    default: true,
    identify: (value) => value === null,
    test: /^(?:null|~|)$/,
    resolve: () => null,
    stringify: () => "null",
  },
  {
    tag: "tag:yaml.org,2002:bool",
    default: true,
    identify: (value) => typeof value === "boolean",
    test: /^(?:true|false)$/,
    resolve: (text) => text === "true",
    stringify: (node) => String(node.value),
  },
  {
    tag: "tag:yaml.org,2002:float",
    default: true,
    identify: (value) => typeof value === "number",
    test: NUMBER,
    resolve: (text) => Number(text),
    stringify: (node) => String(node.value),
  },
];

const READING = { schema: "failsafe", customTags: TAGS, prettyErrors: true, uniqueKeys: true } as const;
const WRITING = { lineWidth: 100, flowCollectionPadding: false } as const;

/** The document that `text` spells, or null when it is no readable flow document (the server says why). */
export function read(text: string): FlowDocument | null {
  const yaml = parseDocument(text, READING);
  if (yaml.errors.length > 0) return null;
  const value: unknown = yaml.toJS();
  if (!isRecord(value) || !Array.isArray(value.steps)) return null;
  const steps = value.steps.map(readStep);
  if (steps.some((step) => step === null)) return null;
  return {
    flow: text_(value.flow),
    type: text_(value.type) || "real-time",
    title: text_(value.title),
    description: text_(value.description),
    steps: steps as Step[],
  };
}

function readStep(value: unknown): Step | null {
  if (!isRecord(value)) return null;
  const kind = value.trigger === undefined ? "action" : "trigger";
  const uses = text_(value[kind]);
  const [component = "", ...rest] = uses.split("/");
  return {
    id: text_(value.id),
    kind,
    uses,
    component,
    function: rest.join("/"),
    name: text_(value.name),
    note: text_(value.note),
    version: value.version === undefined || value.version === null ? "latest" : String(value.version),
    credential: value.credential === undefined || value.credential === null ? null : text_(value.credential),
    fields: isRecord(value.fields) ? value.fields : {},
    after: list(value.after),
    when: optional(value.when),
    input: optional(value.input),
    written: value,
  };
}

/** A change of one document, as the text of the changed one. */
export type Change = (yaml: Yaml) => void;

/** The text after `change`; throws when `text` cannot be read. */
export function changed(text: string, change: Change): string {
  const yaml = parseDocument(text, READING);
  const [error] = yaml.errors;
  if (error !== undefined) throw error;
  change(yaml);
  return yaml.toString(WRITING);
}

/** Set a key of a step; `undefined`, null, empty text and empty collections take the key away. */
export function setKey(id: string, key: string, value: unknown): Change {
  return (yaml) => {
    const step = stepNode(yaml, id);
    if (isNothing(value)) step.delete(key);
    else step.set(key, yaml.createNode(value));
  };
}

/** Set one field of a step. */
export function setField(id: string, field: string, value: unknown): Change {
  return setMember(id, "fields", field, value);
}

/** Set one member of a mapping of a step, such as `attempts` of `retry`; the last one takes the key away with it. */
export function setMember(id: string, key: string, member: string, value: unknown): Change {
  return (yaml) => {
    const step = stepNode(yaml, id);
    const members = step.get(key, true);
    if (isMap(members)) {
      if (isNothing(value)) members.delete(member);
      else members.set(member, yaml.createNode(value));
      if (members.items.length === 0) step.delete(key);
    } else if (!isNothing(value)) {
      step.set(key, yaml.createNode({ [member]: value }));
    }
  };
}

/** Put a new step after `previous`; null: it begins the flow. What came after `previous` stays where it is. */
export function addStep(
  step: { id: string; kind: "trigger" | "action"; uses: string },
  previous: string | null,
): Change {
  return (yaml) => {
    const steps = stepsNode(yaml);
    const written: Record<string, unknown> = { id: step.id, [step.kind]: step.uses };
    if (previous !== null) written.after = previous;
    const at = steps.items.findIndex((item) => isMap(item) && item.get("id") === previous);
    steps.items.splice(previous === null ? 0 : at + 1, 0, yaml.createNode(written));
    steps.flow = false;
  };
}

/** Put a new step between `previous` and those steps that came after it. */
export function insertStep(step: { id: string; uses: string }, previous: string): Change {
  return (yaml) => {
    for (const node of stepNodes(yaml)) replaceAfter(yaml, node, previous, [step.id]);
    addStep({ ...step, kind: "action" }, previous)(yaml);
  };
}

/** Take a step away; those that came after it come after what it came after. */
export function removeStep(id: string): Change {
  return (yaml) => {
    const steps = stepsNode(yaml);
    const before = list(stepNode(yaml, id).toJSON().after);
    steps.items = steps.items.filter((item) => !(isMap(item) && item.get("id") === id));
    for (const node of stepNodes(yaml)) replaceAfter(yaml, node, id, before);
  };
}

/** Give a step another id, in the `after` of the others too. Expressions that name it are the caller's to change. */
export function renameStep(id: string, to: string): Change {
  return (yaml) => {
    stepNode(yaml, id).set("id", to);
    for (const node of stepNodes(yaml)) replaceAfter(yaml, node, id, [to]);
  };
}

/** A step as text for the clipboard: a YAML list, readable and good for any flow. */
export function stepText(text: string, id: string): string {
  const step = stepNode(parseDocument(text, READING), id);
  return new Yaml([step], READING).toString(WRITING);
}

/** The steps that a text from the clipboard spells; null: it is something else. */
export function stepsIn(text: string): Record<string, unknown>[] | null {
  const yaml = parseDocument(text, READING);
  if (yaml.errors.length > 0) return null;
  const value: unknown = yaml.toJS();
  const all = isRecord(value) && Array.isArray(value.steps) ? value.steps : value;
  const good = (step: unknown) =>
    isRecord(step) && (typeof step.trigger === "string" || typeof step.action === "string");
  return Array.isArray(all) && all.length > 0 && all.every(good) ? all : null;
}

/**
 * Put copied steps into a document: with ids that are free, after each other as they were, and after `previous` where
 * what they came after was not copied. A trigger is left out when the flow has one. `ids` are those they got.
 */
export function pasteSteps(
  document: FlowDocument,
  copied: Record<string, unknown>[],
  previous: string | null,
): { change: Change; ids: string[] } {
  const hasTrigger = document.steps.some((step) => step.kind === "trigger");
  const taken = copied.filter((step) => !(hasTrigger && step.trigger !== undefined));
  const names = new Map<string, string>();
  const present = [...document.steps];
  for (const step of taken) {
    const id = freeId({ ...document, steps: present }, text_(step.id));
    names.set(text_(step.id), id);
    present.push({ id } as Step);
  }
  const change: Change = (yaml) => {
    const steps = stepsNode(yaml);
    steps.flow = false;
    for (const step of taken) {
      const inside = list(step.after).flatMap((id) => names.get(id) ?? []);
      const after = inside.length > 0 ? inside : previous === null ? [] : [previous];
      const { id: _, after: __, ...rest } = step;
      const written = { id: names.get(text_(step.id)), ...rest, ...(step.trigger === undefined ? afterOf(after) : {}) };
      steps.add(yaml.createNode(written));
    }
  };
  return { change, ids: [...names.values()] };
}

function afterOf(ids: string[]): { after?: string | string[] } {
  const [only] = ids;
  if (only === undefined) return {};
  return { after: ids.length === 1 ? only : ids };
}

/** An id that no step has yet, made of `wanted`. */
export function freeId(document: FlowDocument, wanted: string): string {
  const base = wanted.replaceAll(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z]+/, "") || "step";
  const taken = new Set(document.steps.map((step) => step.id));
  for (let number = 1; ; number++) {
    const id = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(id)) return id;
  }
}

function replaceAfter(yaml: Yaml, node: YAMLMap, old: string, now: string[]): void {
  const after = list(node.toJSON().after);
  if (!after.includes(old)) return;
  const ids = [...new Set(after.flatMap((each) => (each === old ? now : [each])))];
  if (ids.length === 0) node.delete("after");
  else node.set("after", yaml.createNode(ids.length === 1 ? ids[0] : ids, { flow: true }));
}

function stepsNode(yaml: Yaml): YAMLSeq {
  const steps = yaml.get("steps", true);
  if (isSeq(steps)) return steps;
  const made = new YAMLSeq();
  yaml.set("steps", made);
  return made;
}

function stepNodes(yaml: Yaml): YAMLMap[] {
  return stepsNode(yaml).items.filter((item): item is YAMLMap => item instanceof YAMLMap);
}

function stepNode(yaml: Yaml, id: string): YAMLMap {
  const found = stepNodes(yaml).find((node) => node.get("id") === id);
  if (found === undefined) throw new Error(`the document has no step \`${id}\``);
  return found;
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isRecord(value) && Object.keys(value).length === 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text_(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}

function optional(value: unknown): string | null {
  return value === undefined || value === null || value === "" ? null : String(value);
}

function list(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  return value === undefined || value === null || value === "" ? [] : [String(value)];
}
