import { Textarea } from "@mantine/core";
import { useState } from "react";
import { common, type FieldProps } from "@/forms/common";
import { isJson } from "@/ui/isJson";

/** A list or an object, typed as JSON; what is no JSON yet is kept here and not written. */
export function JsonField(props: FieldProps) {
  const value = props.values[props.field.name];
  const [typed, setTyped] = useState<string | null>(null);
  const unfinished = typed !== null && typed.trim() !== "" && !isJson(typed);
  const change = (text: string) => {
    setTyped(text);
    if (text.trim() === "") props.onChange(undefined);
    else if (isJson(text)) props.onChange(JSON.parse(text));
  };
  return (
    <Textarea
      {...common(props)}
      autosize
      minRows={3}
      maxRows={20}
      spellCheck={false}
      styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
      error={unfinished ? "This is no JSON yet: it is not saved" : props.mistake}
      value={typed ?? (value === undefined ? "" : JSON.stringify(value, null, 2))}
      onChange={(event) => change(event.currentTarget.value)}
      onBlur={() => unfinished || setTyped(null)}
    />
  );
}
