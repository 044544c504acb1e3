import { readGuest, viewForWrite, writeGuest } from '../../machine/dma.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';
import { addressAt } from './command.ts';

/** Bytes of a memory page: the controller knows no other (CAP.MPSMIN, CAP.MPSMAX). */
export const PAGE_BYTES = 4096;
const ENTRY_BYTES = 8;
const LAST_ENTRY = PAGE_BYTES - ENTRY_BYTES;
const NO_PAGE = 1;

/** A stretch of guest memory. */
export interface Segment {
  readonly gpa: number;
  readonly length: number;
}

/**
 * Where the data of a command lies (NVM Express 1.4 section 4.3).
 * @returns undefined where an entry that must be a page has an offset  @throws {PageAbsent}
 */
export function segmentsOf(memory: GuestMemory, prp1: number, prp2: number, length: number): Segment[] | undefined {
  const first = Math.min(length, PAGE_BYTES - (prp1 % PAGE_BYTES));
  const segments = [{ gpa: prp1, length: first }];
  const rest = length - first;
  if (rest === 0) return segments;
  if (rest <= PAGE_BYTES) segments.push({ gpa: prp2, length: rest });
  else segments.push(...listed(memory, prp2, rest));
  return segments.slice(1).every(({ gpa }) => gpa % PAGE_BYTES === 0) ? segments : undefined;
}

/** Pages named in a list, whose last entry in a page leads to the rest of it. A list that leads nowhere but on ends in what is no page. */
function listed(memory: GuestMemory, list: number, length: number): Segment[] {
  const segments: Segment[] = [];
  const view = new DataView(new ArrayBuffer(ENTRY_BYTES));
  const entryAt = (gpa: number) => {
    readGuest(memory, gpa, new Uint8Array(view.buffer));
    return addressAt(view, 0);
  };
  let at = list - (list % ENTRY_BYTES);
  for (let left = length; left > 0; ) {
    if (left > PAGE_BYTES && at % PAGE_BYTES === LAST_ENTRY) {
      at = entryAt(at);
      if (at % PAGE_BYTES > LAST_ENTRY - ENTRY_BYTES) return [...segments, { gpa: NO_PAGE, length: left }];
    }
    const piece = Math.min(left, PAGE_BYTES);
    segments.push({ gpa: entryAt(at), length: piece });
    left -= piece;
    at += ENTRY_BYTES;
  }
  return segments;
}

/** Reads all data of a command. @throws {PageAbsent} */
export function gather(memory: GuestMemory, segments: readonly Segment[]): Uint8Array {
  const bytes = new Uint8Array(segments.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const { gpa, length } of segments) {
    readGuest(memory, gpa, bytes.subarray(at, at + length));
    at += length;
  }
  return bytes;
}

/** Writes data of a command, as much as there is room for. @throws {PageAbsent} some of it may have been written */
export function scatter(memory: GuestMemory, segments: readonly Segment[], bytes: Uint8Array): void {
  let at = 0;
  for (const { gpa, length } of segments) {
    writeGuest(memory, gpa, bytes.subarray(at, at + length));
    at += length;
  }
}

/** Views of the guest's memory to be filled at once; undefined where not all of it is RAM. @throws {PageAbsent} */
export function viewsForWrite(memory: GuestMemory, segments: readonly Segment[]): Uint8Array[] | undefined {
  const views: Uint8Array[] = [];
  for (const { gpa, length } of segments) {
    const view = viewForWrite(memory, gpa, length);
    if (!view) return undefined;
    views.push(view);
  }
  return views;
}
