import { hasErrorCode, VECTOR_OF } from '../../isa/registers.ts';
import { GuestFault, TripleFault } from './port.ts';
import { FaultInNewTask } from './task-segments.ts';

/**
 * Where an event comes from: `external` an interrupt or NMI, `exception` an instruction's fault or trap,
 * `software` INT n, INT3 and INTO, `privileged` INT1.
 */
export type EventSource = 'external' | 'exception' | 'software' | 'privileged';

/** An interrupt or exception that is delivered through the IDT or IVT. */
export interface GuestEvent {
  readonly vector: number;
  readonly source: EventSource;
  /** Pushed, outside real mode; undefined where the event has none. */
  readonly errorCode: number | undefined;
}

/** Bit of an error code: the fault was met while an event external to the program was delivered (SDM 3A, 6.13). */
const ERROR_EXTERNAL = 1;
/** Bit of an error code: the index is one of the IDT. */
const ERROR_IDT = 2;

/** Exceptions whose error code names a selector and has the EXT bit. */
const SELECTOR_VECTORS: readonly number[] = [VECTOR_OF.TS, VECTOR_OF.NP, VECTOR_OF.SS, VECTOR_OF.GP];
/** Contributory exceptions (SDM 3A, table 6-4). */
const CONTRIBUTORY: readonly number[] = [VECTOR_OF.DE, ...SELECTOR_VECTORS];
/** Exceptions of the fault class, whose frame has RF set (SDM 3A, 6.5 and 17.3.1.1); #DB is looked at apart. */
const FAULTS: readonly number[] = [
  ...CONTRIBUTORY,
  VECTOR_OF.BR,
  VECTOR_OF.UD,
  VECTOR_OF.NM,
  VECTOR_OF.PF,
  VECTOR_OF.MF,
  VECTOR_OF.AC,
  VECTOR_OF.XM,
];

export function isFault(vector: number): boolean {
  return FAULTS.includes(vector);
}

export function exceptionEvent(vector: number, errorCode: number): GuestEvent {
  return { vector, source: 'exception', errorCode: hasErrorCode(vector) ? errorCode : undefined };
}

/** A fault that names the IDT's entry of `vector`. */
export function idtFault(faultVector: number, vector: number): GuestFault {
  return new GuestFault(faultVector, (vector << 3) | ERROR_IDT);
}

/** What is to be raised when `fault` was met while `event` was delivered: the fault with its EXT bit. */
export function faultDuring(event: GuestEvent, fault: GuestFault): GuestFault {
  if (event.source === 'software' || !SELECTOR_VECTORS.includes(fault.vector)) return fault;
  const Fault = fault instanceof FaultInNewTask ? FaultInNewTask : GuestFault;
  return new Fault(fault.vector, fault.errorCode | ERROR_EXTERNAL);
}

/**
 * The event that follows when a fault was met while another event was delivered (SDM 3A, table 6-5).
 * @throws {TripleFault} it was a double fault that could not be delivered
 */
export function combine(first: GuestEvent, second: GuestFault): GuestEvent {
  const isSecondSerious = second.vector === VECTOR_OF.PF || CONTRIBUTORY.includes(second.vector);
  if (first.source === 'exception' && isSecondSerious) {
    if (first.vector === VECTOR_OF.DF)
      throw new TripleFault(`fault ${second.vector} while a double fault is delivered`);
    const isSecondContributory = second.vector !== VECTOR_OF.PF;
    if (first.vector === VECTOR_OF.PF || (CONTRIBUTORY.includes(first.vector) && isSecondContributory)) {
      return exceptionEvent(VECTOR_OF.DF, 0);
    }
  }
  return exceptionEvent(second.vector, faultDuring(first, second).errorCode);
}
