import { Checkbox, PasswordInput, Textarea, TextInput } from "@mantine/core";
import { ExpressionInput } from "@/expression/ExpressionInput";
import { AskedChoice } from "@/forms/AskedChoice";
import { AuthInput } from "@/forms/AuthInput";
import { Choice } from "@/forms/Choice";
import { common, type FieldProps, shown } from "@/forms/common";
import { isTicked, missing, ticked } from "@/forms/fields";
import { JsonField } from "@/forms/JsonField";

const EXPRESSIONS = new Set(["JSONataView", "MapperView"]);
const TEXTS = new Set(["TextAreaView", "TextAreaWithNoteView"]);

/** One field, drawn as its `viewClass` says; a class that is not known is a line of text. */
export function FieldInput(props: FieldProps) {
  const { field, values } = props;
  const value = values[field.name];
  const waitsFor = missing(field, values);
  if (waitsFor.length > 0 && (value === undefined || value === null)) return <Waits {...props} names={waitsFor} />;
  if (field.viewClass === "CheckBoxView") return <CheckboxField {...props} />;
  if (field.viewClass === "HTTPAuthView" || field.viewClass === "WebhookAuthView") return <AuthInput {...props} />;
  if (field.model !== null && (field.viewClass === "SelectView" || field.viewClass === "MultiSelectView")) {
    return field.model === "asked" ? <AskedChoice {...props} /> : <Choice {...props} choices={field.model} />;
  }
  if (field.viewClass === "PasswordFieldView") return <PasswordField {...props} />;
  if (EXPRESSIONS.has(field.viewClass) && !isObject(value)) return <ExpressionField {...props} />;
  if (field.viewClass === "CodeEditorView" && !isObject(value)) return <ExpressionField {...props} plain />;
  if (field.viewClass === "RESTAPIView" || isObject(value)) return <JsonField {...props} />;
  return <TextField {...props} />;
}

/** A field that cannot be filled in yet. */
function Waits(props: FieldProps & { names: string[] }) {
  const { description: _, error, ...shared } = common(props);
  return (
    <TextInput
      {...shared}
      disabled
      value=""
      placeholder=""
      description={`Fill in ${props.names.join(", ")} first.`}
      error={error}
    />
  );
}

function CheckboxField(props: FieldProps) {
  const { label, description, error, readOnly } = common(props);
  return (
    <Checkbox
      label={label}
      description={description}
      error={error}
      disabled={readOnly}
      checked={isTicked(props.values[props.field.name] ?? props.field.usual)}
      onChange={(event) => props.onChange(ticked(props.field, event.currentTarget.checked))}
    />
  );
}

function PasswordField(props: FieldProps) {
  return (
    <PasswordInput
      {...common(props)}
      value={shown(props.values[props.field.name] ?? "")}
      autoComplete="off"
      onChange={(event) => props.onChange(event.currentTarget.value)}
    />
  );
}

function ExpressionField(props: FieldProps & { plain?: boolean }) {
  const { label, description, error, readOnly, required } = common(props);
  return (
    <ExpressionInput
      label={label}
      description={description}
      required={required}
      error={error}
      readOnly={readOnly}
      scope={props.scope}
      language={props.plain ? "text" : "jsonata"}
      minRows={3}
      value={shown(props.values[props.field.name] ?? "")}
      onChange={props.onChange}
    />
  );
}

function TextField(props: FieldProps) {
  const value = props.values[props.field.name];
  const isText = value === undefined || value === null || typeof value === "string";
  const { prefix, suffix, viewClass } = props.field;
  const change = (text: string) => props.onChange(isText ? text : parsed(text));
  const shared = {
    ...common(props),
    value: shown(value ?? ""),
    onChange: (event: { currentTarget: { value: string } }) => change(event.currentTarget.value),
  };
  if (TEXTS.has(viewClass)) return <Textarea {...shared} autosize minRows={3} maxRows={16} />;
  return (
    <TextInput
      {...shared}
      leftSection={prefix || undefined}
      leftSectionWidth={prefix ? `${prefix.length + 2}ch` : undefined}
      rightSection={suffix || undefined}
      rightSectionWidth={suffix ? `${suffix.length + 2}ch` : undefined}
    />
  );
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** A field that held a number or a truth value goes on to, as long as what is typed is one. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
