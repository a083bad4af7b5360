import { Loader, MultiSelect, Select } from "@mantine/core";
import { common, type FieldProps } from "@/forms/common";

interface ChoiceProps extends FieldProps {
  choices: Record<string, string>;
  onOpen?: () => void;
  waiting?: boolean;
}

/** One or several of what can be chosen; what was chosen and is no choice any more stays to be seen. */
export function Choice(props: ChoiceProps) {
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
    nothingFoundMessage: waiting ? "Asking what there is …" : "Nothing to choose from",
    rightSection: waiting ? <Loader size={14} /> : undefined,
    clearButtonProps: { "aria-label": `Clear ${props.field.label}` },
    onDropdownOpen: onOpen,
  };
  return props.field.viewClass === "MultiSelectView" ? (
    <MultiSelect {...shared} value={chosen} onChange={(now) => props.onChange(now)} />
  ) : (
    <Select {...shared} value={chosen[0] ?? null} onChange={(now) => props.onChange(now ?? undefined)} />
  );
}
