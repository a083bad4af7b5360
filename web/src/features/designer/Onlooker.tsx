import { Alert, Box, Button, CopyButton, Group, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { Seat } from "@/api/seats";
import { StepView } from "@/features/designer/StepView";
import { Canvas } from "@/graph/Canvas";
import { read } from "@/graph/document";
import { Empty } from "@/ui/Empty";
import { moment } from "@/ui/when";
import { who } from "@/ui/who";

export interface OnlookerProps {
  /** As it is saved. */
  text: string;
  seat: Seat;
  /** What this page has and the server has not; null: nothing. */
  unsaved: string | null;
  onTake: () => void;
  taking: boolean;
}

/** A draft that somebody else edits: it can be looked at, and taken over. */
export function Onlooker({ text, seat, unsaved, onTake, taking }: OnlookerProps) {
  const [selected, setSelected] = useState<string | null>(null);
  const document = read(text);
  const step = document?.steps.find((each) => each.id === selected);
  return (
    <Stack h="100%" gap={0}>
      <Group px="md" py={6} gap="xs">
        <Title order={2} size="h5">
          Draft, to look at
        </Title>
      </Group>
      <Alert
        color="blue"
        mx="md"
        mb="xs"
        role="status"
        title={`${who(seat.author)} edits this draft, since ${moment(seat.since)}`}
      >
        <Group>
          <Text size="sm">
            {unsaved === null
              ? "You see each change as it is saved. Take over to edit it yourself; the other page is told."
              : "Your last edit was not saved. It is kept here: take over to go on with it, or copy it."}
          </Text>
          <Button size="xs" onClick={onTake} loading={taking}>
            Take over
          </Button>
          {unsaved !== null && (
            <CopyButton value={unsaved}>
              {({ copied, copy }) => (
                <Button size="xs" variant="default" onClick={copy}>
                  {copied ? "Copied" : "Copy my text"}
                </Button>
              )}
            </CopyButton>
          )}
        </Group>
      </Alert>
      <Group flex={1} mih={0} gap={0} align="stretch" wrap="nowrap">
        <Box flex={1} miw={0} {...(step === undefined ? {} : { visibleFrom: "sm" })}>
          {document === null ? (
            <Empty title="The text cannot be read">It is changed at the moment.</Empty>
          ) : (
            <Canvas steps={document.steps} selected={selected} onSelect={setSelected} about={() => ({})} />
          )}
        </Box>
        {document !== null && step !== undefined && (
          <Box w={{ base: "100%", sm: 400 }} style={{ borderLeft: "1px solid var(--mantine-color-default-border)" }}>
            <StepView document={document} step={step} onClose={() => setSelected(null)} />
          </Box>
        )}
      </Group>
    </Stack>
  );
}
