import { Alert, Badge, Button, CloseButton, FileButton, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type DragEvent, type ReactNode, useState } from "react";
import { Link } from "wouter";
import { saveDraft } from "@/api/flows";
import { type Brought, bringIn, brought, renamed, type Told } from "@/features/flows/importing";

export interface Importing {
  told: Told[];
  error: Error | null;
  busy: boolean;
  take: (files: Iterable<File>) => void;
  again: (each: Told) => void;
  forget: () => void;
}

/** Flows from files; `taken`: the names there are. */
export function useImport(taken: ReadonlySet<string>): Importing {
  const queries = useQueryClient();
  const [told, setTold] = useState<Told[]>([]);
  const bringing = useMutation({
    mutationFn: (all: Brought[]) => bringIn(all, (flow, text) => saveDraft(flow, text, 0)),
    onSuccess: async (results) => {
      setTold((before) => [...before.filter((each) => !results.some((one) => one.file === each.file)), ...results]);
      await queries.invalidateQueries({ queryKey: ["flows"] });
    },
  });
  const reading = useMutation({
    mutationFn: (files: File[]) => Promise.all(files.map(async (file) => brought(file.name, await file.text()))),
    onSuccess: (all) => bringing.mutate(all),
  });
  return {
    told,
    error: reading.error ?? bringing.error,
    busy: reading.isPending || bringing.isPending,
    take: (files) => reading.mutate([...files]),
    again: (each) => bringing.mutate([renamed(each, taken)]),
    forget: () => setTold([]),
  };
}

export function ImportButton({ importing }: { importing: Importing }) {
  return (
    <FileButton multiple accept=".yaml,.yml,.json" onChange={(files) => importing.take(files)}>
      {(props) => (
        <Button
          {...props}
          variant="default"
          loading={importing.busy}
          leftSection={<IconUpload size={16} aria-hidden />}
        >
          Import
        </Button>
      )}
    </FileButton>
  );
}

/** Files can be dropped anywhere on what is within. */
export function DropFiles({ importing, children }: { importing: Importing; children: ReactNode }) {
  const [over, setOver] = useState(false);
  const files = (event: DragEvent) => event.dataTransfer.types.includes("Files");
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a second way; the button is the one for everybody
    <div
      style={{
        minHeight: "100%",
        outline: over ? "2px dashed var(--mantine-primary-color-filled)" : "none",
        outlineOffset: -8,
      }}
      onDragOver={(event) => {
        if (!files(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={(event) => {
        if (!files(event)) return;
        event.preventDefault();
        setOver(false);
        importing.take(event.dataTransfer.files);
      }}
    >
      {children}
    </div>
  );
}

const COLORS = { made: "teal", there: "orange", refused: "red" } as const;
const WORDS = { made: "made", there: "is there", refused: "refused" } as const;

/** What became of each file. */
export function Imported({ importing }: { importing: Importing }) {
  const { told, error, again, forget } = importing;
  if (told.length === 0 && error === null) return null;
  return (
    <Paper component="section" aria-label="Imported files" withBorder p="sm">
      <Group justify="space-between">
        <Title order={2} size="h5">
          Imported files
        </Title>
        <CloseButton aria-label="Close the list of imported files" onClick={forget} />
      </Group>
      <Stack gap={6} role="status">
        {error && <Alert color="red">{error.message}</Alert>}
        {told.map((each) => (
          <Group key={each.file} gap="xs">
            <Badge variant="light" color={COLORS[each.outcome]}>
              {WORDS[each.outcome]}
            </Badge>
            <Text size="sm" fw={600}>
              {each.file}
            </Text>
            <Text size="sm">{each.why}</Text>
            {each.outcome === "made" && (
              <Button size="compact-xs" variant="default" component={Link} href={`/flows/${each.flow}/draft`}>
                {`Open ${each.flow}`}
              </Button>
            )}
            {each.outcome === "there" && (
              <Button size="compact-xs" variant="default" onClick={() => again(each)}>
                Import under another name
              </Button>
            )}
          </Group>
        ))}
      </Stack>
    </Paper>
  );
}
