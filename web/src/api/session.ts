import { createStore, useStore } from "zustand";
import { Offline, Problem } from "@/api/problem";

interface Session {
  /** False once the server said so; what is on the screen, and every unsaved edit, stays where it is. */
  signedIn: boolean;
}

export const session = createStore<Session>(() => ({ signedIn: true }));

export function useSession(): Session {
  return useStore(session);
}

/** Exchange a token for a cookie; throws `Problem` (`bad-token`) when it does not count. */
export async function signIn(token: string): Promise<void> {
  const response = await post("/signin", { token });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  session.setState({ signedIn: true });
}

export async function signOut(): Promise<void> {
  await post("/signout", {});
  session.setState({ signedIn: false });
}

async function post(path: string, body: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  try {
    return await fetch(path, { method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body) });
  } catch (error) {
    throw new Offline(error);
  }
}
