import {
  Alert,
  Button,
  Group,
  JsonInput,
  Menu,
  ScrollArea,
  SegmentedControl,
  Stack,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { components } from "@/api/components";
import { executions } from "@/api/executions";
import { expressions } from "@/api/expressions";
import { tests } from "@/api/tests";
import { Picker } from "@/features/designer/Picker";
import { type Content, generated, outputs, type Sample, sampleFor } from "@/features/designer/sample";
import { type Change, type FlowDocument, type Step, setKey } from "@/graph/document";
import { members, withMember } from "@/graph/mapping";
import { isJson } from "@/ui/isJson";
import { Json } from "@/ui/Json";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";

interface Props {
  document: FlowDocument;
  step: Step;
  mistake: string | null;
  onChange: (change: Change, group?: string) => void;
  onClose: () => void;
}

const NOTHING: Sample = { message: { body: {}, headers: {} }, steps: {} };

/** The input of a step: field by field or as a whole, on a sample, with the result beside it. */
export function MappingPanel({ document, step, mistake, onChange, onClose }: Props) {
  const expression = step.input ?? "";
  const parts = expression.trim() === "" ? [] : members(expression);
  const [view, setView] = useState<"fields" | "whole">(parts === null ? "whole" : "fields");
  const [sample, setSample] = useSample(document, step);
  const put = useRef<((path: string) => void) | null>(null);
  const change = (text: string) => onChange(setKey(step.id, "input", text), `${step.id}.input`);
  return (
    <Panel
      title={`Input of ${step.name || step.id}`}
      label={`Mapping of ${step.id}`}
      closeLabel="Close the mapping"
      onClose={onClose}
      tools={
        <SegmentedControl
          size="xs"
          aria-label="View"
          value={view}
          onChange={(value) => setView(value as "fields" | "whole")}
          data={[
            { value: "fields", label: "Fields", disabled: parts === null },
            { value: "whole", label: "Expression" },
          ]}
        />
      }
    >
      <Group flex={1} mih={0} gap={0} align="stretch" wrap="nowrap">
        <ScrollArea w="45%" type="auto" style={{ borderRight: "1px solid var(--mantine-color-default-border)" }}>
          <SampleView sample={sample} onEdit={setSample} onPick={(path) => put.current?.(path)} />
        </ScrollArea>
        <ScrollArea flex={1} type="auto">
          <Stack p="sm" gap="sm">
            {mistake && (
              <Alert color="red" p="xs">
                {mistake}
              </Alert>
            )}
            {view === "fields" && parts !== null ? (
              <Fields step={step} expression={expression} onChange={change} put={put} />
            ) : (
              <Whole expression={expression} onChange={change} put={put} />
            )}
            {parts === null && (
              <Text size="xs" c="dimmed">
                Fields can be shown for an expression that is one object with its keys in quotes.
              </Text>
            )}
            <Result expression={expression} sample={sample} />
          </Stack>
        </ScrollArea>
      </Group>
    </Panel>
  );
}

/** What was typed, else the samples of the steps before, else the newest execution, else what they say they give. */
function useSample(document: FlowDocument, step: Step): [Sample, (sample: Sample | null) => void] {
  const [own, setOwn] = useState<Sample | null>(null);
  const newest = useQuery(executions.list({ flow: document.flow })).data?.items[0];
  const execution = useQuery({ ...executions.one(newest?.id ?? ""), enabled: newest !== undefined });
  const previous = document.steps.find((each) => each.id === step.after[0]);
  const model = useQuery({
    ...components.metaModel(previous?.component ?? "", {
      kind: previous?.kind ?? "action",
      function: previous?.function ?? "",
      version: previous?.version ?? "latest",
    }),
    enabled: previous !== undefined,
  });
  const kept = Object.fromEntries(
    (useQuery(tests.samples(document.flow)).data ?? []).map(({ step: id, body, headers }) => [id, { body, headers }]),
  );
  const real = sampleFor(document, step, { ...outputs(execution.data?.processed ?? []), ...kept });
  const made = model.data?.gives ? { message: { body: generated(model.data.gives), headers: {} }, steps: {} } : null;
  return [own ?? real ?? made ?? NOTHING, setOwn];
}

function SampleView(props: {
  sample: Sample;
  onEdit: (sample: Sample | null) => void;
  onPick: (path: string) => void;
}) {
  const { sample, onEdit, onPick } = props;
  const [text, setText] = useState<string | null>(null);
  const use = () => {
    if (text === null) return;
    onEdit({ ...sample, message: { ...sample.message, body: JSON.parse(text) } });
    setText(null);
  };
  return (
    <Stack p="sm" gap="xs">
      <Group justify="space-between">
        <Title order={3} size="h6">
          Sample
        </Title>
        <Menu>
          <Menu.Target>
            <Button size="compact-xs" variant="subtle">
              Another
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => setText(JSON.stringify(sample.message.body, null, 2))}>
              Write it by hand
            </Menu.Item>
            <Menu.Item onClick={() => onEdit(null)}>Take the newest execution</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
      {text === null ? (
        <>
          <Picker label="body" value={sample.message.body} path={["body"]} onPick={onPick} />
          <Picker label="headers" value={sample.message.headers} path={["headers"]} onPick={onPick} />
          {Object.entries(sample.steps).map(([id, content]: [string, Content]) => (
            <Picker key={id} label={`$steps.${id}`} value={content} path={["$steps", id]} onPick={onPick} />
          ))}
        </>
      ) : (
        <>
          <JsonInput
            label="Body of the message"
            value={text}
            onChange={setText}
            autosize
            minRows={6}
            validationError="This is no JSON"
          />
          <Button size="xs" onClick={use} disabled={!isJson(text)}>
            Use it
          </Button>
        </>
      )}
    </Stack>
  );
}

interface EditProps {
  expression: string;
  onChange: (expression: string) => void;
  /** Where a picked path goes. */
  put: React.RefObject<((path: string) => void) | null>;
}

function Fields({ step, expression, onChange, put }: EditProps & { step: Step }) {
  const asked = { kind: step.kind, function: step.function, version: step.version, fields: step.fields };
  const model = useQuery(components.metaModel(step.component, { ...asked, credential: step.credential }));
  const [more, setMore] = useState("");
  const present = new Map((members(expression) ?? []).map((member) => [member.key, member.expression]));
  const takes = (model.data?.takes?.properties ?? {}) as Record<string, { title?: string; required?: boolean }>;
  const keys = [...new Set([...Object.keys(takes), ...present.keys()])];
  const set = (key: string, value: string) => {
    const changed = withMember(expression, key, value);
    if (changed !== null) onChange(changed);
  };
  const add = () => {
    if (more !== "" && !keys.includes(more)) set(more, '""');
    setMore("");
  };
  return (
    <>
      {keys.map((key) => (
        <Textarea
          key={key}
          label={takes[key]?.title ? `${takes[key].title} (${key})` : key}
          withAsterisk={takes[key]?.required === true}
          autosize
          placeholder="Choose from the sample, or write JSONata"
          value={present.get(key) ?? ""}
          styles={{ input: { fontFamily: "monospace" } }}
          onChange={(event) => set(key, event.currentTarget.value)}
          onFocus={() => {
            put.current = (path) => set(key, joined(present.get(key) ?? "", path));
          }}
        />
      ))}
      {keys.length === 0 && <Text size="sm">This step does not say which fields it takes. Name the first one:</Text>}
      <Group gap="xs" align="flex-end">
        <TextInput
          flex={1}
          label="Another field"
          value={more}
          onChange={(event) => setMore(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && add()}
        />
        <Button variant="default" onClick={add} disabled={more === ""}>
          Add
        </Button>
      </Group>
    </>
  );
}

function Whole({ expression, onChange, put }: EditProps) {
  const input = useRef<HTMLTextAreaElement>(null);
  return (
    <Textarea
      ref={input}
      label="Expression"
      description="JSONata. Empty: the message as it came."
      autosize
      minRows={8}
      spellCheck={false}
      value={expression}
      styles={{ input: { fontFamily: "monospace" } }}
      onChange={(event) => onChange(event.currentTarget.value)}
      onFocus={() => {
        put.current = (path) => {
          const { selectionStart: from, selectionEnd: to } = input.current ?? {
            selectionStart: expression.length,
            selectionEnd: expression.length,
          };
          onChange(expression.slice(0, from) + path + expression.slice(to));
        };
      }}
    />
  );
}

/** A picked path after what is there already. */
function joined(expression: string, path: string): string {
  return expression.trim() === "" || expression === '""' ? path : `${expression} & ${path}`;
}

function Result({ expression, sample }: { expression: string; sample: Sample }) {
  const [settled] = useDebouncedValue(expression, 300);
  const trial = { expression: settled.trim() === "" ? "body" : settled, message: sample.message, steps: sample.steps };
  const result = useQuery(expressions.evaluate(trial));
  return (
    <Stack gap={4} component="section" aria-label="Result" aria-live="polite">
      <Title order={3} size="h6">
        Result
      </Title>
      {result.error && <Refusal error={result.error} />}
      {result.data?.mistake ? (
        <Alert color="red" p="xs" title={result.data.mistake.message}>
          {place(settled, result.data.mistake.position)}
        </Alert>
      ) : (
        result.data && <Json value={result.data.defined ? result.data.result : {}} />
      )}
    </Stack>
  );
}

/** The line and column of a mistake, as editors count. */
function place(text: string, position: number | null): string {
  if (position === null) return "";
  const before = text.slice(0, position).split("\n");
  return `Line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}.`;
}
