import { Button, Loader, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queues } from "@/api/queues";
import { Json } from "@/ui/Json";
import { Refusal } from "@/ui/Refusal";

/** The content of a message in the journal, read when somebody wants it. */
export function MessageBody({ flow, seq }: { flow: string; seq: number }) {
  const [opened, setOpened] = useState(false);
  return (
    <Stack gap={4} align="stretch">
      <Button
        size="compact-xs"
        variant="subtle"
        style={{ alignSelf: "flex-start" }}
        aria-expanded={opened}
        onClick={() => setOpened(!opened)}
      >
        {opened ? "Hide the body" : "Show the body"}
      </Button>
      {opened && <Body flow={flow} seq={seq} />}
    </Stack>
  );
}

function Body({ flow, seq }: { flow: string; seq: number }) {
  const message = useQuery(queues.message(flow, seq));
  if (message.error) return <Refusal error={message.error} />;
  if (message.data === undefined) return <Loader size="xs" role="status" aria-label="Loading" />;
  const { body, large, masked } = message.data;
  return (
    <>
      <Json value={large ?? body} />
      {masked && (
        <Text size="xs" c="dimmed">
          Values of credentials are left out; their names stand in their place.
        </Text>
      )}
    </>
  );
}
