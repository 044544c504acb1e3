import type { HandlerStore } from './handler-library.ts';

/** Keeps handlers in memory. */
export class MemoryStore implements HandlerStore {
  kept: Uint8Array | undefined;

  load(): Uint8Array | undefined {
    return this.kept;
  }

  save(_kind: string, library: Uint8Array): void {
    this.kept = library;
  }
}

/** To be handed to what gives others a turn, where there are no others. */
export const noTurn = async (): Promise<void> => {};
