import { Anchor, Button, Code, CopyButton, Group, Paper, Progress, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useEffectEvent } from "react";
import { Link, useLocation } from "wouter";
import { flows } from "@/api/flows";
import { Problem } from "@/api/problem";
import { nextStop, STOPS, type Stop, useTour } from "@/features/tour/tour";
import { read } from "@/graph/document";

const EVERY = 1_000;

/** The tour, above the page it is about: what to do next, which is seen as done from what is really there. */
export default function TourBar() {
  const { flow: name, follow, end } = useTour();
  const [location] = useLocation();
  const here = /^\/flows\/([^/]+)(?:\/draft)?$/.exec(location)?.[1] ?? null;
  const known = useQuery({ ...flows.one(name ?? ""), enabled: name !== null, refetchInterval: EVERY });
  const draft = useQuery({ ...flows.draft(name ?? ""), enabled: name !== null, refetchInterval: EVERY, retry: false });
  const gone = known.error instanceof Problem && known.error.status === 404;
  useEffect(() => {
    if (name === null && here !== null) follow(here);
    else if (gone) follow(null);
  }, [name, here, gone, follow]);
  const document = draft.data === undefined || draft.error !== null ? null : read(draft.data.document);
  const stop = nextStop({
    flow: name === null ? null : (known.data ?? null),
    drawn:
      document === null
        ? null
        : {
            trigger: document.steps.some((step) => step.kind === "trigger"),
            actions: document.steps.filter((step) => step.kind === "action").length,
          },
  });
  const at = STOPS.indexOf(stop);
  const leave = () => {
    end();
    if (stop === "done") follow(null);
  };
  useEscape(leave);
  const uses =
    document?.steps.find((step) => step.kind === "trigger")?.component ?? known.data?.deployment?.steps[0]?.id;
  return (
    <Paper component="section" aria-label="First flow" withBorder radius={0} px="md" py="xs">
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0, overflowWrap: "anywhere" }}>
          <Title order={2} size="h6">
            {stop === "done" ? "Your first flow is live" : `First flow: step ${at + 1} of ${STOPS.length - 1}`}
          </Title>
          <Text size="sm" role="status" component="div">
            <What stop={stop} flow={name} away={name !== null && here !== name} uses={uses ?? ""} />
          </Text>
        </div>
        <Button size="compact-sm" variant="default" flex="none" onClick={leave}>
          {stop === "done" ? "Close" : "End the tour"}
        </Button>
      </Group>
      <Progress value={(at / (STOPS.length - 1)) * 100} size="xs" mt={6} aria-label="How far the tour is" />
    </Paper>
  );
}

/** Escape, where it closes nothing else. */
function useEscape(leave: () => void): void {
  const pressed = useEffectEvent((event: KeyboardEvent) => {
    const within = event.target instanceof Element && event.target.closest(ELSEWHERE) !== null;
    if (event.key === "Escape" && !event.defaultPrevented && !within) leave();
  });
  useEffect(() => {
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}

const ELSEWHERE =
  "input, textarea, [contenteditable], [role=dialog], [role=menu], [role=listbox], [aria-expanded=true]";

interface WhatProps {
  stop: Stop;
  flow: string | null;
  /** Somebody looks at another page. */
  away: boolean;
  uses: string;
}

function What({ stop, flow, away, uses }: WhatProps): ReactNode {
  if (away && stop !== "done") {
    return (
      <>
        It goes on at{" "}
        <Anchor component={Link} href={`/flows/${flow}${stop === "event" ? "" : "/draft"}`} size="sm">
          {flow}
        </Anchor>
        .
      </>
    );
  }
  switch (stop) {
    case "make":
      return (
        <>
          A flow takes events from a trigger and passes each on to actions. Choose <b>New flow</b> and give it a name.
        </>
      );
    case "trigger":
      return (
        <>
          Choose a trigger: <b>Receive a request</b> starts with each call of a web address, <b>Tick</b> by itself,
          every <Code>5s</Code> or so.
        </>
      );
    case "action":
      return (
        <>
          Add what shall happen with each event: the <b>+</b> behind the trigger, or the key <Code>A</Code>, and then{" "}
          <b>Write to the log</b>.
        </>
      );
    case "publish":
      return (
        <>
          Fill in what <b>Problems</b> lists, if it shows. Then choose <b>Publish</b>, look at what would run, and
          publish it.
        </>
      );
    case "event":
      return uses === "timer" ? "It runs. The first tick is on its way." : <Send flow={flow ?? ""} />;
    case "done":
      return (
        <>
          Events pass through it: <b>Log</b> shows what is written,{" "}
          <Anchor component={Link} href={`/executions?flow=${flow}`} size="sm">
            Executions
          </Anchor>{" "}
          what each event caused. <b>Edit</b> makes a draft while it runs on.
        </>
      );
  }
}

function Send({ flow }: { flow: string }) {
  const line = `curl -d '{"hello": "world"}' -H 'Content-Type: application/json' ${window.location.origin}/hooks/${flow}`;
  return (
    <>
      It runs, and waits for events. Send one from a terminal: <Code>{line}</Code>{" "}
      <CopyButton value={line}>
        {({ copied, copy }) => (
          <Button size="compact-xs" variant="default" onClick={copy}>
            {copied ? "Copied" : "Copy"}
          </Button>
        )}
      </CopyButton>
    </>
  );
}
