import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import type { BootFile } from '../../vm/boot-file.ts';
import { readAt } from './read-at.ts';

/** A file whose bytes are at hand when it is read for the first time, and are then forgotten. */
export class RereadFile implements BootFile {
  #first: Uint8Array | undefined;
  readonly #readAgain: () => Promise<Uint8Array> | Uint8Array;

  /** @param first what the file holds now  @param readAgain reads it later */
  constructor(first: Uint8Array, readAgain: () => Promise<Uint8Array> | Uint8Array) {
    this.#first = first;
    this.#readAgain = readAgain;
  }

  read(): Promise<Uint8Array> | Uint8Array {
    const first = this.#first;
    this.#first = undefined;
    return first ?? this.#readAgain();
  }
}

/**
 * Opens a file to boot and reads it, in this thread: what else a start does would make it wait for its pieces. The file
 * stays open until this process ends, so that it may be replaced or removed meanwhile. What can be read but once, as a
 * pipe, is kept in memory.
 * @throws {Error} it cannot be read
 */
export function openBootFile(path: string): BootFile | Uint8Array {
  const file = openSync(path, 'r');
  let isKeptOpen = false;
  try {
    const first = readFileSync(file);
    const facts = fstatSync(file);
    isKeptOpen = facts.isFile() && facts.size === first.length;
    return isKeptOpen ? new RereadFile(first, () => readAt(file, 0, fstatSync(file).size)) : first;
  } finally {
    if (!isKeptOpen) closeSync(file);
  }
}
