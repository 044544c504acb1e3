import { RIGHTS, type SegmentValue } from '../cpu/state.ts';
import type { Vcpu } from '../cpu/vcpu.ts';
import { CR0, CR4, EFER, SEG, STATE } from '../isa/registers.ts';
import type { CpuStart } from './loaders/index.ts';

const FLAT_LIMIT = 0xffffffff;
const RSP = 4;
const RSI = 6;
const RAX = 0;
const RBX = 3;
const CODE = RIGHTS.present | RIGHTS.notSystem | RIGHTS.code | RIGHTS.writable | RIGHTS.accessed | RIGHTS.granular;
const DATA = RIGHTS.present | RIGHTS.notSystem | RIGHTS.writable | RIGHTS.accessed | RIGHTS.granular | RIGHTS.big;

function flat(selector: number, rights: number): SegmentValue {
  return { selector, base: 0n, limit: FLAT_LIMIT, rights };
}

/** Puts a processor that has been reset into the state in which a loader wants its kernel to start. */
export function startCpu(vcpu: Vcpu, start: CpuStart): void {
  const { state } = vcpu;
  const long = start.mode === 'long64';
  state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.ET) | (long ? BigInt(CR0.PG) : 0n));
  state.setU64(STATE.cr3, start.cr3);
  state.setU64(STATE.cr4, long ? BigInt(CR4.PAE) : 0n);
  state.setU64(STATE.efer, long ? BigInt(EFER.LME | EFER.LMA) : 0n);
  state.setSegment(SEG.CS, flat(start.codeSelector, CODE | (long ? RIGHTS.long : RIGHTS.big)));
  for (const index of [SEG.SS, SEG.DS, SEG.ES, SEG.FS, SEG.GS]) state.setSegment(index, flat(start.dataSelector, DATA));
  state.setU64(STATE.gdtrBase, BigInt(start.gdt.gpa));
  state.setU32(STATE.gdtrLimit, start.gdt.limit);
  state.setU64(STATE.rip, start.rip);
  state.setGpr(RSP, start.rsp);
  state.setGpr(RAX, start.rax);
  state.setGpr(RBX, start.rbx);
  state.setGpr(RSI, start.rsi);
  vcpu.contextChanged();
}
