import { useSyncExternalStore } from "react";
import { duration } from "@/lib/format";

const TICK_MS = 100;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = 0;

/** How long a call takes: counting on from `beganAt` while it is live, else `us`. */
export function Ticking({ beganAt, us }: { beganAt: number | undefined; us: number }) {
  return beganAt === undefined ? duration(us) : <Running beganAt={beganAt} />;
}

function Running({ beganAt }: { beganAt: number }) {
  const at = useSyncExternalStore(subscribe, () => now);
  return (
    <span className="text-accent">{duration(Math.max(0, (at || performance.now()) - beganAt) * 1000)}</span>
  );
}

// One timer for all rows, and none when nothing runs or nobody looks.
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    now = performance.now();
    for (const it of listeners) it();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
    now = 0;
  };
}
