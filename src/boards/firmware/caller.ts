import {
  generalProtection,
  isLongMode,
  type SystemContext,
  segmentBase,
  segmentLimit,
  segmentRights,
  usesDescriptors,
} from '../../cpu/system/context.ts';
import { portIn, portOut } from '../../cpu/system/io.ts';
import { CR0, FLAG, RIGHTS, SEG, STATE } from '../../isa/registers.ts';

const [AX, CX, DX, BX, SP, BP, SI, DI] = [0, 1, 2, 3, 4, 5, 6, 7];
/** Offset of the flags in the frame that an interrupt leaves on a 16-bit stack. */
const FRAME_FLAGS = 4;
const STACK_BIG = RIGHTS.big;

/** Sizes of an access in bytes. */
type Bytes = 1 | 2 | 4;

/**
 * Guest code that called the BIOS: its registers, its memory through segments, paging and privilege, and ports as far as
 * it may use them. Accesses throw what the same access of an instruction raises; a service makes all of them that can
 * fail before it changes anything.
 */
export class Caller {
  readonly #cpu: SystemContext;
  /** Bytes that the BIOS's code has pushed since the interrupt. */
  readonly #pushed: number;

  constructor(cpu: SystemContext, pushed = 0) {
    this.#cpu = cpu;
    this.#pushed = pushed;
  }

  /** Whether the caller may do everything: real mode, or ring 0. */
  get isPrivileged(): boolean {
    return this.#cpu.state.u32(STATE.cpl) === 0;
  }

  /** Whether a segment's base is its selector times 16: real and V86 mode. */
  get hasParagraphSegments(): boolean {
    return !usesDescriptors(this.#cpu.state);
  }

  /** Whether linear addresses are physical ones: no paging. */
  get addressesArePhysical(): boolean {
    return (this.#cpu.state.low(STATE.cr0) & CR0.PG) === 0;
  }

  get eax(): number {
    return this.#cpu.state.gpr32(AX);
  }
  set eax(value: number) {
    this.#cpu.state.setGpr32(AX, value);
  }
  get ebx(): number {
    return this.#cpu.state.gpr32(BX);
  }
  set ebx(value: number) {
    this.#cpu.state.setGpr32(BX, value);
  }
  get ecx(): number {
    return this.#cpu.state.gpr32(CX);
  }
  set ecx(value: number) {
    this.#cpu.state.setGpr32(CX, value);
  }
  get edx(): number {
    return this.#cpu.state.gpr32(DX);
  }
  set edx(value: number) {
    this.#cpu.state.setGpr32(DX, value);
  }
  get esi(): number {
    return this.#cpu.state.gpr32(SI);
  }
  set esi(value: number) {
    this.#cpu.state.setGpr32(SI, value);
  }
  get edi(): number {
    return this.#cpu.state.gpr32(DI);
  }

  get ax(): number {
    return this.eax & 0xffff;
  }
  set ax(value: number) {
    this.#setWord(AX, value);
  }
  get bx(): number {
    return this.ebx & 0xffff;
  }
  set bx(value: number) {
    this.#setWord(BX, value);
  }
  get cx(): number {
    return this.ecx & 0xffff;
  }
  set cx(value: number) {
    this.#setWord(CX, value);
  }
  get dx(): number {
    return this.edx & 0xffff;
  }
  set dx(value: number) {
    this.#setWord(DX, value);
  }
  get si(): number {
    return this.esi & 0xffff;
  }
  set si(value: number) {
    this.#setWord(SI, value);
  }
  get di(): number {
    return this.edi & 0xffff;
  }
  set di(value: number) {
    this.#setWord(DI, value);
  }
  get bp(): number {
    return this.#cpu.state.gpr32(BP) & 0xffff;
  }
  set bp(value: number) {
    this.#setWord(BP, value);
  }

  get al(): number {
    return this.eax & 0xff;
  }
  set al(value: number) {
    this.ax = (this.ax & 0xff00) | (value & 0xff);
  }
  get ah(): number {
    return this.ax >> 8;
  }
  set ah(value: number) {
    this.ax = (this.ax & 0xff) | ((value & 0xff) << 8);
  }
  get bl(): number {
    return this.ebx & 0xff;
  }
  set bl(value: number) {
    this.bx = (this.bx & 0xff00) | (value & 0xff);
  }
  get bh(): number {
    return this.bx >> 8;
  }
  set bh(value: number) {
    this.bx = (this.bx & 0xff) | ((value & 0xff) << 8);
  }
  get cl(): number {
    return this.ecx & 0xff;
  }
  set cl(value: number) {
    this.cx = (this.cx & 0xff00) | (value & 0xff);
  }
  get ch(): number {
    return this.cx >> 8;
  }
  set ch(value: number) {
    this.cx = (this.cx & 0xff) | ((value & 0xff) << 8);
  }
  get dl(): number {
    return this.edx & 0xff;
  }
  set dl(value: number) {
    this.dx = (this.dx & 0xff00) | (value & 0xff);
  }
  get dh(): number {
    return this.dx >> 8;
  }
  set dh(value: number) {
    this.dx = (this.dx & 0xff) | ((value & 0xff) << 8);
  }

  /** The selector of ES, as the caller knows it. */
  get es(): number {
    return this.#cpu.state.segment(SEG.ES).selector;
  }
  /** Loads ES as real and V86 mode do; elsewhere it stays, since a selector cannot be made. */
  set es(selector: number) {
    const { state, port } = this.#cpu;
    const old = state.segment(SEG.ES);
    state.setSegment(SEG.ES, { ...old, selector, base: BigInt(selector) << 4n });
    port.contextChanged();
  }

  /** The carry flag that the caller finds after the interrupt's return. */
  set carry(value: boolean) {
    this.#setFrameFlag(FLAG.CF, value);
  }

  /** The zero flag likewise. */
  set zero(value: boolean) {
    this.#setFrameFlag(FLAG.ZF, value);
  }

  /** The carry flag as it is now, for the BIOS's own code. */
  get carryNow(): boolean {
    return (this.#cpu.state.eflags & FLAG.CF) !== 0;
  }
  set carryNow(value: boolean) {
    const { state } = this.#cpu;
    state.eflags = value ? state.eflags | FLAG.CF : state.eflags & ~FLAG.CF;
  }

  /** Reads at a linear address. */
  load(address: number, bytes: Bytes): number {
    return Number(this.#cpu.port.load(this.#linear(address), bytes, 'current'));
  }

  /** Writes at a linear address. */
  store(address: number, bytes: Bytes, value: number): void {
    this.#cpu.port.store(this.#linear(address), bytes, BigInt(value >>> 0), 'current');
  }

  /** Checks that a range can be written, so that stores to it do not fail. */
  probe(address: number, length: number): void {
    for (let done = 0; done < length; ) {
      const piece = Math.min(length - done, 0x1000 - ((address + done) & 0xfff));
      this.#cpu.port.probeWrite(this.#linear(address + done), piece, 'current');
      done += piece;
    }
  }

  /** Reads bytes at a linear address. */
  loadBytes(address: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => this.load(address + i, 1));
  }

  /** Writes bytes at a linear address, all or none of them. */
  storeBytes(address: number, bytes: Uint8Array): void {
    this.probe(address, bytes.length);
    bytes.forEach((byte, i) => {
      this.store(address + i, 1, byte);
    });
  }

  /** The linear address of an offset in a segment. @throws {GuestFault} #GP(0) beyond its limit */
  address(segment: 'es' | 'ds' | 'ss' | 'cs', offset: number, length = 1): number {
    const index = SEG[segment.toUpperCase() as 'ES' | 'DS' | 'SS' | 'CS'];
    const { state } = this.#cpu;
    if (offset + length - 1 > segmentLimit(state, index)) throw generalProtection();
    return (Number(segmentBase(state, index)) + offset) >>> 0;
  }

  /** IN. @throws {GuestFault} #GP(0) where the caller may not */
  in(port: number, bytes: Bytes = 1): number {
    return Number(portIn(this.#cpu, port, bytes));
  }

  /** OUT. @throws {GuestFault} #GP(0) where the caller may not */
  out(port: number, value: number, bytes: Bytes = 1): void {
    portOut(this.#cpu, port, bytes, value);
  }

  /** The linear address of what lies `offset` bytes above the last push. */
  stack(offset: number): number {
    const { state } = this.#cpu;
    const big = (segmentRights(state, SEG.SS) & STACK_BIG) !== 0;
    const pointer = state.gpr32(SP) + offset;
    return (Number(segmentBase(state, SEG.SS)) + (big ? pointer >>> 0 : pointer & 0xffff)) >>> 0;
  }

  #setFrameFlag(flag: number, value: boolean): void {
    const at = this.stack(this.#pushed + FRAME_FLAGS);
    const flags = this.load(at, 2);
    this.store(at, 2, value ? flags | flag : flags & ~flag);
  }

  #setWord(index: number, value: number): void {
    const { state } = this.#cpu;
    state.setGpr(index, (state.gpr(index) & ~0xffffn) | BigInt(value & 0xffff));
  }

  #linear(address: number): bigint {
    return isLongMode(this.#cpu.state) ? BigInt(address) : BigInt(address >>> 0);
  }
}
