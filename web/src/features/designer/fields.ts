/** The fields of a trigger or action, as its component describes them: docs/reference/component-json.md. */

export interface Field {
  name: string;
  label: string;
  viewClass: string;
  required: boolean;
  note: string;
  placeholder: string;
  help: string;
  /** What can be chosen; "asked": the component's code tells. */
  model: Record<string, string> | "asked" | null;
  /** Fields that have to be filled first. */
  needs: string[];
}

/** Highest `order` first, then as written. */
export function fieldsOf(descriptor: unknown, kind: "trigger" | "action", name: string): Field[] {
  const offer = record(record(record(descriptor)[`${kind}s`])[name]);
  const written = Object.entries(record(offer.fields)).map(([key, value]) => ({ key, value: record(value) }));
  const order = (value: Record<string, unknown>) => (typeof value.order === "number" ? value.order : 0);
  return written
    .sort((one, other) => order(other.value) - order(one.value))
    .map(({ key, value }) => ({
      name: key,
      label: text(value.label) || key,
      viewClass: text(value.viewClass) || "TextFieldView",
      required: value.required === true,
      note: text(value.note),
      placeholder: text(value.placeholder),
      help: text(record(value.help).description),
      model: typeof value.model === "string" ? "asked" : isRecord(value.model) ? labels(value.model) : null,
      needs: Array.isArray(value.require) ? value.require.map(String) : [],
    }));
}

/** Fields that a field still waits for. */
export function missing(field: Field, values: Record<string, unknown>): string[] {
  return field.needs.filter((name) => values[name] === undefined || values[name] === null || values[name] === "");
}

function labels(model: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(model).map(([value, label]) => [value, text(label) || value]));
}

function record(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
