import { Alert, Anchor, Badge, List, Stack, Table, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import type { components } from "@/api/schema";
import { Changes } from "@/features/designer/Changes";
import { type Placed, placed } from "@/features/designer/mistakes";
import type { FlowDocument } from "@/graph/document";
import { CommitList } from "@/ui/CommitList";

type Plan = components["schemas"]["PlanView"];
type PlannedStep = components["schemas"]["PlannedStep"];

interface Props {
  plan: Plan;
  document: FlowDocument | null;
  /** To where a problem is. */
  onGo: (mistake: Placed) => void;
}

/** What a publish would do, all of it as the server worked it out. */
export function PlanText({ plan, document, onGo }: Props) {
  const steps = plan.steps.filter((step) => step.kind !== "mapper");
  const warnings = plan.problems.filter((each) => each.severity !== "error");
  return (
    <Stack gap="sm">
      {plan.blockers.length > 0 && (
        <Alert color="red" title="This stands against it" role="alert">
          <Mistakes mistakes={placed(plan.blockers, document)} onGo={onGo} />
        </Alert>
      )}
      <Part title="What changes">
        {plan.running_version === null ? (
          <Text size="sm">{`Nothing runs yet: ${plan.step_count} steps start, mappers counted.`}</Text>
        ) : plan.changes.length === 0 ? (
          <Text size="sm">Nothing in the document.</Text>
        ) : (
          <Changes changes={plan.changes} />
        )}
      </Part>
      {plan.moves.length > 0 && (
        <Part title="Component versions">
          {plan.moves.map((move) => (
            <div key={move.step}>
              <Text size="sm">
                <b>{move.step}</b>{" "}
                {move.from_component === move.component
                  ? `${move.component} ${move.from_revision} → ${move.to_revision}`
                  : `${move.from_component} ${move.from_revision} → ${move.component} ${move.to_revision}`}
              </Text>
              <CommitList commits={move.commits} />
            </div>
          ))}
        </Part>
      )}
      {plan.variables.length > 0 && (
        <Part title="Environment variables">
          <Text size="sm">{`Of ${plan.variables.join(", ")}: changed since; the new hosts get them as they are now.`}</Text>
        </Part>
      )}
      <Part title="What becomes of each step">
        <Steps steps={steps} gone={plan.gone} leftOut={plan.left_out} />
        {plan.left_out.length > 0 && (
          <Text size="sm" mt={4}>
            {`Left out, as disabled or only reached through a disabled step: ${plan.left_out.join(", ")}.`}
          </Text>
        )}
        {plan.running_version !== null && (
          <Text size="sm" mt={4}>
            {plan.strategy === "handover"
              ? "Each new host warms up beside the old one, which runs on until all are ready and then finishes what it has."
              : "The old hosts end before the new ones warm up."}
          </Text>
        )}
        <Text size="sm" mt={4}>
          {hooks(plan)}
        </Text>
      </Part>
      <Part title="Interruption">
        <Text size="sm">{interruption(plan.interruption)}</Text>
      </Part>
      {plan.newer.length > 0 && (
        <Part title="Stays behind">
          {plan.newer.map((each) => (
            <Text size="sm" key={each.step}>
              <b>{each.step}</b>{" "}
              {`names version ${each.selector} of ${each.component}; revision ${each.latest} is the latest.`}
            </Text>
          ))}
        </Part>
      )}
      {(plan.remarks.length > 0 || warnings.length > 0) && (
        <Part title="Mind">
          {plan.remarks.map((remark) => (
            <Text size="sm" key={remark}>
              {remark}
            </Text>
          ))}
          <Mistakes mistakes={placed(warnings, document)} onGo={onGo} />
        </Part>
      )}
    </Stack>
  );
}

function Mistakes({ mistakes, onGo }: { mistakes: Placed[]; onGo: (mistake: Placed) => void }) {
  return (
    <List size="sm" spacing={2}>
      {mistakes.map((each) => (
        <List.Item key={each.path + each.reason}>
          {each.path && (
            <Anchor component="button" size="sm" ta="left" c="inherit" underline="always" onClick={() => onGo(each)}>
              {[each.step, each.key].filter(Boolean).join(" ")}
            </Anchor>
          )}{" "}
          {[each.message, each.suggestion].filter(Boolean).join(": ")}
        </List.Item>
      ))}
    </List>
  );
}

const SNAPSHOTS = { kept: "kept", reset: "emptied", empty: "begins empty" };

function Steps({ steps, gone, leftOut }: { steps: PlannedStep[]; gone: Plan["gone"]; leftOut: string[] }) {
  return (
    <Table verticalSpacing={4} horizontalSpacing={4} aria-label="Steps">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Step</Table.Th>
          <Table.Th>Host</Table.Th>
          <Table.Th>Snapshot</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {steps.map((step) => (
          <Table.Tr key={step.id}>
            <Table.Td style={{ overflowWrap: "anywhere" }}>
              {step.id}{" "}
              {step.change !== "same" && (
                <Badge size="xs" variant="light" tt="none" color={step.change === "added" ? "teal" : "blue"}>
                  {step.change === "code" ? "new code" : step.change}
                </Badge>
              )}
              {step.newly_granted.map((path) => (
                <Text size="xs" c="dimmed" key={path}>{`may use ${path}, for the first time`}</Text>
              ))}
            </Table.Td>
            <Table.Td>{host(step)}</Table.Td>
            <Table.Td>{step.snapshot === null ? "" : SNAPSHOTS[step.snapshot]}</Table.Td>
          </Table.Tr>
        ))}
        {gone.map((each) => (
          <Table.Tr key={each.step}>
            <Table.Td>
              {each.step}{" "}
              <Badge size="xs" variant="light" tt="none" color="red">
                {leftOut.includes(each.step) ? "left out" : "removed"}
              </Badge>
            </Table.Td>
            <Table.Td colSpan={2}>ends when it has finished what waits for it</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function host({ revision, running_revision, selector }: PlannedStep): string {
  if (revision === null) return "none is built";
  const how = selector === "latest" ? "latest" : "named";
  return running_revision === null || running_revision === revision
    ? `new, r${revision} (${how})`
    : `new, r${running_revision} → r${revision} (${how})`;
}

function hooks({ hooks: { shutdown, startup, changed }, running_version }: Plan): string {
  if (running_version === null || (startup && !shutdown))
    return "startup of the trigger runs, where its component has one.";
  if (shutdown) {
    return `shutdown of the old trigger and startup of the new one run within the switch: ${changed.join(", ")} changed.`;
  }
  return "The trigger carries over: neither shutdown nor startup runs.";
}

function interruption({ expected_ms, text }: Plan["interruption"]): string {
  return expected_ms
    ? `About ${expected_ms.toFixed(0)} ms: ${text}.`
    : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        {title}
      </Title>
      {children}
    </div>
  );
}
