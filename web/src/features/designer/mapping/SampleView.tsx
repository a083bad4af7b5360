import { Alert, Badge, Button, Group, JsonInput, Menu, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { Found, Picker } from "@/features/designer/mapping/Picker";
import type { Knowledge } from "@/features/designer/useKnowledge";
import { isJson } from "@/ui/isJson";

const FROM: Record<Knowledge["from"], string> = {
  you: "written by hand",
  samples: "the sample of the step before",
  test: "the newest test",
  execution: "the newest execution",
  schema: "made up, as the step before says",
  nowhere: "nothing came yet",
};

/** What can be read, to choose from: values of the sample, and what steps say besides. */
export function SampleView({ known, onPick }: { known: Knowledge; onPick: (path: string) => void }) {
  const { sample, scope, from, setSample, troubles } = known;
  const [text, setText] = useState<string | null>(null);
  const [search, setSearch] = useState("");
  const use = () => {
    if (text === null) return;
    setSample({ ...sample, message: { ...sample.message, body: JSON.parse(text) } });
    setText(null);
  };
  return (
    <Stack p="sm" gap="xs" component="section" aria-label="Sample">
      <Group justify="space-between" wrap="nowrap">
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
            <Menu.Item onClick={() => setSample(null)}>Take what came last</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
      <Badge size="sm" variant="light" color={from === "nowhere" ? "orange" : "gray"} style={{ textTransform: "none" }}>
        {FROM[from]}
      </Badge>
      {known.stale !== null && <Text size="xs">{`Stale: ${known.stale}.`}</Text>}
      {troubles.map(({ step, error, retry }) => (
        <Alert key={step} color="orange" p="xs" role="alert">
          <Text size="sm">{`What ${step} gives is not known: ${error.message}`}</Text>
          <Button size="compact-xs" variant="default" onClick={retry}>
            Ask again
          </Button>
        </Alert>
      ))}
      {text === null ? (
        <>
          <TextInput
            size="xs"
            aria-label="Search the sample"
            placeholder="Search"
            leftSection={<IconSearch size={14} aria-hidden />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          {search.trim() === "" ? (
            <div>
              {Object.entries(scope.message).map(([key, each]) => (
                <Picker key={key} label={key} known={each} path={[key]} onPick={onPick} />
              ))}
              {Object.entries(scope.steps).map(([id, parts]) => (
                <Picker
                  key={id}
                  label={`$steps.${id}`}
                  known={parts.body ?? { schemas: [] }}
                  path={["$steps", id, "body"]}
                  onPick={onPick}
                />
              ))}
            </div>
          ) : (
            <Found scope={scope} search={search} onPick={onPick} />
          )}
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
          <Group gap="xs">
            <Button size="xs" onClick={use} disabled={!isJson(text)}>
              Use it
            </Button>
            <Button size="xs" variant="default" onClick={() => setText(null)}>
              Cancel
            </Button>
          </Group>
        </>
      )}
    </Stack>
  );
}
