import { Alert, Button, CopyButton, Group, Text } from "@mantine/core";
import { Link } from "wouter";
import type { Flow } from "@/api/flows";
import type { Draft, Theirs } from "@/features/designer/draft";
import { present } from "@/features/designer/history";
import { who } from "@/ui/who";

interface Props {
  flow: Flow;
  draft: Draft;
  theirs: Theirs;
}

/** Somebody else changed the draft that is edited here: what happened, and what can be done. Nothing is lost by waiting. */
export function Conflict({ flow, draft, theirs }: Props) {
  const gone = theirs.text === null;
  return (
    <Alert
      color="orange"
      mx="md"
      mb="xs"
      title={`${who(theirs.author)} ${gone ? "published or discarded" : "changed"} this draft meanwhile`}
      role="alert"
    >
      <Group>
        <Text size="sm">
          {gone
            ? `What you see is kept here. ${flow.version === null ? "" : `The newest version is ${flow.version}.`}`
            : "Both texts are kept until you choose; undo goes back to yours."}
        </Text>
        <Button size="xs" variant="default" onClick={() => draft.settle("mine")}>
          {gone ? "Make mine a new draft" : "Go on with mine"}
        </Button>
        {gone ? (
          <Button size="xs" variant="default" component={Link} href={`/flows/${flow.name}`}>
            Show what runs
          </Button>
        ) : (
          <Button size="xs" variant="default" onClick={() => draft.settle("theirs")}>
            Take theirs
          </Button>
        )}
        <CopyButton value={present(draft.getState().history)}>
          {({ copied, copy }) => (
            <Button size="xs" variant="subtle" color="gray" onClick={copy}>
              {copied ? "Copied" : "Copy mine"}
            </Button>
          )}
        </CopyButton>
      </Group>
    </Alert>
  );
}
