import { Code } from "@mantine/core";

/** A value as it is, indented. */
export function Json({ value }: { value: unknown }) {
  return (
    <Code block style={{ maxHeight: 320, overflow: "auto" }} tabIndex={0}>
      {JSON.stringify(value, null, 2) ?? "nothing"}
    </Code>
  );
}
