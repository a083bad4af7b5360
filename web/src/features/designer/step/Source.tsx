import { Alert, Anchor, Box, Button, Group, Select, Spoiler, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type ComponentVersion, commitsBetween, components, selected } from "@/api/components";
import { mistakeAt, type PartProps } from "@/features/designer/step/part";
import { setKey } from "@/graph/document";
import { CommitList } from "@/ui/CommitList";
import { ComponentMark } from "@/ui/ComponentMark";

/** Which code the step runs: what it offers, the latest or a pinned version, and what is newer. */
export function Source({ step, mistakes, readOnly, onChange }: PartProps) {
  const component = useQuery(components.one(step.component));
  const versions = useQuery(components.versions(step.component));
  const runs = versions.data && selected(versions.data, step.version);
  const latest = versions.data && selected(versions.data, "latest");
  const offers = step.kind === "trigger" ? component.data?.triggers : component.data?.actions;
  const offer = offers?.find((each) => each.name === step.function);
  const help = offer?.help ?? component.data?.help;
  const pins = (versions.data ?? [])
    .filter((each) => each.state === "ready")
    .map((each) => ({ value: String(each.revision), label: `revision ${each.revision}: ${said(each)}` }));
  const choices = [
    { value: "latest", label: latest ? `latest, now revision ${latest.revision}: ${said(latest)}` : "latest" },
    ...pins,
  ];
  if (!choices.some((each) => each.value === step.version)) choices.push({ value: step.version, label: step.version });
  const choose = (version: string | null) =>
    onChange(setKey(step.id, "version", version === "latest" ? null : written(version)));
  return (
    <>
      <Group gap="xs" wrap="nowrap" align="flex-start">
        <ComponentMark name={step.component} icon={component.data?.icon ?? null} />
        <Box miw={0}>
          <Anchor component={Link} href={`/components/${step.component}`} size="sm" fw={500}>
            {step.uses}
          </Anchor>
          <Text size="xs" c="dimmed">
            {offer?.description || help?.description}{" "}
            {help?.link && (
              <Anchor href={help.link} target="_blank" rel="noreferrer" size="xs" underline="always">
                Help
              </Anchor>
            )}
          </Text>
        </Box>
      </Group>
      <Select
        label="Component version"
        data={choices}
        value={step.version}
        allowDeselect={false}
        searchable
        readOnly={readOnly}
        error={mistakeAt(mistakes, "version") ?? mistakeAt(mistakes, step.kind)}
        onChange={choose}
      />
      {runs && latest && runs.revision < latest.revision && (
        <Newer runs={runs} latest={latest} onUse={readOnly ? null : () => choose("latest")} />
      )}
    </>
  );
}

/** What the step would get from the latest version, in the words of those who pushed it. */
function Newer({
  runs,
  latest,
  onUse,
}: {
  runs: ComponentVersion;
  latest: ComponentVersion;
  onUse: (() => void) | null;
}) {
  const commits = useQuery(commitsBetween(runs.component, runs.revision, latest.revision));
  return (
    <Alert color="yellow" p="xs" title={`Revision ${latest.revision} is newer`}>
      <Spoiler maxHeight={96} showLabel="Show all" hideLabel="Show less">
        {commits.data && <CommitList commits={commits.data} />}
      </Spoiler>
      {onUse !== null && (
        <Button size="compact-xs" variant="default" mt={6} onClick={onUse}>
          Use the latest
        </Button>
      )}
    </Alert>
  );
}

function said(version: ComponentVersion): string {
  const words = version.message.split("\n")[0] || version.commit.slice(0, 8);
  return version.semver ? `${version.semver}, ${words}` : words;
}

/** Revisions are written as numbers, semantic versions as text. */
function written(selector: string | null): unknown {
  return selector !== null && /^\d+$/.test(selector) ? Number(selector) : selector;
}
