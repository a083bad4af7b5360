import { lazy, Suspense } from "react";
import { Redirect, Route, Switch } from "wouter";
import { useLiveEvents } from "@/api/live";
import { useSession } from "@/api/session";
import { NotFound } from "@/app/NotFound";
import { Shell } from "@/app/Shell";
import { SignIn } from "@/app/SignIn";
import { FlowsPage } from "@/features/flows/FlowsPage";
import { Waiting } from "@/ui/Waiting";

const FlowPage = lazy(() => import("@/features/designer/FlowPage"));

/** The pages by address, and the form to sign in with, which lies over whatever is open when the session ends. */
export function App() {
  const { signedIn } = useSession();
  useLiveEvents(signedIn);
  return (
    <>
      <Shell>
        <Suspense fallback={<Waiting />}>
          <Switch>
            <Route path="/">
              <Redirect to="/flows" replace />
            </Route>
            <Route path="/flows" component={FlowsPage} />
            <Route path="/flows/:name">{({ name }) => <FlowPage name={name} editing={false} key={name} />}</Route>
            <Route path="/flows/:name/draft">{({ name }) => <FlowPage name={name} editing key={name} />}</Route>
            <Route component={NotFound} />
          </Switch>
        </Suspense>
      </Shell>
      <SignIn opened={!signedIn} />
    </>
  );
}
