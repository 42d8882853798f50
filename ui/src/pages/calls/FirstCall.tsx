import { useState } from "react";
import { useStatus } from "@/app/context";
import { CopyLine } from "@/components/CopyLine";
import { Segments } from "@/components/Segments";
import { SDKS } from "@/lib/sdks";

/** The lines that lead an SDK through the gateway. */
export function FirstCall() {
  const status = useStatus();
  const [chosen, setChosen] = useState("run");
  const sdk = SDKS.find((it) => it.id === chosen);
  return (
    <div className="flex w-[min(540px,80vw)] flex-col items-center gap-3">
      <p>Point a program at the gateway; its calls show up here at once. Keys stay where they are.</p>
      <Segments label="How to connect" options={SDKS} value={chosen} onChange={setChosen} />
      {sdk && status && <CopyLine label={`the lines for ${sdk.label}`} text={sdk.lines(status.address)} />}
    </div>
  );
}
