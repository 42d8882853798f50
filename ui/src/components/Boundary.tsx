import { Component, type ReactNode } from "react";
import { ErrorState } from "./states";

interface State {
  error: Error | null;
  /** Whether drawing the same part anew did not help. */
  again: boolean;
}

/**
 * Shows what broke in the place of a part that cannot be drawn; the rest of the page goes on. "Try again" draws
 * the part anew, and loads the whole page anew when that has failed too.
 */
export class Boundary extends Component<{ title: string; children: ReactNode }, State> {
  override state: State = { error: null, again: false };

  static getDerivedStateFromError(broken: unknown): Pick<State, "error"> {
    return { error: broken instanceof Error ? broken : new Error(String(broken)) };
  }

  readonly #retry = () => {
    if (this.state.again) location.reload();
    else this.setState({ error: null, again: true });
  };

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <div className="flex h-full">
        <ErrorState title={this.props.title} error={this.state.error} onRetry={this.#retry} />
      </div>
    );
  }
}
