import { useSyncExternalStore } from "react";

/**
 * State outside React that changes far more often than the screen: any number of `changed` calls make one
 * new version per animation frame, and none at all while the page is hidden.
 */
export class Store {
  #version = 0;
  #frame = 0;
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly version = (): number => this.#version;

  /** Called after state has changed; those who look are told with the next frame. */
  protected changed(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.beforeFrame();
      this.#version += 1;
      for (const listener of this.#listeners) listener();
    });
  }

  /** The place to merge what arrived since the last frame. */
  protected beforeFrame(): void {}
}

/** Renders again with every new version of `store`; returns the version. */
export function useStore(store: Store): number {
  return useSyncExternalStore(store.subscribe, store.version);
}
