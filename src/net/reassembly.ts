import { formatAddress } from '../base/ip-address.ts';
import type { IpPacket } from './ip.ts';
import type { Timer, Timers } from './timers.ts';

const MOST_PACKETS = 32;
const MOST_FRAGMENTS = 64;
const MOST_PACKET_BYTES = 65535;
/** How long the rest of a packet is waited for (RFC 8200 section 4.5). */
const LIFETIME_MILLIS = 30_000;

interface Part {
  readonly from: number;
  readonly bytes: Uint8Array;
}

interface Puzzle {
  readonly parts: Part[];
  readonly timer: Timer;
  /** Known once the last fragment is here. */
  totalBytes: number | undefined;
}

/** Puts packets together from fragments. Fragments that overlap make their packet worthless (RFC 5722). */
export class Reassembly {
  readonly #timers: Timers;
  readonly #puzzles = new Map<string, Puzzle>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Takes a fragment. @returns the whole packet, once this was the last that was missing */
  add(packet: IpPacket): IpPacket | undefined {
    const { fragment, payload } = packet;
    if (!fragment) return packet;
    const key = `${formatAddress(packet.source)} ${formatAddress(packet.target)} ${packet.protocol} ${fragment.id}`;
    const puzzle = this.#puzzles.get(key) ?? this.#begin(key);
    const end = fragment.offsetBytes + payload.length;
    const isRight = (!fragment.more || payload.length % 8 === 0) && end <= MOST_PACKET_BYTES && payload.length > 0;
    const fits = isRight && puzzle.parts.length < MOST_FRAGMENTS && insert(puzzle.parts, fragment.offsetBytes, payload);
    const isConsistent = fits && (fragment.more || puzzle.totalBytes === undefined || puzzle.totalBytes === end);
    if (!isConsistent) {
      this.#forget(key);
      return undefined;
    }
    if (!fragment.more) puzzle.totalBytes = end;
    const whole = join(puzzle);
    if (whole) this.#forget(key);
    return whole && { ...packet, payload: whole, fragment: undefined };
  }

  #begin(key: string): Puzzle {
    const [oldest] = this.#puzzles.keys();
    if (this.#puzzles.size >= MOST_PACKETS) this.#forget(oldest);
    const puzzle = { parts: [], timer: this.#timers.create(() => this.#forget(key)), totalBytes: undefined };
    puzzle.timer.arm(LIFETIME_MILLIS);
    this.#puzzles.set(key, puzzle);
    return puzzle;
  }

  #forget(key: string): void {
    this.#puzzles.get(key)?.timer.cancel();
    this.#puzzles.delete(key);
  }
}

/** Puts a copy of a part where it belongs. @returns false when it overlaps another; one that is there already is no harm */
function insert(parts: Part[], from: number, bytes: Uint8Array): boolean {
  const index = parts.findIndex((part) => part.from >= from);
  const at = index < 0 ? parts.length : index;
  const [before, after] = [parts[at - 1], parts[at]];
  if (after?.from === from && after.bytes.length === bytes.length) return true;
  if (before && before.from + before.bytes.length > from) return false;
  if (after && from + bytes.length > after.from) return false;
  parts.splice(at, 0, { from, bytes: bytes.slice() });
  return true;
}

function join({ parts, totalBytes }: Puzzle): Uint8Array | undefined {
  if (totalBytes === undefined || parts.reduce((sum, { bytes }) => sum + bytes.length, 0) !== totalBytes)
    return undefined;
  const whole = new Uint8Array(totalBytes);
  for (const { from, bytes } of parts) if (from + bytes.length <= totalBytes) whole.set(bytes, from);
  return whole;
}
