import {
  AppWindow,
  Archive,
  Coins,
  Gauge,
  KeyRound,
  type LucideIcon,
  Network,
  Plug,
  Radio,
  Settings,
  ShieldAlert,
  Stethoscope,
  Waypoints,
} from "lucide-react";

/** A page of the navigation. */
export interface Page {
  id:
    | "calls"
    | "packets"
    | "programs"
    | "routing"
    | "providers"
    | "keys"
    | "costs"
    | "budgets"
    | "cache"
    | "guardrails"
    | "doctor"
    | "settings";
  name: string;
  /** Pressed after `g`. */
  key: string;
  icon: LucideIcon;
}

/** The pages, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  { id: "calls", name: "Calls", key: "c", icon: Radio },
  { id: "packets", name: "Packets", key: "p", icon: Network },
  { id: "programs", name: "Programs", key: "r", icon: AppWindow },
  { id: "routing", name: "Routing", key: "t", icon: Waypoints },
  { id: "providers", name: "Providers", key: "v", icon: Plug },
  { id: "keys", name: "Keys", key: "k", icon: KeyRound },
  { id: "costs", name: "Costs", key: "o", icon: Coins },
  { id: "budgets", name: "Budgets", key: "b", icon: Gauge },
  { id: "cache", name: "Cache", key: "h", icon: Archive },
  { id: "guardrails", name: "Guardrails", key: "u", icon: ShieldAlert },
  { id: "doctor", name: "Doctor", key: "d", icon: Stethoscope },
  { id: "settings", name: "Settings", key: "s", icon: Settings },
];

/** Every key there is, for the page that lists them. */
export const SHORTCUTS: readonly { keys: string; what: string }[] = [
  { keys: "ctrl-k", what: "Find a page or a command" },
  { keys: "/", what: "Filter what is listed" },
  { keys: "?", what: "Search what was said in calls" },
  { keys: "↑ ↓", what: "Go through a list; esc closes what is open" },
  ...PAGES.map(({ key, name }) => ({ keys: `g ${key}`, what: `Go to ${name}` })),
];
