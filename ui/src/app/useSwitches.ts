import { useState } from "react";
import type { StatusView } from "@/api/schema";
import { useApp } from "./context";

/**
 * Switches of the gateway; `busy` while an answer is awaited, `problem` when it was an error. Each resolves to whether
 * it was done.
 */
export function useSwitches() {
  const { api, hub } = useApp();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const ask = async (answer: Promise<StatusView>): Promise<boolean> => {
    setBusy(true);
    try {
      hub.setStatus(await answer);
      setProblem(null);
      return true;
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    problem,
    setGateway: (on: boolean) => ask(api.setGateway(on)),
    setCapture: (paused: boolean) => ask(api.setCapture(paused)),
    clearCapture: () => ask(api.clearCapture()),
  };
}
