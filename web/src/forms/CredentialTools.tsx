import { Anchor, Button, Group, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { type Credential, connectCredential, verifyCredential } from "@/api/credentials";
import { Refusal } from "@/ui/Refusal";

/** Connect it at its provider, and ask its component whether it is good; `children` are further buttons. */
export function CredentialTools({ credential, children }: { credential: Credential; children?: ReactNode }) {
  const queries = useQueryClient();
  const verifying = useMutation({
    mutationFn: () => verifyCredential(credential.name),
    onSettled: () => queries.invalidateQueries({ queryKey: ["credentials"] }),
  });
  const connecting = useMutation({
    mutationFn: () => connectCredential(credential.name),
    onSuccess: ({ url }) => void window.open(url, "_blank", "noopener"),
  });
  const refused = verifying.error ?? connecting.error;
  return (
    <>
      <Group gap={4}>
        {credential.connects && (
          <Button
            size="compact-sm"
            variant={credential.connected ? "subtle" : "light"}
            loading={connecting.isPending}
            onClick={() => connecting.mutate()}
          >
            {credential.connected ? "Connect again" : "Connect"}
          </Button>
        )}
        <Button size="compact-sm" variant="subtle" loading={verifying.isPending} onClick={() => verifying.mutate()}>
          Verify
        </Button>
        {children}
      </Group>
      {connecting.data && (
        <Text size="xs">
          Agree at the provider, in the window that opened or{" "}
          <Anchor size="xs" href={connecting.data.url} target="_blank" rel="noreferrer" underline="always">
            here
          </Anchor>
          , within ten minutes. This page sees when it is done.
        </Text>
      )}
      {refused && <Refusal error={refused} />}
    </>
  );
}
