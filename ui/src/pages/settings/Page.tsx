import type { ReactNode } from "react";
import { useStatus } from "@/app/context";
import { SHORTCUTS } from "@/app/pages";
import { setTheme, useTheme } from "@/app/theme";
import { CopyLine } from "@/components/CopyLine";
import { SaveFile } from "@/components/SaveFile";
import { Segments } from "@/components/Segments";
import { SDKS } from "@/lib/sdks";
import { ConsoleAccess } from "./ConsoleAccess";
import { Kept } from "./Kept";

const THEMES = [
  { id: "system", label: "System" },
  { id: "light", label: "Light" },
  { id: "dark", label: "Dark" },
] as const;

const EXPORTS = ["csv", "jsonl", "parquet"].map((format) => ({
  label: format === "parquet" ? "Parquet" : format.toUpperCase(),
  path: `/api/calls/export?format=${format}`,
  name: `tollgate-calls.${format}`,
  hint: `All calls as ${format}`,
}));

/** How to connect programs, what is kept, exports, how it looks, and its keys. */
export function SettingsPage() {
  const status = useStatus();
  const theme = useTheme();
  if (status === null) return null;
  const { address } = status;
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex max-w-3xl flex-col gap-7 p-6">
        <Part title="Connect a program" note="Keys stay where they are: the gateway passes them on.">
          <dl className="grid grid-cols-[8rem_1fr] items-center gap-y-2">
            <BaseUrl name="OpenAI" url={`http://${address}/v1`} />
            <BaseUrl name="Anthropic" url={`http://${address}`} />
            <BaseUrl name="Gemini" url={`http://${address}`} />
            <BaseUrl name="Other providers" url={`http://${address}/p/<provider>`} />
          </dl>
          {SDKS.map((sdk) => (
            <div key={sdk.id} className="flex flex-col gap-1">
              <h3 className="text-sm font-medium">{sdk.label}</h3>
              <CopyLine label={`the lines for ${sdk.label}`} text={sdk.lines(address)} />
            </div>
          ))}
        </Part>
        <Part title="What is kept" note="Calls and what they cost stay; what was said in them can go.">
          <Kept />
        </Part>
        <Part title="Exports" note="Calls as a file for other programs, without what was said.">
          <div className="flex flex-wrap items-center gap-2">
            <SaveFile of={EXPORTS} />
          </div>
          <p className="text-sm text-muted">
            Prometheus scrapes <span className="font-mono">http://{address}/api/metrics</span> with the admin
            token.
          </p>
        </Part>
        <Part
          title="Web console"
          note="With a new token, browsers that have the console open ask for it before they go on."
        >
          <ConsoleAccess />
        </Part>
        <Part title="Appearance">
          <div>
            <Segments label="Theme" options={THEMES} value={theme} onChange={setTheme} />
          </div>
        </Part>
        <Part title="Keyboard">
          <dl className="grid grid-cols-[8rem_1fr] gap-y-1.5 text-sm">
            {SHORTCUTS.map(({ keys, what }) => (
              <div key={keys} className="contents">
                <dt className="font-mono text-muted">{keys}</dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </Part>
        <p className="text-xs text-faint">Tollgate {status.version}</p>
      </div>
    </div>
  );
}

function Part(props: { title: string; note?: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-3">
      <header>
        <h2 className="text-lg font-semibold">{props.title}</h2>
        {props.note && <p className="text-sm text-muted">{props.note}</p>}
      </header>
      {props.children}
    </section>
  );
}

function BaseUrl({ name, url }: { name: string; url: string }) {
  return (
    <>
      <dt className="text-sm text-muted">{name}</dt>
      <dd>
        <CopyLine label={`the base URL for ${name}`} text={url} />
      </dd>
    </>
  );
}
