/**
 * The text of a flow document as the designer reads and changes it.
 *
 * A change is made in the YAML itself, so comments and the order of keys stay. Values are read as
 * docs/reference/flow-document.md says: JSON's types, everything else that is not quoted is text.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type ScalarTag,
  visit,
  YAMLMap,
  YAMLSeq,
  Document as Yaml,
} from "yaml";
import { carriedOver } from "@/graph/lossless";
import { renamedReferences } from "@/graph/references";

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
  /** Left out of what runs. */
  disabled: boolean;
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
const WRITING = { lineWidth: 0, flowCollectionPadding: false } as const;

/** The document that `text` spells, or null when it is no readable flow document (the server says why). */
export function read(text: string): FlowDocument | null {
  const value = valueSpelled(text);
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

let lastRead: { text: string; value: unknown } = { text: "", value: undefined };

/** What a text spells; undefined: it cannot be read. The last one is remembered, as it is asked for again and again. */
function valueSpelled(text: string): unknown {
  if (lastRead.text !== text) {
    const yaml = parseDocument(text, READING);
    lastRead = { text, value: yaml.errors.length > 0 ? undefined : yaml.toJS() };
  }
  return lastRead.value;
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
    disabled: value.disabled === true,
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

/** The text after `change`, as it was but for that; throws when `text` cannot be read. */
export function changed(text: string, change: Change): string {
  if (text.includes("\r\n")) return changed(text.replaceAll("\r\n", "\n"), change).replaceAll("\n", "\r\n");
  const yaml = parseDocument(text, READING);
  const [error] = yaml.errors;
  if (error !== undefined) throw error;
  const writing = { ...WRITING, ...spelling(text) };
  const before = yaml.toString(writing);
  change(yaml);
  const after = yaml.toString(writing);
  const kept = carriedOver(text, before, after);
  return kept === after || JSON.stringify(valueSpelled(kept)) === JSON.stringify(yaml.toJS()) ? kept : after;
}

/** How somebody indents, so that what is written looks like what is there. */
function spelling(text: string): { indentSeq?: boolean; indent?: number } {
  const list = /^steps:[^\S\n]*(?:#.*)?\n(?:[^\S\n]*(?:#.*)?\n)*( *)-( +)/m.exec(text);
  if (list === null) return {};
  const [, indent = "", gap = ""] = list;
  return { indentSeq: indent !== "", indent: Math.max(indent.length, gap.length + 1, 2) };
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

/** Put a new step between `previous` and those steps that came after it; with `to` only between these two. */
export function insertStep(step: { id: string; uses: string }, previous: string, to?: string): Change {
  return (yaml) => {
    const later = to === undefined ? stepNodes(yaml) : [stepNode(yaml, to)];
    for (const node of later) replaceAfter(yaml, node, previous, [step.id]);
    addStep({ ...step, kind: "action" }, previous)(yaml);
  };
}

/** Take steps away; those that came after them come after what they came after. */
export function removeSteps(ids: Iterable<string>): Change {
  return (yaml) => {
    for (const id of ids) {
      const steps = stepsNode(yaml);
      const before = list(stepNode(yaml, id).toJS(yaml).after);
      steps.items = steps.items.filter((item) => !(isMap(item) && item.get("id") === id));
      for (const node of stepNodes(yaml)) replaceAfter(yaml, node, id, before);
    }
  };
}

/** Give a step another id, also where others come after it and where expressions name it. */
export function renameStep(id: string, to: string): Change {
  return (yaml) => {
    stepNode(yaml, id).set("id", to);
    const names = new Map([[id, to]]);
    for (const node of stepNodes(yaml)) {
      replaceAfter(yaml, node, id, [to]);
      renameIn(node, names);
    }
  };
}

/** Leave steps out of what runs, or take them in again. */
export function disableSteps(ids: Iterable<string>, disabled: boolean): Change {
  return (yaml) => {
    for (const id of ids) setKey(id, "disabled", disabled ? true : undefined)(yaml);
  };
}

/** Whether `to` could also come after `from`: it is no trigger, does not already, and no circle would be made. */
export function canFollow(steps: readonly Step[], from: string, to: string): boolean {
  const target = steps.find((step) => step.id === to);
  if (target === undefined || target.kind === "trigger" || target.after.includes(from)) return false;
  const before = new Map(steps.map((step) => [step.id, step.after]));
  const seen = new Set([from]);
  for (const id of seen) for (const earlier of before.get(id) ?? []) seen.add(earlier);
  return before.has(from) && !seen.has(to);
}

/** Let a step come after another one too. */
export function joinStep(from: string, to: string): Change {
  return (yaml) => {
    const node = stepNode(yaml, to);
    writeAfter(yaml, node, [...new Set([...list(node.toJS(yaml).after), from])]);
  };
}

/** Let a step not come after another one any more. */
export function partStep(from: string, to: string): Change {
  return (yaml) => replaceAfter(yaml, stepNode(yaml, to), from, []);
}

/** Steps as text for the clipboard: a YAML list in the order of the document, readable and good for any flow. */
export function stepsText(text: string, ids: ReadonlySet<string>): string {
  const yaml = parseDocument(text, READING);
  const chosen = stepNodes(yaml).filter((node) => ids.has(text_(node.get("id"))));
  try {
    return new Yaml(chosen, READING).toString(WRITING);
  } catch {
    // An alias of something that stays behind.
    return new Yaml(
      chosen.map((node) => node.toJS(yaml)),
      READING,
    ).toString(WRITING);
  }
}

/** Steps out of the clipboard, with their comments. */
export interface Copied {
  steps: Record<string, unknown>[];
  nodes: YAMLMap[];
}

/** The steps that a text from the clipboard spells: a list of them, or a whole flow document; null: something else. */
export function stepsIn(text: string): Copied | null {
  const yaml = parseDocument(text, READING);
  if (yaml.errors.length > 0) return null;
  const all = isMap(yaml.contents) ? yaml.get("steps", true) : yaml.contents;
  if (!isSeq(all) || all.items.length === 0) return null;
  const steps: unknown = all.toJS(yaml);
  const isStep = (step: unknown): step is Record<string, unknown> =>
    isRecord(step) && (typeof step.trigger === "string" || typeof step.action === "string");
  if (!Array.isArray(steps) || !steps.every(isStep)) return null;
  let shared = false;
  visit(yaml, (_, node) => {
    shared ||= isAlias(node);
  });
  const nodes = all.items.map((node, at) => (isMap(node) && !shared ? node : yaml.createNode(steps[at])) as YAMLMap);
  return { steps, nodes };
}

export interface Pasted {
  change: Change;
  /** The ids that the steps got. */
  ids: string[];
}

/**
 * Put copied steps into a document: with ids that are free, after each other and naming each other as they were.
 * What came after something that was not copied comes after `previous`; with `stay`, after the same as before where that
 * is here. A trigger is left out when the flow has one.
 */
export function pasteSteps(document: FlowDocument, copied: Copied, previous: string | null, stay = false): Pasted {
  const hasTrigger = document.steps.some((step) => step.kind === "trigger");
  const present = new Set(document.steps.map((step) => step.id));
  const taken = copied.steps.flatMap((step, at) => (hasTrigger && step.trigger !== undefined ? [] : [at]));
  const names = new Map<string, string>();
  const ids: string[] = [];
  const used = new Set(present);
  for (const at of taken) {
    const old = text_(copied.steps[at]?.id);
    const id = freeName(used, old || text_(copied.steps[at]?.action ?? copied.steps[at]?.trigger).split("/")[1] || "");
    used.add(id);
    ids.push(id);
    names.set(old, id);
  }
  const change: Change = (yaml) => {
    const steps = stepsNode(yaml);
    steps.flow = false;
    const anchor = steps.items.findIndex((item) => isMap(item) && item.get("id") === previous);
    const made = taken.map((at, number) => {
      const node = copied.nodes[at]?.clone() as YAMLMap;
      const step = copied.steps[at] ?? {};
      const id = node.get("id", true);
      if (isScalar(id)) id.value = ids[number];
      else node.items.unshift(yaml.createPair("id", ids[number]) as (typeof node.items)[number]);
      if (step.trigger === undefined) {
        const inside = list(step.after).flatMap((id) => names.get(id) ?? []);
        const outside = stay ? list(step.after).filter((id) => !names.has(id) && present.has(id)) : [];
        const after = [...new Set([...inside, ...outside])];
        writeAfter(yaml, node, after.length > 0 ? after : previous === null ? [] : [previous]);
      }
      renameIn(node, names);
      return node;
    });
    steps.items.splice(anchor === -1 ? steps.items.length : anchor + 1, 0, ...made);
  };
  return { change, ids };
}

/** An id that no step has yet, made of `wanted`. */
export function freeId(document: FlowDocument, wanted: string): string {
  return freeName(new Set(document.steps.map((step) => step.id)), wanted);
}

const LONGEST = 64;

function freeName(taken: ReadonlySet<string>, wanted: string): string {
  const base = wanted.replaceAll(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z]+/, "") || "step";
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? "" : `-${number}`;
    const id = base.slice(0, LONGEST - suffix.length) + suffix;
    if (!taken.has(id)) return id;
  }
}

/** Name other steps in what a step says; the rest of its text stays. */
function renameIn(node: YAMLMap, names: ReadonlyMap<string, string>): void {
  for (const key of ["when", "input"]) {
    const written = node.get(key, true);
    if (isScalar(written) && typeof written.value === "string") {
      written.value = renamedReferences(written.value, names);
    }
  }
}

function replaceAfter(yaml: Yaml, node: YAMLMap, old: string, now: string[]): void {
  const after = list(node.toJS(yaml).after);
  if (after.includes(old)) writeAfter(yaml, node, [...new Set(after.flatMap((each) => (each === old ? now : [each])))]);
}

function writeAfter(yaml: Yaml, node: YAMLMap, ids: string[]): void {
  if (ids.length === 0) {
    node.delete("after");
    return;
  }
  const value = yaml.createNode(ids.length === 1 ? ids[0] : ids, { flow: true });
  const old = node.get("after", true);
  if (isScalar(old)) value.comment = old.comment;
  if (node.has("after")) node.set("after", value);
  else node.items.splice(1, 0, yaml.createPair("after", value) as (typeof node.items)[number]);
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
