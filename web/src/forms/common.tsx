import { Anchor } from "@mantine/core";
import type { StepOf } from "@/api/components";
import type { Scope } from "@/expression/scope";
import type { Field } from "@/forms/fields";

export interface FieldProps {
  field: Field;
  /** Of all fields beside it. */
  values: Record<string, unknown>;
  mistake: string | null;
  readOnly: boolean;
  /** Whose code tells what can be chosen; null: nobody is asked. */
  component: string | null;
  step: StepOf | null;
  /** What an expression in a field sees. */
  scope?: Scope | undefined;
  onChange: (value: unknown) => void;
}

/** What every input shows of its field. */
export function common({ field, mistake, readOnly }: FieldProps) {
  const said = [field.note, field.help].filter((each) => each !== "").join(" ");
  const usual = field.usual === undefined || field.usual === null ? "" : `Without a value: ${shown(field.usual)}`;
  return {
    label: field.label,
    description:
      said === "" && field.link === "" ? undefined : (
        <>
          {said}{" "}
          {field.link !== "" && (
            <Anchor href={field.link} target="_blank" rel="noreferrer" size="xs" underline="always">
              Read more
            </Anchor>
          )}
        </>
      ),
    placeholder: field.placeholder || usual || undefined,
    required: field.required,
    withAsterisk: field.required,
    error: mistake,
    readOnly,
  };
}

/** A value as it is typed. */
export function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
