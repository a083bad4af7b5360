import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { isSignedOut, Offline } from "@/api/problem";
import { session } from "@/api/session";

function noticed(error: unknown): void {
  if (isSignedOut(error)) session.setState({ signedIn: false });
}

export const queries = new QueryClient({
  queryCache: new QueryCache({ onError: noticed }),
  mutationCache: new MutationCache({ onError: noticed }),
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      retry: (failures, error) => error instanceof Offline && failures < 3,
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});
