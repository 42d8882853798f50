import { type ComponentType, useCallback, useEffect, useState } from "react";
import { Boundary } from "@/components/Boundary";
import { ErrorState, Skeleton, StaleNote } from "@/components/states";
import { TooltipProvider } from "@/components/Tooltip";
import { useRoute } from "@/lib/route";
import { useStore } from "@/lib/store";
import { BudgetsPage } from "@/pages/budgets/Page";
import { CachePage } from "@/pages/cache/Page";
import { CallsPage } from "@/pages/calls/Page";
import { CostsPage } from "@/pages/costs/Page";
import { DoctorPage } from "@/pages/doctor/Page";
import { GuardrailsPage } from "@/pages/guardrails/Page";
import { KeysPage } from "@/pages/keys/Page";
import { PacketsPage } from "@/pages/packets/Page";
import { ProgramsPage } from "@/pages/programs/Page";
import { ProvidersPage } from "@/pages/providers/Page";
import { RoutingPage } from "@/pages/routing/Page";
import { SettingsPage } from "@/pages/settings/Page";
import { useApp } from "./context";
import { Header } from "./Header";
import { Nav } from "./Nav";
import { Palette } from "./Palette";
import { PAGES, type Page } from "./pages";
import { useShortcuts } from "./useShortcuts";

const COMPONENTS: Record<Page["id"], ComponentType> = {
  calls: CallsPage,
  packets: PacketsPage,
  programs: ProgramsPage,
  routing: RoutingPage,
  providers: ProvidersPage,
  keys: KeysPage,
  costs: CostsPage,
  budgets: BudgetsPage,
  cache: CachePage,
  guardrails: GuardrailsPage,
  doctor: DoctorPage,
  settings: SettingsPage,
};

/** The frame round every page: navigation, header, and the notes that no page may hide. */
export function Shell() {
  const { hub } = useApp();
  useStore(hub);
  const route = useRoute();
  const [palette, setPalette] = useState(false);
  useShortcuts(useCallback(() => setPalette(true), []));
  const page = PAGES.find((it) => it.id === route.page) ?? (PAGES[0] as Page);
  useEffect(() => {
    document.title = `${page.name} · Tollgate`;
  }, [page.name]);
  const Content = COMPONENTS[page.id];
  return (
    <TooltipProvider>
      <div className="flex h-full">
        <Nav page={page.id} onPalette={() => setPalette(true)} />
        <div className="flex min-w-0 flex-1 flex-col">
          <Header title={page.name} />
          {hub.status?.simulated && <SimulatedNote />}
          {hub.status && hub.state === "lost" && <LostNote on={hub.status.on} />}
          {hub.status && hub.status.ledger_lost > 0 && (
            <StaleNote
              error={new Error(`${hub.status.ledger_lost} calls could not be written to the ledger`)}
            />
          )}
          <main className="min-h-0 flex-1">
            {hub.status ? (
              <Boundary key={page.id} title={`${page.name} could not be shown`}>
                <Content />
              </Boundary>
            ) : hub.error ? (
              <div className="flex h-full">
                <ErrorState
                  title="The gateway does not answer"
                  error={hub.error}
                  onRetry={() => void hub.refreshStatus()}
                />
              </div>
            ) : (
              <Skeleton />
            )}
          </main>
        </div>
      </div>
      <Palette open={palette} onClose={() => setPalette(false)} />
    </TooltipProvider>
  );
}

function SimulatedNote() {
  return (
    <aside
      aria-label="Simulation"
      className="flex shrink-0 flex-wrap items-baseline gap-x-2 border-b border-warn-line bg-warn-fill px-4 py-1 text-sm text-warn"
    >
      <strong className="font-semibold">Simulated provider: nobody is billed.</strong>
      <span>The built-in simulator answers every call. Costs are what the real providers would charge.</span>
    </aside>
  );
}

function LostNote({ on }: { on: boolean }) {
  if (on) return <StaleNote error={new Error("the gateway does not answer; trying again")} />;
  return <StaleNote error={new Error("the gateway is off, and this console with it; run `tollgate on`")} />;
}
