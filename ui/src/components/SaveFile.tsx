import { Download } from "lucide-react";
import { useState } from "react";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";

const SHOWN_MS = 6_000;

/** One way to save: what its button says, the path that answers with the file, and the file's name. */
export interface Saving {
  label: string;
  path: string;
  name: string;
  hint: string;
}

/** A button for each file that can be saved; says where it went, or why not. */
export function SaveFile(props: { of: Saving[] }) {
  const { host } = useApp();
  const [said, setSaid] = useState<{ text: string; bad: boolean } | null>(null);
  const save = async ({ path, name }: Saving) => {
    try {
      const where = await host.saveFile(path, name);
      setSaid({ text: where === null ? "Saved" : `Saved as ${where}`, bad: false });
    } catch (error) {
      setSaid({ text: `Not saved: ${error instanceof Error ? error.message : String(error)}`, bad: true });
    }
    setTimeout(() => setSaid(null), SHOWN_MS);
  };
  return (
    <>
      <span
        role="status"
        className={`max-w-64 truncate text-xs empty:hidden ${said?.bad ? "text-bad" : "text-muted"}`}
        title={said?.text}
      >
        {said?.text}
      </span>
      {props.of.map((it) => (
        <Button key={it.label} onClick={() => void save(it)} title={it.hint}>
          <Download aria-hidden className="size-3.5" /> {it.label}
        </Button>
      ))}
    </>
  );
}
