import { Box, Button, Card, Group, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { components, selected } from "@/api/components";
import { credentials } from "@/api/credentials";
import { mistakeAt, type PartProps } from "@/features/designer/step/part";
import { CredentialState } from "@/forms/CredentialState";
import { CredentialTools } from "@/forms/CredentialTools";
import { EditCredential } from "@/forms/EditCredential";
import { NewCredential } from "@/forms/NewCredential";
import { setKey } from "@/graph/document";

/** The credential of a step: chosen, made, verified, connected and edited without leaving the panel. */
export function CredentialPart({ step, mistakes, readOnly, onChange }: PartProps) {
  const known = useQuery(credentials.list());
  const versions = useQuery(components.versions(step.component));
  const version = versions.data && selected(versions.data, step.version);
  const detail = useQuery({
    ...components.version(step.component, version?.revision ?? 0),
    enabled: Boolean(version),
  });
  const [open, setOpen] = useState<"new" | "edit" | null>(null);
  const takes = (detail.data?.descriptor as { credentials?: unknown } | undefined)?.credentials !== undefined;
  const mistake = mistakeAt(mistakes, "credential");
  if (!takes && mistake === null && step.credential === null) return null;
  const mine = (known.data ?? []).filter((each) => each.component === step.component);
  const names = mine.map((each) => each.name);
  const chosen = mine.find((each) => each.name === step.credential);
  const choose = (name: string | null) => onChange(setKey(step.id, "credential", name));
  return (
    <Box>
      <Group align="flex-end" gap="xs" wrap="nowrap">
        <Select
          flex={1}
          label="Credential"
          data={step.credential === null || names.includes(step.credential) ? names : [...names, step.credential]}
          value={step.credential}
          placeholder={names.length === 0 ? "There is none yet" : "Choose one"}
          clearable
          clearButtonProps={{ "aria-label": "Clear the credential" }}
          readOnly={readOnly}
          error={mistake}
          onChange={choose}
        />
        {!readOnly && open !== "new" && (
          <Button variant="default" onClick={() => setOpen("new")}>
            New
          </Button>
        )}
      </Group>
      {chosen && open === null && (
        <Stack gap={4} mt={6}>
          <CredentialState credential={chosen} />
          {!readOnly && (
            <CredentialTools credential={chosen}>
              <Button size="compact-sm" variant="subtle" onClick={() => setOpen("edit")}>
                Edit
              </Button>
            </CredentialTools>
          )}
        </Stack>
      )}
      {open !== null && (
        <Card withBorder mt="xs" p="sm">
          <Text size="sm" fw={600} mb="xs">
            {open === "new" ? `New credential for ${step.component}` : `Edit ${step.credential}`}
          </Text>
          {open === "new" ? (
            <NewCredential
              component={step.component}
              onCancel={() => setOpen(null)}
              onDone={(made) => {
                choose(made.name);
                setOpen(null);
              }}
            />
          ) : (
            chosen && <EditCredential credential={chosen} onDone={() => setOpen(null)} />
          )}
        </Card>
      )}
    </Box>
  );
}
