import { concatenate } from '../../base/bytes.ts';
import type { ByteChannel } from '../../machine/interfaces.ts';
import { BytePieces } from './byte-pieces.ts';
import type { AgentClient, AgentLine } from './relay.ts';

// QEMU documentation, "QEMU Guest Agent Protocol Reference": a command and its answer are a line of JSON each.

/** The port of the virtio console that QEMU's guest agent listens on. */
export const QEMU_AGENT_CHANNEL = 'org.qemu.guest_agent.0';
/** A line of a command or an answer: a file is read in pieces of some megabytes. */
const MOST_LINE_BYTES = 64 << 20;
/** Commands of one client that wait. */
const MOST_WAITING_BYTES = 4 << 20;
const NEWLINE = 0x0a;
/** No part of JSON: it has a parser begin anew. */
const SENTINEL = 0xff;
const MOST_ID = 2 ** 31;

interface Waiting {
  readonly client: AgentClient;
  readonly line: Uint8Array;
}

/**
 * The outside end of the channel to QEMU's guest agent, which answers one command after the other: many clients share it, a line
 * at a time. Whenever the guest opens its end, after a restore, and where one has gone before its answer came, both sides
 * find together again by guest-sync-delimited.
 */
export class QemuAgentRelay implements ByteChannel {
  readonly #random: (bytes: number) => Uint8Array;
  readonly #clients = new Map<AgentClient, Uint8Array[]>();
  #waiting: Waiting[] = [];
  /** Whose command is being answered. */
  #asking: AgentClient | undefined;
  /** What an answer has to be before others are listened to. */
  #sync: string | undefined;
  readonly #toGuest = new BytePieces();
  #heard: Uint8Array[] = [];
  #heardBytes = 0;
  #isOpen = false;
  #changed: () => void = () => {};

  /** @param random makes random bytes */
  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random;
  }

  send(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(NEWLINE, at);
      this.#hear(bytes.slice(at, end < 0 ? bytes.length : end));
      if (end < 0) break;
      const line = concatenate(this.#heard);
      this.#forget();
      this.#answered(line);
      at = end + 1;
    }
    return true;
  }

  take(most: number): Uint8Array {
    return this.#toGuest.take(most);
  }

  opened(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#toGuest.clear();
    this.#forget();
    this.#waiting = [];
    this.#asking = undefined;
    for (const client of this.#clients.keys()) client.close();
    this.#clients.clear();
    if (isOpen) this.#synchronize();
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** Lets a client send commands, a line each; it is closed at once where no agent listens. */
  connect(client: AgentClient): AgentLine {
    if (!this.#isOpen) {
      client.close();
      return { receive: () => {}, close: () => {} };
    }
    this.#clients.set(client, []);
    return { receive: (bytes) => this.#asked(client, bytes), close: () => this.#left(client) };
  }

  #asked(client: AgentClient, bytes: Uint8Array): void {
    const begun = this.#clients.get(client);
    if (!begun) return;
    const all = concatenate([...begun, bytes]);
    const end = all.lastIndexOf(NEWLINE) + 1;
    for (let at = 0; at < end; ) {
      const next = all.indexOf(NEWLINE, at) + 1;
      if (next > at + 1) this.#waiting.push({ client, line: all.slice(at, next) });
      at = next;
    }
    this.#clients.set(client, [all.slice(end)]);
    const own = this.#waiting.filter((one) => one.client === client).reduce((sum, { line }) => sum + line.length, 0);
    if (own + all.length - end > MOST_WAITING_BYTES) this.#drop(client);
    this.#next();
    this.#changed();
  }

  #left(client: AgentClient): void {
    if (!this.#clients.delete(client)) return;
    this.#waiting = this.#waiting.filter((one) => one.client !== client);
    if (this.#asking === client) this.#synchronize();
    this.#changed();
  }

  #drop(client: AgentClient): void {
    this.#left(client);
    client.close();
  }

  #next(): void {
    if (this.#asking || this.#sync !== undefined) return;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#asking = next.client;
    this.#toGuest.push(next.line);
  }

  /** Has the agent forget what it was told, and whatever it still says not listened to. */
  #synchronize(): void {
    this.#asking = undefined;
    const id = new DataView(this.#random(4).slice().buffer).getUint32(0) % MOST_ID;
    this.#sync = `{"return":${id}}`;
    const command = JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } });
    this.#toGuest.push(Uint8Array.of(SENTINEL), new TextEncoder().encode(`${command}\n`));
  }

  #hear(bytes: Uint8Array): void {
    this.#heard.push(bytes);
    this.#heardBytes += bytes.length;
    if (this.#heardBytes <= MOST_LINE_BYTES) return;
    this.#forget();
    if (this.#asking) this.#drop(this.#asking);
  }

  #forget(): void {
    this.#heard = [];
    this.#heardBytes = 0;
  }

  #answered(line: Uint8Array): void {
    if (this.#sync !== undefined) {
      const text = new TextDecoder().decode(line.subarray(line.lastIndexOf(SENTINEL) + 1));
      if (text.replaceAll(/\s/g, '') === this.#sync) this.#sync = undefined;
    } else if (this.#asking) {
      this.#asking.send(concatenate([line, Uint8Array.of(NEWLINE)]));
      this.#asking = undefined;
    }
    this.#next();
  }
}
