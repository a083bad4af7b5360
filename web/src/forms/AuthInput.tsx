import { Fieldset, PasswordInput, Select, Stack, TextInput } from "@mantine/core";
import { common, type FieldProps } from "@/forms/common";

/** What the components that use these views look for, by their `type`. */
const KINDS = {
  "No Auth": [],
  "Basic Auth": [
    { part: "basic", name: "username", label: "User", hidden: false },
    { part: "basic", name: "password", label: "Password", hidden: true },
  ],
  "API Key Auth": [
    { part: "apiKey", name: "headerName", label: "Header", hidden: false },
    { part: "apiKey", name: "headerValue", label: "Value of the header", hidden: true },
  ],
} as const;

type Kind = keyof typeof KINDS;
type Auth = Record<string, unknown>;

/** How a request says who it comes from: `{type, basic: {username, password}}` or `{type, apiKey: {…}}`. */
export function AuthInput(props: FieldProps) {
  const { label, description, error, readOnly, required } = common(props);
  const value = record(props.values[props.field.name]);
  const kind = kindOf(value);
  const put = (part: string, name: string, text: string) =>
    props.onChange({ type: kind, ...value, [part]: { ...record(value[part]), [name]: text } });
  return (
    <Fieldset legend={`${label}${required ? " *" : ""}`} p="xs">
      <Stack gap="xs">
        <Select
          label="Kind"
          description={description}
          error={error}
          data={Object.keys(KINDS)}
          value={kind}
          allowDeselect={false}
          readOnly={readOnly}
          onChange={(now) => props.onChange({ type: now })}
        />
        {KINDS[kind].map((each) => {
          const Input = each.hidden ? PasswordInput : TextInput;
          return (
            <Input
              key={each.name}
              label={each.label}
              autoComplete="off"
              readOnly={readOnly}
              value={String(record(value[each.part])[each.name] ?? "")}
              onChange={(event: { currentTarget: { value: string } }) =>
                put(each.part, each.name, event.currentTarget.value)
              }
            />
          );
        })}
      </Stack>
    </Fieldset>
  );
}

/** As written, or as the parts that are there tell. */
function kindOf(value: Auth): Kind {
  if (typeof value.type === "string" && value.type in KINDS) return value.type as Kind;
  if (value.apiKey !== undefined) return "API Key Auth";
  return value.type === "No Auth" ? "No Auth" : "Basic Auth";
}

function record(value: unknown): Auth {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Auth) : {};
}
