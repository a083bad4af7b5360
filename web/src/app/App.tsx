import { lazy, Suspense } from "react";
import { Redirect, Route, Switch } from "wouter";
import type { Flow } from "@/api/flows";
import { useLiveEvents } from "@/api/live";
import { useSession } from "@/api/session";
import { NotFound } from "@/app/NotFound";
import { Shell } from "@/app/Shell";
import { SignIn } from "@/app/SignIn";
import { FlowMenu } from "@/features/flows/FlowMenu";
import { FlowsPage } from "@/features/flows/FlowsPage";
import { TakeTour } from "@/features/tour/TakeTour";
import { Waiting } from "@/ui/Waiting";

const ComponentPage = lazy(() => import("@/features/components/ComponentPage"));
const ComponentsPage = lazy(() => import("@/features/components/ComponentsPage"));
const CredentialsPage = lazy(() => import("@/features/credentials/CredentialsPage"));
const ExecutionPage = lazy(() => import("@/features/executions/ExecutionPage"));
const ExecutionsPage = lazy(() => import("@/features/executions/ExecutionsPage"));
const FlowPage = lazy(() => import("@/features/designer/FlowPage"));
const SettingsPage = lazy(() => import("@/features/settings/SettingsPage"));

const menu = (flow: Flow) => <FlowMenu flow={flow} />;

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
            <Route path="/flows">
              <FlowsPage tour={(begun) => <TakeTour begun={begun} />} />
            </Route>
            <Route path="/flows/:name">
              {({ name }) => <FlowPage name={name} editing={false} menu={menu} key={name} />}
            </Route>
            <Route path="/flows/:name/draft">
              {({ name }) => <FlowPage name={name} editing menu={menu} key={name} />}
            </Route>
            <Route path="/executions" component={ExecutionsPage} />
            <Route path="/executions/:id">{({ id }) => <ExecutionPage id={id} key={id} />}</Route>
            <Route path="/components" component={ComponentsPage} />
            <Route path="/components/:name">{({ name }) => <ComponentPage name={name} key={name} />}</Route>
            <Route path="/credentials" component={CredentialsPage} />
            <Route path="/settings" component={SettingsPage} />
            <Route component={NotFound} />
          </Switch>
        </Suspense>
      </Shell>
      <SignIn opened={!signedIn} />
    </>
  );
}
