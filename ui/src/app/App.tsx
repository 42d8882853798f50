import { CSPProvider } from "@base-ui/react/csp-provider";
import { useCallback, useEffect, useState } from "react";
import { Boundary } from "@/components/Boundary";
import type { Host } from "@/lib/host";
import { AppProvider } from "./context";
import { Shell } from "./Shell";
import { TokenPage } from "./TokenPage";

/** The whole of the UI over `host`. */
export function App({ host }: { host: Host }) {
  const [asking, setAsking] = useState<"no" | "missing" | "refused">(
    host.token?.has() === false ? "missing" : "no",
  );
  const onRefused = useCallback(() => setAsking("refused"), []);
  useEffect(() => host.token?.onArrived(() => setAsking("no")), [host]);
  if (asking !== "no" && host.token) {
    const { token } = host;
    const enter = (text: string) => {
      token.set(text);
      setAsking("no");
    };
    return <TokenPage refused={asking === "refused"} onToken={enter} />;
  }
  return (
    <CSPProvider disableStyleElements>
      <AppProvider host={host} onRefused={onRefused}>
        <Boundary title="The page could not be shown">
          <Shell />
        </Boundary>
      </AppProvider>
    </CSPProvider>
  );
}
