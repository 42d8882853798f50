import { capturePath } from "@/api/client";
import { SaveFile } from "@/components/SaveFile";

/** Saves packets as a pcapng file. */
export function SaveCapture(props: { of: { filter?: string; call?: string }; name: string }) {
  const hint = "Opens in Wireshark, with process and call in each packet's comment";
  return <SaveFile of={[{ label: "pcapng", path: capturePath(props.of), name: props.name, hint }]} />;
}
