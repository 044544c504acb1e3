import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { PIC8259_VERSION, type Pic8259State } from './state.ts';

const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW1_LTIM = 0x08;
const ICW1_SELECT = 0x10;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW3_SELECT = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_P = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;
const POLL_INTERRUPT = 0x80;
const SPURIOUS_LEVEL = 7;
const NO_REQUEST = -1;
const FLOATING_BUS = 0xff;

/** OCW2 bits 7-5 (R, SL, EOI), data sheet figure 8. */
const OCW2_CLEAR_AUTO_ROTATE = 0;
const OCW2_EOI = 1;
const OCW2_SPECIFIC_EOI = 3;
const OCW2_SET_AUTO_ROTATE = 4;
const OCW2_ROTATE_ON_EOI = 5;
const OCW2_SET_PRIORITY = 6;
const OCW2_ROTATE_ON_SPECIFIC_EOI = 7;

/** The cascade lines as a master drives them: the vector that the slave with this address gives, FFh without one. */
export type CascadeLines = (slaveId: number) => number;

/**
 * One 8259A programmable interrupt controller: offsets 0 (A0 = 0) and 1 (A0 = 1).
 *
 * Vectors are always those of the 8086 mode; the MCS-80 call sequence and buffered mode have no meaning on a PC.
 * An edge-triggered request stays when its line falls before it is acknowledged, and is then answered with its own
 * vector. The data sheet (order 231468, "Edge and level triggered modes") has the INT pin stay high too, but answers with
 * the default IR7; QEMU and KVM keep the request, and guests that pulse a line rely on it. Only a slave, and a
 * level-sensitive line, withdraw theirs.
 */
export class Pic8259 implements Device {
  /** IR0 to IR7. */
  readonly inputs: readonly IrqLine[];
  /** INTA: takes the request of highest priority into service and gives its vector, IR7's when none is left. */
  readonly acknowledge: () => number = () => this.#acknowledge();
  /** A slave's side of the cascade lines. */
  readonly answerCascade: CascadeLines = (slaveId) => this.#answerCascade(slaveId);
  readonly #int: IrqLine;
  readonly #cascade: CascadeLines | undefined;
  #r: Pic8259State = powerOnState();

  /**
   * @param int the INT pin: high while a request waits for its acknowledge
   * @param cascade the slaves of a master (SP/EN high); absent in a slave
   */
  constructor(int: IrqLine, cascade?: CascadeLines) {
    this.#int = int;
    this.#cascade = cascade;
    this.inputs = Array.from({ length: 8 }, (_, ir) => ({ set: (level: boolean) => this.#setInput(1 << ir, level) }));
  }

  /** The level-sensitive inputs (bit n for IRn): the ELCR, which is not part of the 8259A itself. */
  set levelSensitive(mask: number) {
    this.#r.levelSensitive = mask & 0xff;
    this.#update();
  }

  read(offset: number, _size: number): number {
    const r = this.#r;
    if (r.poll) return this.#answerPoll();
    if (offset & 1) return r.imr;
    return r.readIsr ? r.isr : this.#irr();
  }

  write(offset: number, _size: number, value: number): void {
    const byte = value & 0xff;
    if (offset & 1) this.#writeData(byte);
    else if (byte & ICW1_SELECT) this.#writeIcw1(byte);
    else if (byte & OCW3_SELECT) this.#writeOcw3(byte);
    else this.#writeOcw2(byte);
    this.#update();
  }

  save(): Pic8259State {
    return { ...this.#r };
  }

  restore(state: DeviceState): void {
    requireVersion('Pic8259', state.version, PIC8259_VERSION);
    this.#r = { ...(state as Pic8259State) };
    this.#update();
  }

  #acknowledge(): number {
    const ir = this.#takeRequest();
    return this.#cascade && this.#isSlave(1 << ir) ? this.#cascade(ir) : this.#vectorOf(ir);
  }

  /** Whether a slave is at this input of a master. */
  #isSlave(bit: number): boolean {
    const { icw1, icw3 } = this.#r;
    return this.#cascade !== undefined && (icw1 & ICW1_SNGL) === 0 && (icw3 & bit) !== 0;
  }

  #answerCascade(slaveId: number): number {
    return slaveId === (this.#r.icw3 & 7) ? this.#vectorOf(this.#takeRequest()) : FLOATING_BUS;
  }

  /** @returns the IR number now in service; 7, with nothing put in service, when no request is left */
  #takeRequest(): number {
    const ir = this.#pending();
    if (ir !== NO_REQUEST) this.#putInService(ir);
    this.#int.set(false);
    this.#update();
    return ir === NO_REQUEST ? SPURIOUS_LEVEL : ir;
  }

  #vectorOf(ir: number): number {
    return (this.#r.icw2 & 0xf8) | ir;
  }

  #setInput(bit: number, level: boolean): void {
    const r = this.#r;
    if (level === ((r.levels & bit) !== 0)) return;
    r.levels ^= bit;
    if (level) r.edges |= bit;
    else if (this.#isSlave(bit)) r.edges &= ~bit;
    this.#update();
  }

  #update(): void {
    this.#int.set(this.#pending() !== NO_REQUEST);
  }

  #irr(): number {
    const r = this.#r;
    const level = r.icw1 & ICW1_LTIM ? 0xff : r.levelSensitive;
    return (r.levels & level) | (r.edges & ~level);
  }

  /** The IR number to be announced, or NO_REQUEST. */
  #pending(): number {
    const rank = this.#highestRank(this.#irr() & ~this.#r.imr);
    if (rank >= this.#highestRank(this.#inhibiting())) return NO_REQUEST;
    return this.#atRank(rank);
  }

  /** The levels in service that hold back their own and all lower priorities. */
  #inhibiting(): number {
    const r = this.#r;
    let levels = r.isr;
    if (r.specialMask) levels &= ~r.imr;
    if (this.#cascade && r.icw4 & ICW4_SFNM) levels &= ~r.icw3;
    return levels;
  }

  /** The rank of the highest priority in `levels`, 0 being the highest of all; 8 when `levels` is empty. */
  #highestRank(levels: number): number {
    let rank = 0;
    while (rank < 8 && (levels & (1 << this.#atRank(rank))) === 0) rank++;
    return rank;
  }

  #atRank(rank: number): number {
    return (this.#r.lowestPriority + 1 + rank) & 7;
  }

  #putInService(ir: number): void {
    const r = this.#r;
    r.edges &= ~(1 << ir);
    if ((r.icw4 & ICW4_AEOI) === 0) r.isr |= 1 << ir;
    else if (r.rotateOnAutoEoi) r.lowestPriority = ir;
  }

  #answerPoll(): number {
    this.#r.poll = false;
    const ir = this.#pending();
    return ir === NO_REQUEST ? 0 : POLL_INTERRUPT | this.#takeRequest();
  }

  #writeIcw1(value: number): void {
    const r = this.#r;
    const { levels, levelSensitive, icw2, icw3, icw4 } = r;
    this.#r = { ...powerOnState(), levels, levelSensitive, icw1: value, icw2, icw3, imr: 0, nextIcw: 2 };
    this.#r.icw4 = value & ICW1_IC4 ? icw4 : 0;
  }

  #writeData(value: number): void {
    const r = this.#r;
    if (r.nextIcw === 0) {
      r.imr = value;
    } else if (r.nextIcw === 2) {
      r.icw2 = value;
      r.nextIcw = r.icw1 & ICW1_SNGL ? this.#icw4IfNeeded() : 3;
    } else if (r.nextIcw === 3) {
      r.icw3 = value;
      r.nextIcw = this.#icw4IfNeeded();
    } else {
      r.icw4 = value;
      r.nextIcw = 0;
    }
  }

  #icw4IfNeeded(): number {
    return this.#r.icw1 & ICW1_IC4 ? 4 : 0;
  }

  #writeOcw2(value: number): void {
    const r = this.#r;
    const level = value & 7;
    const command = value >> 5;
    if (command === OCW2_CLEAR_AUTO_ROTATE) r.rotateOnAutoEoi = false;
    else if (command === OCW2_SET_AUTO_ROTATE) r.rotateOnAutoEoi = true;
    else if (command === OCW2_SET_PRIORITY) r.lowestPriority = level;
    else if (command === OCW2_EOI || command === OCW2_ROTATE_ON_EOI) this.#endHighest(command === OCW2_ROTATE_ON_EOI);
    else if (command === OCW2_SPECIFIC_EOI) this.#end(level, false);
    else if (command === OCW2_ROTATE_ON_SPECIFIC_EOI) this.#end(level, true);
  }

  /** Non-specific EOI. Under special mask mode it leaves masked levels in service. */
  #endHighest(rotate: boolean): void {
    const rank = this.#highestRank(this.#r.specialMask ? this.#r.isr & ~this.#r.imr : this.#r.isr);
    if (rank < 8) this.#end(this.#atRank(rank), rotate);
  }

  #end(ir: number, rotate: boolean): void {
    this.#r.isr &= ~(1 << ir);
    if (rotate) this.#r.lowestPriority = ir;
  }

  #writeOcw3(value: number): void {
    const r = this.#r;
    if (value & OCW3_ESMM) r.specialMask = (value & OCW3_SMM) !== 0;
    r.poll = (value & OCW3_P) !== 0;
    if (value & OCW3_RR) r.readIsr = (value & OCW3_RIS) !== 0;
  }
}

/** The data sheet leaves the state before ICW1 open; all inputs masked keeps an unprogrammed chip quiet. */
function powerOnState(): Pic8259State {
  return {
    version: PIC8259_VERSION,
    levels: 0,
    edges: 0,
    levelSensitive: 0,
    imr: 0xff,
    isr: 0,
    lowestPriority: 7,
    icw1: 0,
    icw2: 0,
    icw3: 0,
    icw4: 0,
    nextIcw: 0,
    specialMask: false,
    rotateOnAutoEoi: false,
    readIsr: false,
    poll: false,
  };
}
