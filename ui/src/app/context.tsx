import { QueryClient, QueryClientProvider, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from "react";
import { type Api, connect } from "@/api/client";
import type { StatusView } from "@/api/schema";
import type { Host } from "@/lib/host";
import { Hub } from "@/lib/hub";
import { useStore } from "@/lib/store";

interface AppParts {
  host: Host;
  api: Api;
  hub: Hub;
}

const Context = createContext<AppParts | null>(null);
/** Sums are fetched again at most this often while calls are being settled. */
const REFRESH_MS = 1_000;
/** Calls and packets hold whole bodies: what nobody looks at is forgotten after this. */
const DETAIL_KEPT_MS = 5_000;

/** Gives every page the host, the API and the live stream, which runs while this is mounted. */
export function AppProvider(props: { host: Host; onRefused: () => void; children: ReactNode }) {
  const { host, onRefused } = props;
  const parts = useMemo(() => {
    const api = connect(host, onRefused);
    return { host, api, hub: new Hub(host, api, onRefused) };
  }, [host, onRefused]);
  const queries = useMemo(() => {
    const made = new QueryClient({ defaultOptions: { queries: { retry: false, networkMode: "always" } } });
    for (const key of ["call", "packet"]) made.setQueryDefaults([key], { gcTime: DETAIL_KEPT_MS });
    return made;
  }, []);
  useEffect(() => parts.hub.start(), [parts]);
  return (
    <QueryClientProvider client={queries}>
      <Context value={parts}>{props.children}</Context>
    </QueryClientProvider>
  );
}

/** The host, the API and the live stream. */
export function useApp(): AppParts {
  const parts = useContext(Context);
  if (parts === null) throw new Error("`useApp` stands outside `AppProvider`");
  return parts;
}

/** The newest status; `null` before the first. */
export function useStatus(): StatusView | null {
  const { hub } = useApp();
  useStore(hub);
  return hub.status;
}

/** Fetches what stands under `key` again when calls were settled, or also when they began or `moved` on. */
export function useRefreshOnCalls(key: string, on: "settled" | "moved"): void {
  const { hub } = useApp();
  const queries = useQueryClient();
  useStore(hub);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const seen = useRef(hub[on]);
  useEffect(() => {
    if (seen.current === hub[on]) return;
    seen.current = hub[on];
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void queries.invalidateQueries({ queryKey: [key] });
    }, REFRESH_MS);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
}
