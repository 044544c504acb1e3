import { HALT, STATE, VECTOR_OF } from '../../isa/registers.ts';
import type { SystemCall } from '../../isa/system-calls.ts';
import type { ProcessorOptions, SystemContext } from './context.ts';
import { loadMachineStatus, readCr8, writeControlRegister, writeExtendedControl } from './control-registers.ts';
import { cpuid } from './cpuid.ts';
import { readDebugRegister, writeDebugRegister } from './debug.ts';
import { deliverDebugTrap, deliverException, deliverTrap } from './exceptions.ts';
import { type FarTarget, farCall, farJump, farReturn } from './far-transfer.ts';
import { clearVirtualInterruptFlag, flagsImageInV86, popFlags, setInterruptFlag } from './flags.ts';
import { movePortMany, portIn, portOut, requirePorts } from './io.ts';
import { interruptReturn } from './iret.ts';
import { invalidateByPcid, monitor, mwait, readCounter, readTimeStamp } from './miscellany.ts';
import { readMsr, writeMsr } from './msr.ts';
import { type MsrRecord, MsrStorage } from './msr-storage.ts';
import { GuestFault, type SystemPort } from './port.ts';
import { powerOn } from './reset.ts';
import { loadSegment, verifyRead, verifyWrite } from './segments.ts';
import { softwareInterrupt } from './software-interrupts.ts';
import { syscall, sysenter, sysexit, sysret } from './syscalls.ts';
import { loadAccessRights, loadLdt, loadSegmentLimit, loadTask } from './system-segments.ts';
import { FaultInNewTask } from './task-segments.ts';
import { fpuTranscendental } from './transcendental.ts';

/** Answers a system call; what it gives besides a bigint is nothing, and the answer 0. */
type SystemFunction = (cpu: SystemContext, a: bigint, b: bigint) => unknown;
type Bytes = 1 | 2 | 4;
type Size = 16 | 32 | 64;

function farTarget(a: bigint, offset: bigint): FarTarget {
  const bits = Number(a);
  return { selector: bits & 0xffff, size: (bits >> 16) as Size, offset };
}

/** FERR#; #MF where nothing listens to it. */
function signalFpuError({ state, fpuError }: SystemPort): boolean {
  if (fpuError === undefined) throw new GuestFault(VECTOR_OF.MF);
  const rises = state.u32(STATE.ferr) === 0;
  state.setU32(STATE.ferr, 1);
  return fpuError(rises);
}

/** The calls, as src/isa/system-calls.ts describes them. */
const CALLS: Readonly<Record<SystemCall, SystemFunction>> = {
  cpuid: (cpu, leaf, subleaf) => cpuid(cpu, Number(leaf), Number(subleaf)),
  rdmsr: (cpu, index) => readMsr(cpu, Number(index)),
  wrmsr: (cpu, index, value) => writeMsr(cpu, Number(index), value),
  rdpmc: () => readCounter(),
  rdtsc: readTimeStamp,
  rdrand: (cpu) => cpu.port.random(),
  readCr8,
  writeCr: (cpu, number, value) => writeControlRegister(cpu, Number(number), value),
  readDr: (cpu, number) => readDebugRegister(cpu, Number(number)),
  writeDr: (cpu, number, value) => writeDebugRegister(cpu, Number(number), value),
  lmsw: (cpu, value) => loadMachineStatus(cpu, Number(value)),
  xsetbv: (cpu, register, value) => writeExtendedControl(cpu, Number(register), value),
  lldt: (cpu, selector) => loadLdt(cpu, Number(selector)),
  ltr: (cpu, selector) => loadTask(cpu, Number(selector)),
  lar: (cpu, selector) => loadAccessRights(cpu, Number(selector)),
  lsl: (cpu, selector) => loadSegmentLimit(cpu, Number(selector)),
  verr: (cpu, selector) => (verifyRead(cpu, Number(selector)) ? 1n : 0n),
  verw: (cpu, selector) => (verifyWrite(cpu, Number(selector)) ? 1n : 0n),
  loadSegment: (cpu, index, selector) => loadSegment(cpu, Number(index), Number(selector)),
  farJump: (cpu, a, offset) => farJump(cpu, farTarget(a, offset)),
  farCall: (cpu, a, offset) => farCall(cpu, farTarget(a, offset)),
  farReturn: (cpu, size, extra) => farReturn(cpu, Number(size) as Size, Number(extra)),
  iret: (cpu, size) => interruptReturn(cpu, Number(size) as Size),
  softwareInterrupt: (cpu, vector) => softwareInterrupt(cpu, Number(vector)),
  breakpointInterrupt: (cpu) => deliverTrap(cpu, VECTOR_OF.BP, 'software'),
  overflowInterrupt: (cpu) => deliverTrap(cpu, VECTOR_OF.OF, 'software'),
  debugInterrupt: deliverDebugTrap,
  sysenter,
  sysexit: (cpu, size) => sysexit(cpu, Number(size)),
  syscall,
  sysret: (cpu, size) => sysret(cpu, Number(size)),
  popFlags: (cpu, value, size) => popFlags(cpu, Number(value & 0xffffffffn), Number(size)),
  pushFlagsVm: (cpu, size) => BigInt(flagsImageInV86(cpu, Number(size))),
  cli: clearVirtualInterruptFlag,
  sti: setInterruptFlag,
  hlt: ({ state }) => state.setU32(STATE.halted, HALT.hlt),
  pause: ({ port }) => port.pause(),
  monitor,
  mwait: (cpu, _hints, extensions) => mwait(cpu, Number(extensions)),
  invlpg: ({ port }, address) => port.invalidatePage(address),
  invpcid: (cpu, type, address) => invalidateByPcid(cpu, Number(type), address),
  portIn: (cpu, port, bytes) => portIn(cpu, Number(port), Number(bytes) as Bytes),
  portOut: (cpu, a, value) => {
    const bits = Number(a);
    portOut(cpu, bits & 0xffff, (bits >> 16) as Bytes, Number(value & 0xffffffffn));
  },
  portInMany: (cpu, packed, host) => movePortMany(cpu, 'in', packed, host),
  portOutMany: (cpu, packed, host) => movePortMany(cpu, 'out', packed, host),
  portPermission: (cpu, port, bytes) => requirePorts(cpu, Number(port), Number(bytes)),
  fpuError: ({ port }) => BigInt(signalFpuError(port)),
  fpuTranscendental: ({ state }, which) => fpuTranscendental(state, Number(which)),
};

/** The state of a processor that its state block does not hold. */
export interface SystemRecord {
  readonly msrs: MsrRecord;
  readonly monitorArmed: boolean;
}

/** Everything system-level that a vCPU does: what guest code asks for by system calls, and its state. */
export class SystemHelpers {
  /** What deliverException and the other functions of this folder work on. */
  readonly context: SystemContext;

  constructor(port: SystemPort, options: ProcessorOptions) {
    this.context = {
      port,
      state: port.state,
      msrs: new MsrStorage(),
      options,
      monitorArmed: false,
      trapDelivered: false,
    };
  }

  /**
   * Answers a system call of guest code.
   * @throws {GuestFault} the instruction has done nothing  @throws {GuestPageIn} likewise
   * @throws {TripleFault}
   */
  call(name: SystemCall, a: bigint, b: bigint): bigint {
    try {
      const answer = CALLS[name](this.context, a, b);
      return typeof answer === 'bigint' ? answer : 0n;
    } catch (error) {
      if (!(error instanceof FaultInNewTask)) throw error;
      deliverException(this.context, error.vector, error.errorCode);
      return 0n;
    }
  }

  /** Power-on. */
  reset(): void {
    powerOn(this.context);
  }

  save(): SystemRecord {
    return { msrs: this.context.msrs.save(), monitorArmed: this.context.monitorArmed };
  }

  restore(record: SystemRecord): void {
    this.context.msrs.restore(record.msrs);
    this.context.monitorArmed = record.monitorArmed;
  }
}
