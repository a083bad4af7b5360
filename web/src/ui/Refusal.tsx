import { Alert, Button, List, Stack, Text } from "@mantine/core";
import { Problem } from "@/api/problem";

/** An error as people need it: what is wrong, and what to do next. */
export function Refusal({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const problem = error instanceof Problem ? error : null;
  return (
    <Alert color="red" role="alert" title={error.message}>
      <Stack gap="xs" align="flex-start">
        {problem && problem.mistakes.length > 0 && (
          <List size="sm">
            {problem.mistakes.map((each) => (
              <List.Item key={`${each.path} ${each.reason}`}>
                <b>{each.path}</b> {each.message}
              </List.Item>
            ))}
          </List>
        )}
        {problem?.nextStep && <Text size="sm">{problem.nextStep}</Text>}
        {onRetry && (
          <Button size="xs" variant="light" color="red" onClick={onRetry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}
