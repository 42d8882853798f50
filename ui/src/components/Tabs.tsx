import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";

/** One tab. */
export interface Tab {
  id: string;
  label: string;
  /** A figure behind the label. */
  note?: ReactNode;
  content: () => ReactNode;
}

/** Tabs over a scrolling panel; only the open one is rendered. */
export function Tabs(props: { label: string; tabs: Tab[]; value: string; onChange: (id: string) => void }) {
  return (
    <Base.Root
      value={props.value}
      onValueChange={(id) => props.onChange(String(id))}
      className="flex min-h-0 flex-1 flex-col"
    >
      <Base.List
        aria-label={props.label}
        activateOnFocus
        className="flex shrink-0 gap-1 overflow-x-auto border-b px-3"
      >
        {props.tabs.map((tab) => (
          <Base.Tab
            key={tab.id}
            value={tab.id}
            className="-mb-px flex h-8 items-center gap-1.5 border-b-2 border-transparent px-1.5 text-sm font-medium whitespace-nowrap text-muted hover:text-text data-[active]:border-accent data-[active]:text-text"
          >
            {tab.label}
            {tab.note !== undefined && <span className="text-xs font-normal text-faint">{tab.note}</span>}
          </Base.Tab>
        ))}
      </Base.List>
      {props.tabs.map((tab) => (
        <Base.Panel
          key={tab.id}
          value={tab.id}
          className="flex min-h-0 flex-1 flex-col overflow-y-auto outline-none"
        >
          {tab.content()}
        </Base.Panel>
      ))}
    </Base.Root>
  );
}
