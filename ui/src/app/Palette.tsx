import { Command } from "cmdk";
import type { ReactNode } from "react";
import { Dialog } from "@/components/Dialog";
import { go } from "@/lib/route";
import { useApp, useStatus } from "./context";
import { PAGES } from "./pages";
import { setTheme } from "./theme";
import { useSwitches } from "./useSwitches";

/** Finds pages and commands by name. */
export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog title="Find a page or a command" open={open} onClose={onClose}>
      <Command label="Commands" loop>
        <Command.Input
          autoFocus
          placeholder="Find a page or a command"
          className="h-11 w-full border-b bg-transparent px-4 text-lg outline-none placeholder:text-faint"
        />
        <Command.List className="max-h-80 overflow-y-auto p-1.5">
          <Command.Empty className="px-3 py-6 text-center text-muted">Nothing has this name.</Command.Empty>
          <Commands onDone={onClose} />
        </Command.List>
      </Command>
    </Dialog>
  );
}

function Commands({ onDone }: { onDone: () => void }) {
  const { host } = useApp();
  const status = useStatus();
  const { setGateway, setCapture, problem } = useSwitches();
  const run = (act: () => unknown) => () => {
    act();
    onDone();
  };
  // Stays open to say what went wrong.
  const attempt = (act: () => Promise<boolean>) => () => void act().then((done) => done && onDone());
  return (
    <>
      {problem !== null && (
        <p role="alert" className="mb-1 rounded-md bg-bad-fill px-2.5 py-1.5 text-sm break-words text-bad">
          {problem}
        </p>
      )}
      {PAGES.map((page) => (
        <Item key={page.id} onSelect={run(() => go({ page: page.id }))} keys={`g ${page.key}`}>
          Go to {page.name}
        </Item>
      ))}
      <Item onSelect={run(() => go({ page: "routing", item: "rules" }))}>Show the rules</Item>
      <Item onSelect={run(() => go({ page: "routing", item: "try" }))}>Try rules on a call</Item>
      <Item onSelect={run(() => go({ page: "calls", filter: "state:live" }))}>Show live calls</Item>
      <Item onSelect={run(() => go({ page: "calls", filter: "state:failed" }))}>Show failed calls</Item>
      {status && (
        <>
          {(host.kind === "desktop" || !status.on) && (
            <Item onSelect={attempt(() => setGateway(!status.on))}>
              Turn the gateway {status.on ? "off" : "on"}
            </Item>
          )}
          <Item onSelect={attempt(() => setCapture(!status.capture.paused))}>
            {status.capture.paused ? "Resume" : "Pause"} the packet capture
          </Item>
        </>
      )}
      <Item onSelect={run(() => setTheme("light"))}>Use the light theme</Item>
      <Item onSelect={run(() => setTheme("dark"))}>Use the dark theme</Item>
      <Item onSelect={run(() => setTheme("system"))}>Use the system's theme</Item>
    </>
  );
}

function Item(props: { onSelect: () => void; keys?: string; children: ReactNode }) {
  return (
    <Command.Item
      onSelect={props.onSelect}
      className="flex h-8 cursor-default items-center rounded-md px-2.5 data-[selected=true]:bg-selected"
    >
      <span>{props.children}</span>
      {props.keys && <kbd className="ml-auto text-xs text-faint">{props.keys}</kbd>}
    </Command.Item>
  );
}
