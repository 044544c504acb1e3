import { enterLong64, enterProtected32 } from '../cpu/system/reset.ts';
import type { Vcpu } from '../cpu/vcpu.ts';
import type { CpuStart } from './loaders/index.ts';

const RAX = 0;
const RBX = 3;
const RSP = 4;
const RSI = 6;

/** Puts a processor that has been reset into the state in which a loader wants its kernel to start. */
export function startCpu(vcpu: Vcpu, start: CpuStart): void {
  const { context } = vcpu.system;
  const entry = {
    rip: start.rip,
    registers: { [RAX]: start.rax, [RBX]: start.rbx, [RSP]: start.rsp, [RSI]: start.rsi },
    code: start.codeSelector,
    data: start.dataSelector,
    gdt: { base: BigInt(start.gdt.gpa), limit: start.gdt.limit },
  };
  if (start.mode === 'long64') enterLong64(context, { ...entry, cr3: start.cr3 });
  else enterProtected32(context, entry);
}
