import { Alert, Button, Code, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { signIn } from "@/api/session";

/** Lies over the page, which keeps what was typed on it; after signing in everything is read again. */
export function SignIn({ opened }: { opened: boolean }) {
  const [token, setToken] = useState("");
  const queries = useQueryClient();
  const signing = useMutation({
    mutationFn: signIn,
    onSuccess: () => {
      setToken("");
      return queries.invalidateQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signing.mutate(token);
  };
  return (
    <Modal opened={opened} onClose={() => {}} withCloseButton={false} closeOnEscape={false} title="Sign in" centered>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">
            <Code>headrace up</Code> prints a link that signs you in; <Code>headrace token create NAME</Code> makes a
            token for this form. What you were editing is still here.
          </Text>
          <PasswordInput
            label="Token"
            placeholder="hr_…"
            value={token}
            onChange={(event) => setToken(event.currentTarget.value)}
            autoComplete="current-password"
            data-autofocus
            required
          />
          {signing.error && (
            <Alert color="red" role="alert">
              {signing.error.message}
            </Alert>
          )}
          <Button type="submit" loading={signing.isPending}>
            Sign in
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
