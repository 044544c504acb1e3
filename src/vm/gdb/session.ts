import { fromHex, toHex } from '../../base/hex.ts';
import { type GdbRegister, type RegisterSet, registersFor } from '../../boards/debug/gdb-registers.ts';
import type { DebugStop, Vcpu, WatchType } from '../../boards/debug/machine-debugger.ts';
import type { VmDebugger } from '../debugger.ts';
import { framePacket, PacketReader, type Received, unescapeBinary } from './packets.ts';
import { targetXml } from './target-xml.ts';

/** Signals in GDB's numbers. */
const SIGNAL = { interrupt: '02', trap: '05' } as const;
const OK = 'OK';
const BAD_REQUEST = 'E16';
const NO_MEMORY = 'E0e';
/** Longest packet, in hexadecimal as `qSupported` says it. */
const PACKET_BYTES = 0x4000;
const WATCH_TYPES: Readonly<Record<string, WatchType>> = { 2: 'write', 3: 'read', 4: 'access' };
const WATCH_WORDS: Readonly<Record<WatchType, string>> = { write: 'watch', read: 'rwatch', access: 'awatch' };

type Answer = string | undefined;
type Command = (session: GdbSession, rest: string) => Answer | Promise<Answer>;

/** Commands by what packets begin with; of several that fit the first is taken. They give the reply, undefined for none. */
const COMMANDS: readonly (readonly [start: string, command: Command])[] = [
  ['?', (s) => s.stopReply()],
  ['qSupported', (s, rest) => s.agree(rest)],
  ['QStartNoAckMode', (s) => s.stopAcknowledging()],
  ['qXfer:features:read:target.xml:', (s, rest) => s.readDescription(rest)],
  ['qfThreadInfo', (s) => `m${s.threadNumbers().join(',')}`],
  ['qsThreadInfo', () => 'l'],
  ['qThreadExtraInfo,', (s, rest) => s.describeThread(rest)],
  ['qC', (s) => `QC${s.thread}`],
  ['qAttached', () => '1'],
  ['H', (s, rest) => s.selectThread(rest)],
  ['T', (s, rest) => (s.vcpuOf(rest) ? OK : BAD_REQUEST)],
  ['g', (s) => s.registers.map((register) => s.readRegister(register)).join('')],
  ['G', (s, rest) => s.writeRegisters(rest)],
  ['p', (s, rest) => s.readOne(rest)],
  ['P', (s, rest) => s.writeOne(rest)],
  ['m', (s, rest) => s.readMemory(rest)],
  ['M', (s, rest) => s.writeMemory(rest, (data) => fromHex(data))],
  ['X', (s, rest) => s.writeMemory(rest, unescapeBinary)],
  ['Z', (s, rest) => s.changePoint(rest, true)],
  ['z', (s, rest) => s.changePoint(rest, false)],
  ['vCont?', () => 'vCont;c;C;s;S'],
  ['vCont;', (s, rest) => s.goOn(rest)],
  ['c', (s) => s.goOn('c')],
  ['C', (s) => s.goOn('c')],
  ['s', (s) => s.goOn(`s:${s.thread}`)],
  ['S', (s) => s.goOn(`s:${s.thread}`)],
  ['D', (s) => s.detach()],
  ['k', (s) => s.kill()],
];

/**
 * One client of the GDB remote serial protocol (GDB manual, appendix E). Threads are processors, numbered from 1. The
 * machine stands still when the client connects, and goes on when it leaves.
 */
export class GdbSession {
  readonly #debugger: VmDebugger;
  readonly #send: (text: string) => void;
  readonly #reader = new PacketReader();
  readonly #stopListening: () => void;
  #pending: Promise<void> = Promise.resolve();
  #acknowledges = true;
  #saysWhy = false;
  /** Whether the client waits to hear that the guest has stopped. */
  #waits = false;
  #interrupted = false;
  #closed = false;
  #number: number;
  /** Chosen once: clients do not expect it to change. */
  #set: RegisterSet | undefined;
  #lastSent = '';

  /** @param send sends text, a byte a character */
  constructor(vmDebugger: VmDebugger, send: (text: string) => void) {
    this.#debugger = vmDebugger;
    this.#send = send;
    this.#number = vmDebugger.currentNumber;
    this.#stopListening = vmDebugger.vm.onEvent(({ kind }) => {
      if (kind === 'stop') this.#stopped();
      else if (kind === 'shutdown' && this.#waits) this.#reply('W00');
    });
    this.#pending = vmDebugger.vm.pause();
  }

  /** The processor that commands are for, as a thread. */
  get thread(): string {
    return (this.#number + 1).toString(16);
  }

  /** Takes what the client sends, in pieces of any length. @throws {RangeError} a packet has no end */
  receive(text: string): Promise<void> {
    for (const received of this.#reader.push(text)) {
      if (received.kind === 'interrupt') void this.#interrupt();
      else this.#pending = this.#pending.then(() => this.#take(received));
    }
    return this.#pending;
  }

  /** The client has gone: the guest goes on without it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopListening();
    void this.#pending.then(() => this.#debugger.detach());
  }

  async #take(received: Received): Promise<void> {
    if (received.kind === 'nak') this.#send(this.#lastSent);
    if (received.kind !== 'packet' || this.#closed) return;
    if (this.#acknowledges) this.#send('+');
    const { text } = received;
    const [start, command] = COMMANDS.find(([prefix]) => text.startsWith(prefix)) ?? ['', () => ''];
    const answer = await command(this, text.slice(start.length));
    if (answer !== undefined) this.#reply(answer);
  }

  #reply(text: string): void {
    this.#lastSent = framePacket(text);
    this.#send(this.#lastSent);
  }

  async #interrupt(): Promise<void> {
    this.#interrupted = true;
    await this.#debugger.vm.pause();
  }

  /** The machine has stopped, for whatever reason. */
  #stopped(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#number = this.#debugger.currentNumber;
    this.#reply(this.#stopOf(this.#debugger.takeStop()));
    this.#interrupted = false;
  }

  #stopOf(stop: DebugStop | undefined): string {
    const thread = `thread:${this.thread};`;
    if (stop === undefined) return `T${this.#interrupted ? SIGNAL.interrupt : SIGNAL.trap}${thread}`;
    if (stop.kind === 'watchpoint') {
      return `T${SIGNAL.trap}${thread}${WATCH_WORDS[stop.type]}:${stop.address.toString(16)};`;
    }
    const why = stop.kind === 'breakpoint' && this.#saysWhy ? `${stop.hardware ? 'hw' : 'sw'}break:;` : '';
    return `T${SIGNAL.trap}${thread}${why}`;
  }

  stopReply(): string {
    return `T${SIGNAL.trap}thread:${this.thread};`;
  }

  agree(features: string): string {
    this.#saysWhy = features.includes('swbreak+');
    const size = `PacketSize=${PACKET_BYTES.toString(16)}`;
    return `${size};qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak+;hwbreak+`;
  }

  stopAcknowledging(): string {
    this.#acknowledges = false;
    return OK;
  }

  get registers(): readonly GdbRegister[] {
    return this.#registerSet.features.flatMap(([, registers]) => registers);
  }

  get #registerSet(): RegisterSet {
    this.#set ??= registersFor(this.#vcpu);
    return this.#set;
  }

  get #vcpu(): Vcpu {
    return this.#debugger.vcpus[this.#number];
  }

  readDescription(range: string): string {
    const [offset, length] = range.split(',').map((text) => Number.parseInt(text, 16));
    const xml = targetXml(this.#registerSet);
    const part = xml.slice(offset, offset + Math.min(length, PACKET_BYTES - 1));
    return `${offset + part.length < xml.length ? 'm' : 'l'}${part}`;
  }

  threadNumbers(): string[] {
    return this.#debugger.vcpus.map((_, number) => (number + 1).toString(16));
  }

  /** The processor of a thread; 0 and -1 stand for any. */
  vcpuOf(thread: string): Vcpu | undefined {
    return this.#debugger.vcpus[this.#numberOf(thread)];
  }

  #numberOf(thread: string): number {
    const number = Number.parseInt(thread, 16);
    return number <= 0 ? this.#number : number - 1;
  }

  describeThread(thread: string): string {
    const vcpu = this.vcpuOf(thread);
    if (vcpu === undefined) return BAD_REQUEST;
    return toHex(new TextEncoder().encode(`CPU ${this.#numberOf(thread)}: ${vcpu.describe()}`));
  }

  selectThread(rest: string): string {
    const number = this.#numberOf(rest.slice(1));
    if (this.#debugger.vcpus[number] === undefined) return BAD_REQUEST;
    this.#number = number;
    return OK;
  }

  readRegister(register: GdbRegister): string {
    const value = register.read(this.#vcpu);
    return toHex(Uint8Array.from({ length: register.bits / 8 }, (_, n) => Number((value >> BigInt(8 * n)) & 0xffn)));
  }

  #write(register: GdbRegister, bytes: Uint8Array): boolean {
    const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    if (value === register.read(this.#vcpu)) return true;
    register.write?.(this.#vcpu, value);
    return register.write !== undefined;
  }

  writeRegisters(data: string): string {
    const bytes = fromHex(data);
    if (bytes === undefined) return BAD_REQUEST;
    let at = 0;
    for (const register of this.registers) {
      const length = register.bits / 8;
      if (at + length <= bytes.length) this.#write(register, bytes.subarray(at, at + length));
      at += length;
    }
    this.#vcpu.contextChanged();
    return OK;
  }

  readOne(number: string): string {
    const register = this.registers[Number.parseInt(number, 16)];
    return register === undefined ? BAD_REQUEST : this.readRegister(register);
  }

  writeOne(rest: string): string {
    const [number, data = ''] = rest.split('=');
    const register = this.registers[Number.parseInt(number, 16)];
    const bytes = fromHex(data);
    if (register === undefined || bytes === undefined || !this.#write(register, bytes)) return BAD_REQUEST;
    this.#vcpu.contextChanged();
    return OK;
  }

  async readMemory(rest: string): Promise<string> {
    const [address, length] = rangeOf(rest);
    if (address === undefined) return BAD_REQUEST;
    const bytes = await this.#debugger.readMemory(this.#vcpu, address, Math.min(length, PACKET_BYTES / 2 - 1));
    return bytes.length === 0 && length > 0 ? NO_MEMORY : toHex(bytes);
  }

  async writeMemory(rest: string, read: (data: string) => Uint8Array | undefined): Promise<string> {
    const colon = rest.indexOf(':');
    const [address, length] = rangeOf(rest.slice(0, colon));
    const bytes = read(rest.slice(colon + 1));
    if (address === undefined || bytes === undefined || bytes.length !== length) return BAD_REQUEST;
    return (await this.#debugger.writeMemory(this.#vcpu, address, bytes)) ? OK : NO_MEMORY;
  }

  changePoint(rest: string, add: boolean): string {
    const [type] = rest;
    const [address, bytes] = rangeOf(rest.slice(2).split(';')[0]);
    if (address === undefined) return BAD_REQUEST;
    if (type === '0' || type === '1') {
      const point = { address, hardware: type === '1' };
      if (add) this.#debugger.addBreakpoint(point);
      else this.#debugger.removeBreakpoint(point);
      return OK;
    }
    const watched = WATCH_TYPES[type];
    if (watched === undefined) return '';
    const point = { type: watched, address, bytes };
    if (add) this.#debugger.addWatchpoint(point);
    else this.#debugger.removeWatchpoint(point);
    return OK;
  }

  /** Goes on as `vCont` says: the first action that names a step wins, since the others wait meanwhile. */
  async goOn(actions: string): Promise<Answer> {
    this.#waits = true;
    const step = actions.split(';').find((action) => /^[sS]/.test(action));
    if (step === undefined) await this.#debugger.resume();
    else await this.#debugger.step(this.#numberOf(step.split(':')[1] ?? '0'));
    return undefined;
  }

  async detach(): Promise<Answer> {
    await this.#debugger.detach();
    return OK;
  }

  /** A virtual machine goes on without its debugger. */
  kill(): Answer {
    this.close();
    return undefined;
  }
}

/** `ADDRESS,LENGTH` in hexadecimal; no address where the text is none. */
function rangeOf(text: string): [address: bigint | undefined, length: number] {
  const [, address, length] = /^([0-9a-f]{1,16}),([0-9a-f]{1,8})$/i.exec(text) ?? [];
  return address === undefined ? [undefined, 0] : [BigInt(`0x${address}`), Number.parseInt(length, 16)];
}
