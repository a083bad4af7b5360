import { Input, Skeleton } from "@mantine/core";
import { type ComponentProps, lazy, type ReactNode, Suspense, useId } from "react";
import type CodeEditorType from "@/expression/CodeEditor";
import type { Scope } from "@/expression/scope";

const CodeEditor = lazy(() => import("@/expression/CodeEditor"));

interface Props {
  label: ReactNode;
  /** Where the label is no text. */
  name?: string;
  description?: ReactNode;
  error?: ReactNode;
  required?: boolean;
  readOnly: boolean;
  value: string;
  language?: "jsonata" | "text";
  scope?: Scope | undefined;
  mistake?: ComponentProps<typeof CodeEditorType>["mistake"];
  placeholder?: string;
  minRows?: number;
  indents?: boolean;
  onChange: (value: string) => void;
  onFocus?: ComponentProps<typeof CodeEditorType>["onFocus"];
}

/** A text in which names can be completed, with label and mistake as every other input has them. */
export function ExpressionInput(props: Props) {
  const { label, name, description, error, required = false, minRows = 1 } = props;
  const id = useId();
  return (
    <Input.Wrapper
      label={label}
      labelElement="div"
      description={description}
      error={error}
      required={required}
      withAsterisk={required}
      errorProps={{ id: `${id}-error` }}
    >
      <Suspense fallback={<Skeleton h={28 + 20 * (minRows - 1)} />}>
        <CodeEditor
          label={name ?? String(label)}
          describedBy={error ? `${id}-error` : undefined}
          value={props.value}
          language={props.language ?? "jsonata"}
          scope={props.scope}
          mistake={props.mistake}
          placeholder={props.placeholder}
          readOnly={props.readOnly}
          invalid={Boolean(error)}
          minRows={minRows}
          indents={props.indents ?? false}
          onChange={props.onChange}
          onFocus={props.onFocus}
        />
      </Suspense>
    </Input.Wrapper>
  );
}
