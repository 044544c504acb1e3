import { FLAG, SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { changeFlags, isLongMode, isRealMode, type SystemContext, segmentLimit, segmentSelector } from './context.ts';
import { DR6_BITS, recordDebugException } from './debug.ts';
import { combine, type EventSource, exceptionEvent, faultDuring, type GuestEvent, isFault } from './events.ts';
import { deliverThroughGate } from './gates.ts';
import { deliverThroughLongGate } from './long-gates.ts';
import { GuestFault, GuestPageIn } from './port.ts';
import { realModeSegment } from './segments.ts';
import { currentStack, pushAll, setPointer } from './stack.ts';

/** What is known of an exception besides vector and error code. */
export interface ExceptionDetails {
  /** Saved RIP: of the instruction for a fault, of the next one for a trap. Default: STATE.rip. */
  readonly rip?: bigint;
  /** Linear address of a page fault, for CR2. Default: STATE.faultAddress. */
  readonly address?: bigint;
  /** Bits that a #DB sets in DR6. */
  readonly dr6?: number;
  /** A trap between two iterations of a string instruction: RF is pushed (SDM 3B, 18.3.1.1). */
  readonly repeating?: boolean;
}

/** An event whose delivery waits for a page: what {@link deliverRest} goes on with. */
export interface DeliveryRest {
  readonly event: GuestEvent;
  /** Bits set in the pushed image of EFLAGS. */
  readonly flags: number;
}

/** Thrown when a page must be brought in before an event can be delivered. What has come of the delivery by then, such as a
 * task switch or a double fault, holds: the delivery must not begin anew. */
export class DeliveryPageIn extends GuestPageIn {
  readonly rest: DeliveryRest;
  constructor(gpa: number, rest: DeliveryRest) {
    super(gpa);
    this.rest = rest;
  }
}

/**
 * Delivers an exception, and whatever double fault comes of it.
 * @throws {DeliveryPageIn} go on with {@link deliverRest} once the page is there
 * @throws {TripleFault} a double fault could not be delivered
 */
export function deliverException(
  cpu: SystemContext,
  vector: number,
  errorCode = 0,
  details: ExceptionDetails = {},
): void {
  const { state } = cpu;
  if (details.rip !== undefined) state.setU64(STATE.rip, details.rip);
  if (vector === VECTOR_OF.PF) state.setU64(STATE.cr2, details.address ?? state.u64(STATE.faultAddress));
  if (vector === VECTOR_OF.DB) recordDebugException(state, details.dr6 ?? 0);
  const resume = isFault(vector) || details.repeating === true || ((details.dr6 ?? 0) & DR6_BITS.BD) !== 0;
  deliverUntilDone(cpu, exceptionEvent(vector, errorCode), resume ? FLAG.RF : 0);
}

/**
 * Delivers an external interrupt, at STATE.rip.
 * @param repeating the interrupt came between two iterations of a string instruction
 * @throws {DeliveryPageIn} go on with {@link deliverRest} once the page is there  @throws {TripleFault}
 */
export function deliverInterrupt(cpu: SystemContext, vector: number, repeating = false): void {
  deliverUntilDone(cpu, { vector, source: 'external', errorCode: undefined }, repeating ? FLAG.RF : 0);
}

/** Delivers a non-maskable interrupt; further ones are held until IRET (SDM 3A, 6.7.1). Errors as {@link deliverInterrupt}. */
export function deliverNmi(cpu: SystemContext): void {
  cpu.state.setU32(STATE.nmiBlocked, 1);
  deliverInterrupt(cpu, VECTOR_OF.NMI);
}

/** Goes on with a delivery that had to wait for a page. Errors as {@link deliverInterrupt}. */
export function deliverRest(cpu: SystemContext, { event, flags }: DeliveryRest): void {
  deliverUntilDone(cpu, event, flags);
}

/**
 * Delivers an event that an instruction asks for, as a trap.
 * @throws {GuestFault} with EXT bit as the source wants it; the instruction has done nothing
 */
export function deliverTrap(cpu: SystemContext, vector: number, source: EventSource): void {
  deliverOnce(cpu, { vector, source, errorCode: undefined }, 0);
  cpu.trapDelivered = true;
}

/** INT1: #DB as a trap, together with the data breakpoints that a load of SS just before has held off. Errors as {@link deliverTrap}. */
export function deliverDebugTrap(cpu: SystemContext): void {
  deliverTrap(cpu, VECTOR_OF.DB, 'privileged');
  recordDebugException(cpu.state, cpu.state.u32(STATE.debugHits));
  cpu.state.setU32(STATE.debugHits, 0);
}

function deliverUntilDone(cpu: SystemContext, first: GuestEvent, resumeFlag: number): void {
  let event = first;
  let pushedFlags = resumeFlag;
  for (;;) {
    try {
      deliverOnce(cpu, event, pushedFlags);
      return;
    } catch (error) {
      if (error instanceof GuestPageIn) throw new DeliveryPageIn(error.gpa, { event, flags: pushedFlags });
      if (!(error instanceof GuestFault)) throw error;
      if (error.vector === VECTOR_OF.PF) cpu.state.setU64(STATE.cr2, cpu.state.u64(STATE.faultAddress));
      event = combine(event, error);
      pushedFlags = isFault(event.vector) ? FLAG.RF : 0;
    }
  }
}

/** One attempt. @param extraFlags bits set in the pushed image of EFLAGS */
function deliverOnce(cpu: SystemContext, event: GuestEvent, extraFlags: number): void {
  const flags = (cpu.state.eflags | extraFlags) >>> 0;
  const quick = event.source !== 'software' && cpu.port.deliverQuickly(event.vector, event.errorCode, flags);
  if (!quick) deliverSlowly(cpu, event, flags);
  cpu.state.setU32(STATE.shadow, 0);
  cpu.state.setU32(STATE.halted, 0);
  cpu.monitorArmed = false;
  if (!quick) cpu.port.contextChanged();
}

function deliverSlowly(cpu: SystemContext, event: GuestEvent, flags: number): void {
  try {
    if (isLongMode(cpu.state)) deliverThroughLongGate(cpu, event, flags);
    else if (isRealMode(cpu.state)) deliverThroughVector(cpu, event.vector, flags);
    else deliverThroughGate(cpu, event, flags);
  } catch (error) {
    throw error instanceof GuestFault ? faultDuring(event, error) : error;
  }
}

/** Real mode: the handler's address is the far pointer in the vector table (SDM 3A, 20.1.4). No error code is pushed. */
function deliverThroughVector(cpu: SystemContext, vector: number, flags: number): void {
  const { state, port } = cpu;
  if (vector * 4 + 3 > state.u32(STATE.idtrLimit)) throw new GuestFault(VECTOR_OF.GP);
  const address = BigInt.asUintN(32, state.u64(STATE.idtrBase) + BigInt(vector * 4));
  const pointer = Number(port.load(address, 4, 'system'));
  enterRealModeHandler(cpu, pointer, flags);
  changeFlags(state, 0, FLAG.IF | FLAG.TF | FLAG.AC | FLAG.RF);
}

/** Pushes FLAGS, CS and IP and continues at a far pointer, in real mode. @throws {GuestFault} #GP or #SS */
function enterRealModeHandler(cpu: SystemContext, pointer: number, flags: number): void {
  const { state } = cpu;
  const ip = pointer & 0xffff;
  if (ip > segmentLimit(state, SEG.CS)) throw new GuestFault(VECTOR_OF.GP);
  const stack = currentStack(cpu);
  const frame = [BigInt(flags & 0xffff), BigInt(segmentSelector(state, SEG.CS)), state.u64(STATE.rip) & 0xffffn];
  setPointer(cpu, stack.bits, pushAll(cpu, stack, 2, frame));
  state.setSegment(SEG.CS, realModeSegment(state, SEG.CS, pointer >>> 16));
  state.setU64(STATE.rip, BigInt(ip));
}
