import { PAGE_BYTES } from './guest-memory.ts';
import { type DmaPort, type GuestMemory, NotRam, PageAbsent } from './interfaces.ts';

/**
 * Fills `target` from guest memory; bytes outside RAM read as ones.
 * @throws {PageAbsent} a page has not been brought in yet
 */
export function readGuest(memory: GuestMemory, gpa: number, target: Uint8Array): void {
  const whole = unlessNotRam(() => memory.forRead(gpa, target.length));
  if (whole) target.set(whole);
  else readPieces(memory, gpa, target);
}

/**
 * Bytes as {@link readGuest} reads them, to be looked at before anything else happens.
 * @throws {PageAbsent} a page has not been brought in yet
 */
export function viewForRead(memory: GuestMemory, gpa: number, length: number): Uint8Array {
  return unlessNotRam(() => memory.forRead(gpa, length)) ?? readPieces(memory, gpa, new Uint8Array(length));
}

function readPieces(memory: GuestMemory, gpa: number, target: Uint8Array): Uint8Array {
  for (const { at, from, to } of pieces(gpa, target.length)) {
    const view = unlessNotRam(() => memory.forRead(at, to - from));
    if (view) target.set(view, from);
    else target.fill(0xff, from, to);
  }
  return target;
}

/**
 * Writes `source` to guest memory; bytes outside RAM are lost.
 * @throws {PageAbsent} a page has not been brought in yet; pages before it may have been written
 */
export function writeGuest(memory: GuestMemory, gpa: number, source: Uint8Array): void {
  const whole = unlessNotRam(() => memory.forWrite(gpa, source.length));
  if (whole) whole.set(source);
  else
    for (const { at, from, to } of pieces(gpa, source.length)) {
      unlessNotRam(() => memory.forWrite(at, to - from))?.set(source.subarray(from, to));
    }
}

/** A view of a range of RAM, to be filled before anything else happens; undefined where not all of it is RAM.
 * @throws {PageAbsent} a page has not been brought in yet */
export function viewForWrite(memory: GuestMemory, gpa: number, length: number): Uint8Array | undefined {
  return unlessNotRam(() => memory.forWrite(gpa, length));
}

/**
 * Does nothing but to make sure that a range can be read and written without waiting.
 * @throws {PageAbsent} a page has not been brought in yet
 */
export function requirePresent(memory: GuestMemory, gpa: number, length: number): void {
  if (isPresent(memory, gpa, length)) return;
  for (const { at, from, to } of pieces(gpa, length)) isPresent(memory, at, to - from);
}

function isPresent(memory: GuestMemory, gpa: number, length: number): boolean {
  try {
    memory.requirePresent(gpa, length);
    return true;
  } catch (error) {
    if (error instanceof NotRam) return false;
    throw error;
  }
}

/**
 * Makes of a card's work one that waits for absent pages: it is done again from its start when one has come.
 * @param pageIn brings the page at an address in
 * @param work reaches memory through GuestMemory; when it throws PageAbsent, doing it again must not do anything twice
 */
export function restartable(pageIn: (gpa: number) => Promise<void>, work: () => void): () => void {
  const run = () => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof PageAbsent)) throw error;
      void pageIn(error.gpa).then(run);
    }
  };
  return run;
}

/** A bus master's port that waits for absent pages. */
export class RamDma implements DmaPort {
  readonly #memory: GuestMemory;
  readonly #pageIn: (gpa: number) => Promise<void>;

  /** @param pageIn brings the page at an address in */
  constructor(memory: GuestMemory, pageIn: (gpa: number) => Promise<void>) {
    this.#memory = memory;
    this.#pageIn = pageIn;
  }

  async read(gpa: number, target: Uint8Array): Promise<void> {
    await this.#untilPresent(() => readGuest(this.#memory, gpa, target));
  }

  async write(gpa: number, source: Uint8Array): Promise<void> {
    await this.#untilPresent(() => writeGuest(this.#memory, gpa, source));
  }

  async #untilPresent(transfer: () => void): Promise<void> {
    for (;;) {
      try {
        transfer();
        return;
      } catch (error) {
        if (!(error instanceof PageAbsent)) throw error;
        await this.#pageIn(error.gpa);
      }
    }
  }
}

/** Cuts a transfer at page ends: address, and the part of the buffer that goes there. */
function* pieces(gpa: number, length: number): Generator<{ at: number; from: number; to: number }> {
  for (let from = 0; from < length; ) {
    const at = gpa + from;
    const to = Math.min(length, from + PAGE_BYTES - (at % PAGE_BYTES));
    yield { at, from, to };
    from = to;
  }
}

function unlessNotRam(view: () => Uint8Array): Uint8Array | undefined {
  try {
    return view();
  } catch (error) {
    if (error instanceof NotRam) return undefined;
    throw error;
  }
}
