import type { Builder } from '../ir/builder.ts';
import { declareHostFunction } from '../ir/define.ts';
import type { Access } from '../ir/nodes.ts';
import type { Operand as IrOperand, Val } from '../ir/val.ts';
import { Flags } from './flags.ts';
import type { Field } from './layout.ts';
import { segmentedAddress } from './memory.ts';
import type { Operand } from './operands.ts';
import { GPR, PENDING, SEG, STATE, VECTOR_OF } from './registers.ts';
import { SYSTEM_CALLS, type SystemCall } from './system-calls.ts';

/** The facts about an instruction that are fixed when its semantics are recorded. */
export interface Shape {
  /** Operand size in bits. */
  readonly size: 16 | 32 | 64;
  readonly addressSize: 16 | 32 | 64;
  /** Code size of the mode: 64 only in 64-bit mode. */
  readonly bits: 16 | 32 | 64;
  /** Width of the stack pointer (SS.B, or 64). */
  readonly stackSize: 16 | 32 | 64;
  /** Memory operands need no segment base and no limit check. */
  readonly flat: boolean;
  /** As `flat`, for the stack segment. */
  readonly flatStack: boolean;
  /** Branch targets need no limit check. Tells about the code segment for branches alone. */
  readonly flatCode: boolean;
  readonly rep: 0 | 0xf2 | 0xf3;
  readonly lock: boolean;
  /** Condition code for rows of condition families, else 0. */
  readonly cc: number;
  /** The decoded operands. Only kind, class and width may be relied upon here: numbers come through the methods of {@link Lift}. */
  readonly operands: readonly Operand[];
}

/** The system helpers of src/isa/system-calls.ts: (number of the call, a, b) → i64. Use {@link Lift.system} where possible. */
export const system = declareHostFunction('system', { params: ['i32', 'i64', 'i64'], result: 'i64', mayFault: true });

/**
 * What an instruction's semantics record with. Integer values of up to 32 bits are i32, zero-extended; 64-bit ones i64.
 * Subclasses say where operands come from and how control leaves the instruction.
 */
export abstract class Lift {
  readonly b: Builder;
  readonly shape: Shape;
  readonly flags: Flags;

  constructor(b: Builder, shape: Shape, flags: Flags = new Flags(b)) {
    this.b = b;
    this.shape = shape;
    this.flags = flags;
  }

  /** Operand size in bits. */
  get size(): 16 | 32 | 64 {
    return this.shape.size;
  }

  /** For general, x87, MMX and XMM registers the byte offset in the state block; for others the register number. */
  protected abstract registerField(operand: number): Val;
  /** The immediate operand: i64 for width 64, else i32. A direct far pointer: i64, selector << 32 | offset. */
  protected abstract immediateOf(operand: number): Val;
  /** Effective address of the memory operand, i64, truncated to the address size. */
  abstract effectiveAddress(): Val;
  /** As {@link effectiveAddress}, from the registers as they are now rather than before the instruction (POP to memory). */
  abstract freshAddress(): Val;
  /** Segment number of the memory operand, i32. With none, or two (strings): the override, or DS. */
  abstract segment(): Val;
  /** RIP of the next instruction, i64. */
  abstract nextRip(): Val;
  /** RIP of the instruction itself, i64. */
  abstract currentRip(): Val;
  /** Ends the instruction with a jump to `target` (i64, already truncated to the operand size). */
  abstract jump(target: Val): void;
  /** The target of a relative branch, i64, truncated to the operand size. */
  abstract relativeTarget(operand: number): Val;
  /** Ends the instruction with a jump relative to the next one by the operand's displacement. */
  abstract jumpRelative(operand: number): void;
  /** Makes the instruction's address known to whoever may fault or look at the time. */
  abstract markRecord(): void;
  /** Instructions of the block that are paid for and not executed, this one included, i32. */
  abstract unexecuted(): Val;
  /** Ends the instruction by starting it again, when the budget allows (an interrupted REP). */
  abstract restart(): void;
  /** Ends the instruction after state has changed that decoded code depends on; `rip` has been set. */
  abstract leave(): void;

  /** Width in bits of an operand. */
  width(operand: number): number {
    const o = this.shape.operands[operand];
    return o.kind === 'rel' || o.kind === 'far' ? this.size : o.width;
  }

  isMemory(operand: number): boolean {
    return this.shape.operands[operand]?.kind === 'mem';
  }

  /** Loads a field of the state block. */
  get(field: Field): Val {
    return this.b.load(field.type, field.bytes, this.b.cpu, field.offset);
  }

  set(field: Field, value: IrOperand): void {
    this.b.store(field.bytes, this.b.cpu, field.offset, this.b.coerce(field.type, value));
  }

  /** Host address of a register operand's slot. */
  slot(operand: number): Val {
    return this.b.cpu.add(this.registerField(operand));
  }

  /** The number of a segment, control, debug or ST register operand, i32. */
  registerNumber(operand: number): Val {
    return this.registerField(operand);
  }

  /** An integer constant of the type that `width`-bit values have. */
  int(width: number, value: number | bigint): Val {
    return this.b.const(width === 64 ? 'i64' : 'i32', value);
  }

  /** Reads an operand as an integer of its width. `forWrite`: a memory operand must be writable too. */
  read(operand: number, forWrite = false): Val {
    const o = this.shape.operands[operand];
    if (o.kind === 'imm' || o.kind === 'far') return this.immediateOf(operand);
    const bytes = (o.kind === 'mem' || o.kind === 'reg' ? o.width / 8 : 0) as Access['bytes'];
    const type = bytes === 8 ? 'i64' : 'i32';
    if (o.kind === 'mem') {
      return this.b.guestLoad(type, bytes, this.address(bytes, forWrite), this.segment(), forWrite);
    }
    return this.b.load(type, bytes, this.slot(operand));
  }

  /** Reads the operand of a read-modify-write. */
  readForWrite(operand: number): Val {
    return this.read(operand, true);
  }

  /** Writes an integer operand. A 32-bit write to a general register clears the upper half (SDM 1, 3.4.1.1). */
  write(operand: number, value: Val): void {
    const o = this.shape.operands[operand];
    const bytes = ((o.kind === 'mem' || o.kind === 'reg' ? o.width : 0) / 8) as Access['bytes'];
    if (o.kind === 'mem') this.b.guestStore(bytes, this.address(bytes, true), this.segment(), value);
    else this.#storeRegister(this.slot(operand), o.kind === 'reg' && o.cls === 'gpr' && bytes === 4 ? 8 : bytes, value);
  }

  #storeRegister(slot: Val, bytes: Access['bytes'], value: Val): void {
    this.b.store(bytes, slot, 0, bytes === 8 ? value.extU() : value);
  }

  /** General register `index` (a fixed one, such as rCX), `width` bits. */
  gpr(index: number, width: number): Val {
    return this.b.load(width === 64 ? 'i64' : 'i32', (width / 8) as Access['bytes'], this.b.cpu, GPR + index * 8);
  }

  setGpr(index: number, width: number, value: Val): void {
    const bytes = width === 32 ? 8 : ((width / 8) as Access['bytes']);
    this.b.store(bytes, this.b.cpu, GPR + index * 8, bytes === 8 ? value.extU() : value);
  }

  /** High byte register `index` (0 AH … 3 BH). */
  highByte(index: number): Val {
    return this.b.load('i32', 1, this.b.cpu, GPR + index * 8 + 1);
  }

  setHighByte(index: number, value: Val): void {
    this.b.store(1, this.b.cpu, GPR + index * 8 + 1, value);
  }

  /** A 128-bit operand: an XMM register or memory (alignment is checked by {@link requireAligned}). */
  readVector(operand: number): Val {
    if (!this.isMemory(operand)) return this.b.load('v128', 16, this.slot(operand));
    return this.b.guestLoad('v128', 16, this.address(16, false), this.segment());
  }

  writeVector(operand: number, value: Val): void {
    if (this.isMemory(operand)) this.b.guestStore(16, this.address(16, true), this.segment(), value);
    else this.b.store(16, this.slot(operand), 0, value);
  }

  /** Linear address of the memory operand for an access of `bytes`, i64; faults where the segment does not allow it. */
  address(bytes: number, forWrite: boolean, displacement = 0): Val {
    const ea = displacement === 0 ? this.effectiveAddress() : this.offsetAddress(displacement);
    return this.linear(this.segment(), ea, bytes, forWrite, this.shape.flat);
  }

  /** The memory operand's effective address plus `displacement`, truncated to the address size. */
  offsetAddress(displacement: number): Val {
    return this.truncate(this.effectiveAddress().add(displacement), this.shape.addressSize);
  }

  /** Linear address of offset `ea` (i64) in segment `segment` (i32). */
  linear(segment: Val, ea: Val, bytes: number, forWrite: boolean, flat: boolean): Val {
    if (flat) return ea;
    this.markRecord();
    return this.b.call(segmentedAddress(this.shape.bits === 64), segment, ea, bytes - 1, forWrite ? 1 : 0);
  }

  /** `value` (i64) reduced to `bits`. */
  truncate(value: Val, bits: number): Val {
    return value.zeroExtend(bits);
  }

  /** Raises a fault: state is as before the instruction. */
  raise(vector: number, error: IrOperand = 0): void {
    this.markRecord();
    this.set(STATE.faultVector, vector);
    this.set(STATE.faultError, error);
    this.set(STATE.pending, PENDING.exception);
    this.b.return();
  }

  raiseIf(condition: Val, vector: number, error: IrOperand = 0): void {
    this.b.if(condition, () => this.raise(vector, error));
  }

  /** #GP(0) unless the current privilege level is 0. */
  requireRing0(): void {
    this.raiseIf(this.get(STATE.cpl).nez(), VECTOR_OF.GP);
  }

  /** #GP(0) when `address` (i64) is not a multiple of `bytes`. */
  requireAligned(address: Val, bytes: number): void {
    this.raiseIf(address.and(bytes - 1).nez(), VECTOR_OF.GP);
  }

  /** Calls a system helper, which may fault. @returns its result, i64 */
  system(name: SystemCall, a: IrOperand = 0, c: IrOperand = 0): Val {
    this.markRecord();
    return this.b.call(system, SYSTEM_CALLS.indexOf(name), a, c);
  }

  /** Ends the instruction with a system helper that may change mode, address space or RIP. */
  systemLeave(name: SystemCall, a: IrOperand = 0, c: IrOperand = 0): void {
    const [first, second] = [this.b.coerce('i64', a), this.b.coerce('i64', c)];
    this.set(STATE.rip, this.nextRip());
    this.system(name, first, second);
    this.leave();
  }

  /** The stack pointer, i64, truncated to the stack's width. */
  stackPointer(): Val {
    return this.truncate(this.gpr(4, 64), this.shape.stackSize);
  }

  setStackPointer(value: Val): void {
    const { stackSize } = this.shape;
    this.setGpr(4, stackSize, stackSize === 64 ? value : value.wrap());
  }

  /** Linear address of stack offset `sp` for `bytes`. */
  stackAddress(sp: Val, bytes: number, forWrite: boolean): Val {
    return this.linear(this.b.i32(SEG.SS), sp, bytes, forWrite, this.shape.flatStack);
  }

  /** Pushes `value` of `width` bits. The stack pointer moves only when the store did not fault. */
  push(value: Val, width: number): void {
    const bytes = (width / 8) as Access['bytes'];
    const sp = this.truncate(this.stackPointer().sub(bytes), this.shape.stackSize);
    this.b.guestStore(bytes, this.stackAddress(sp, bytes, true), SEG.SS, value);
    this.setStackPointer(sp);
  }

  /** Reads the top of the stack without moving the stack pointer. */
  peek(width: number, offset = 0): Val {
    const bytes = (width / 8) as Access['bytes'];
    const sp = this.truncate(this.stackPointer().add(offset), this.shape.stackSize);
    return this.b.guestLoad(width === 64 ? 'i64' : 'i32', bytes, this.stackAddress(sp, bytes, false), SEG.SS);
  }

  /** Moves the stack pointer up by `bytes`. */
  release(bytes: IrOperand): void {
    this.setStackPointer(this.truncate(this.stackPointer().add(bytes), this.shape.stackSize));
  }
}

/** Records what an instruction does. */
export type Semantics = (l: Lift) => void;
/** Semantics by the key that rows name. */
export type SemanticsTable = Readonly<Record<string, Semantics>>;
