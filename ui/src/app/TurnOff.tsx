import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";

/** Asks before the gateway is turned off from a page that the gateway itself serves. */
export function TurnOff(props: { open: boolean; onClose: () => void; onTurnOff: () => void }) {
  return (
    <Dialog
      title="Turn the gateway off?"
      open={props.open}
      onClose={props.onClose}
      className="w-[min(440px,92vw)]"
    >
      <div className="flex flex-col gap-3 p-5">
        <p aria-hidden className="text-lg font-semibold">
          Turn the gateway off?
        </p>
        <p className="text-muted">
          Programs that use it will get no answers, and this console goes with it. To turn it on again, run{" "}
          <code className="rounded bg-hover px-1 text-text">tollgate on</code>.
        </p>
        <div className="flex justify-end gap-2 pt-1">
          <Button onClick={props.onClose}>Cancel</Button>
          <Button
            look="main"
            onClick={() => {
              props.onTurnOff();
              props.onClose();
            }}
          >
            Turn off
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
