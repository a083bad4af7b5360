import { Anchor, Button, Code, CopyButton, Stack, Text } from "@mantine/core";
import { Link } from "wouter";

/** The exact lines that push a component, with this server's own address. `begun`: it was pushed before. */
export function PushLines({ name = "my-component", begun = false }: { name?: string; begun?: boolean }) {
  const url = `${window.location.origin}/git/${name}.git`;
  const first = [
    `headrace component create ${name} --language python   # a folder to begin with`,
    `cd ${name}`,
    'git init -b main && git add -A && git commit -m "Begin"',
    `git push ${url} main`,
  ];
  const next = [
    `git clone ${url} && cd ${name}`,
    "# change something",
    'git commit -am "Say what is new"',
    "git push origin main",
  ];
  const lines = (begun ? next : first).join("\n");
  return (
    <Stack gap="sm">
      <Text size="sm">
        Each push to <Code>main</Code> makes a component version and builds it; nothing that runs changes. git asks for
        a user, which may be anything, and a password, which is a token:{" "}
        <Anchor component={Link} href="/settings" size="sm" underline="always">
          Settings
        </Anchor>{" "}
        makes one.
      </Text>
      <Code block tabIndex={0} aria-label="What to type">
        {lines}
      </Code>
      <CopyButton value={lines}>
        {({ copied, copy }) => (
          <Button variant="default" onClick={copy} style={{ alignSelf: "flex-start" }}>
            {copied ? "Copied" : "Copy"}
          </Button>
        )}
      </CopyButton>
    </Stack>
  );
}
