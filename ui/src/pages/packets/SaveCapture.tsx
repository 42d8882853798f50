import { Download } from "lucide-react";
import { useState } from "react";
import { capturePath } from "@/api/client";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";

const SHOWN_MS = 6_000;

/** Saves packets as a pcapng file and says where it went, or why not. */
export function SaveCapture(props: { of: { filter?: string; call?: string }; name: string }) {
  const { host } = useApp();
  const [said, setSaid] = useState<{ text: string; bad: boolean } | null>(null);
  const save = async () => {
    try {
      const where = await host.saveFile(capturePath(props.of), props.name);
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
      <Button
        onClick={() => void save()}
        title="Opens in Wireshark, with process and call in each packet's comment"
      >
        <Download aria-hidden className="size-3.5" /> pcapng
      </Button>
    </>
  );
}
