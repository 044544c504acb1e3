/** What a client of the GDB remote serial protocol sends: a packet's text, a request to stop, or an acknowledgement. */
export type Received =
  | { readonly kind: 'packet'; readonly text: string }
  | { readonly kind: 'interrupt' | 'ack' | 'nak' };

const INTERRUPT = '\u0003';
/** More than any packet that the stub says it takes. */
const MOST_PENDING = 1 << 17;

/** Cuts packets from a stream of bytes, each as one character (GDB manual, "Packets"). */
export class PacketReader {
  #pending = '';

  /** @throws {RangeError} a packet has no end */
  push(piece: string): Received[] {
    this.#pending += piece;
    const received: Received[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) received.push(next);
    if (this.#pending.length > MOST_PENDING) throw new RangeError('the packet is too long');
    return received;
  }

  #next(): Received | undefined {
    for (;;) {
      const first = this.#pending[0];
      if (first === '$') return this.#packet();
      if (first === undefined) return undefined;
      this.#pending = this.#pending.slice(1);
      if (first === INTERRUPT) return { kind: 'interrupt' };
      if (first === '+') return { kind: 'ack' };
      if (first === '-') return { kind: 'nak' };
    }
  }

  #packet(): Received | undefined {
    const end = this.#pending.indexOf('#');
    if (end < 0 || this.#pending.length < end + 3) return undefined;
    const text = this.#pending.slice(1, end);
    const sum = Number.parseInt(this.#pending.slice(end + 1, end + 3), 16);
    this.#pending = this.#pending.slice(end + 3);
    return sum === checksum(text) ? { kind: 'packet', text } : { kind: 'nak' };
  }
}

function checksum(text: string): number {
  let sum = 0;
  for (let at = 0; at < text.length; at++) sum += text.charCodeAt(at);
  return sum & 0xff;
}

/** A packet with its frame. */
export function framePacket(text: string): string {
  const escaped = text.replaceAll(/[#$}*]/g, (c) => `}${String.fromCharCode(c.charCodeAt(0) ^ 0x20)}`);
  return `$${escaped}#${checksum(escaped).toString(16).padStart(2, '0')}`;
}

/** The bytes of a packet's binary part. */
export function unescapeBinary(text: string): Uint8Array {
  const plain = text.replaceAll(/\}([\s\S])/g, (_, c: string) => String.fromCharCode(c.charCodeAt(0) ^ 0x20));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}
