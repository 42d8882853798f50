import { useStatus } from "@/app/context";
import { CopyLine } from "./CopyLine";

/** What to write, and into which file, to have something that only the configuration can say. */
export function InConfiguration({ example }: { example: string }) {
  const status = useStatus();
  return (
    <>
      <CopyLine label="an example" text={example} />
      {status && (
        <div className="flex w-full flex-col gap-1.5">
          <p>It stands in the configuration file, and holds as soon as that is saved:</p>
          <CopyLine label="the path of the configuration file" text={status.configuration_file} />
        </div>
      )}
    </>
  );
}
