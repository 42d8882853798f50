import { useSyncExternalStore } from "react";

/** What the user wants to look at. */
export type Theme = "system" | "light" | "dark";

const KEY = "tollgate.theme";
const listeners = new Set<() => void>();

/** The theme chosen; `system` when none is. */
export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** Chooses and keeps a theme. */
export function setTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen);
  applyTheme();
  for (const listener of listeners) listener();
}

/** Puts the theme on the page: called once before the first paint. */
export function applyTheme(): void {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

/** The theme chosen, followed. */
export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, theme);
}
